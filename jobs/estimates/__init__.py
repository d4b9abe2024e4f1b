"""How long it takes: what is promised, from what was measured, and how well it was kept.

eta        the range somebody is told
durations  how long films take at each provider
metrics    promises kept, time to the first picture, seconds by stage
"""

"""How long a film takes: the time range people are shown, what it is computed from, and how often it was right.

eta        the time range of a job, from its queue position and the providers' slots
durations  how long films take at each provider
metrics    promises kept, time to the first picture, seconds by stage
"""

"""What a process that opens strangers' bytes may do, and what it costs. Below everything else, and without Django.

processor_time  how much CPU another process has used
"""

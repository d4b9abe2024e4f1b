"""What a process that opens untrusted bytes may do, and what it costs. Below everything else, and without Django.

confine         what the sandboxes and renderers call: give up everything but a few folders, and say how far that went
landlock        files, TCP and signals to others
seccomp         system calls, as a filter that the kernel runs
syscalls        their numbers on x86-64 and aarch64
processor_time  how much CPU another process has used
"""

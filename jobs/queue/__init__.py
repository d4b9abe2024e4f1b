"""Background work: which worker holds which row, how workers are woken, and the loop that works a lane.

claims         short transactions in which exactly one worker takes a row, with a lease and a token
queues         nudges by RQ and a wake list
engine         the pump: claim a batch, work on it in threads, write the outcomes, go on
redis_breaker  stops asking Redis for a moment after it failed
"""

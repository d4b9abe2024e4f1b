"""What pages and API share: reading and checking requests, limiting them, and refusing them.

converters  ids in addresses, for `path()`
job_input   the fields of a new job, checked one by one
deliveries  webhook calls: verified, stored, answered
parsers     request bodies
problems    errors as application/problem+json
throttles   rate limits per owner and per address
"""

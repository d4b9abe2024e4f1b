"""What every app may use: small helpers that know neither Django nor any app of ours.

redis_clients  Redis clients with explicit timeouts and retries
problem        bodies of application/problem+json
times          RFC 3339 times
base64url      URL-safe base64 without padding
timed_cache    one value that is read again when it is too old
log_limiter    a log line at most every few seconds
files          files that are replaced or created in one step
processes      a process that ends with its parent
"""

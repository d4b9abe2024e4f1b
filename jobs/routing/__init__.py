"""Which provider gets a job, and whether it is asked at all.

selection          who gets the next job
limits             how many slots, calls and how much money are left at a provider
breaker            whether a provider is asked at all: circuit breaker and rate limits
fallback           what happens after a failed attempt
cold_starts        how fast models start, and whether one is awake
provider_outcomes  what news of attempts says about their provider, gathered and written together
"""

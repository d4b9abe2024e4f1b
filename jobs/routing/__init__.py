"""Which provider gets a job, and whether a provider may be called now.

selection          how jobs are shared out among the providers that have room
limits             the slots, calls and money that are left at a provider
breaker            whether a provider may be called: circuit breaker and rate limits
fallback           what happens to a job after a failed attempt
cold_starts        how fast models start, and whether a model is warm
health_signals  what attempts say about their provider, collected and written together
"""

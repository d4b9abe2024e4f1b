"""What every door shares: what a request may bring, how much of it, and how it is refused.

job_input   what somebody sends to have a film made, checked field by field
deliveries  webhooks as they come: checked, kept, answered
parsers     how a body may be written
problems    errors as application/problem+json
throttles   how much one person and one address may ask
"""

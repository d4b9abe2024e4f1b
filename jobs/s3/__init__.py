"""Storage in an S3 bucket: one session for all threads, and signed addresses that stay the same for an hour."""

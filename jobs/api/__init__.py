"""The HTTP contract: /api/v1/."""

"""The sound of a look: a score as data, voices and effects, mixed and levelled once per look."""

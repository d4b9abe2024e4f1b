"""Looks, of which a film is one: what the product ships with, and the versions of what they ask providers for.

shipped   the rows that `manage.py seed` makes
versions  written, tried with a sample film, activated
"""

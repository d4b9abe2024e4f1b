"""Backups of the database, and their return: `manage.py backup` and `manage.py restore`."""

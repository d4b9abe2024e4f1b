"""How staff log in.

attempts  wrong passwords, counted and refused before a password is hashed
log       what is written down about a log-in
"""

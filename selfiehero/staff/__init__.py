"""How staff log in.

attempts     wrong passwords, counted and refused before a password is hashed
second_step  codes, backup codes and passkeys, and whether one was shown
passkeys     logging in with one
site         the admin's site that asks for them, and the page where they are set up
sessions     how long a log-in lasts
log          what is written down about a log-in
"""

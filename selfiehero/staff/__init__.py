"""How staff log in, and what they may do.

attempts     wrong passwords, counted and refused before a password is hashed
second_step  codes, backup codes and passkeys, and whether one was shown
passkeys     logging in with one
site         the admin's site that asks for them, and the page where they are set up
sessions     how long a log-in lasts
roles        what staff may do: support, operator, owner
log          what is written down about a log-in
"""

"""Alive, and able to accept: `/healthz` and `/readyz`.

checks  what is asked, and the answers
serving whether this process could serve what it would accept
ledger  what `/readyz` says of the conservation law
"""

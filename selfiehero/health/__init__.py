"""Alive, and able to accept: `/healthz` and `/readyz`.

checks  what is asked, and the answers
ledger  what `/readyz` tells of the conservation law
"""

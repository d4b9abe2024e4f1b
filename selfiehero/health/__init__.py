"""Alive, able to accept, and figures for machines: `/healthz`, `/readyz` and `/metrics`.

checks  what is asked, and the answers
serving whether this process could serve what it would accept
metrics figures for Prometheus, and who may read them
ledger  what `/readyz` says of the conservation law
"""

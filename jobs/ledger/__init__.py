"""The ledger checks a conservation law: no accepted job is lost, and each is in exactly one phase.

    accepted = waiting + in flight + collecting + succeeded + failed + canceled + erased

The law is computed twice, from the append-only job events and from the rows, and both sides have to agree on every
job. Both are read in one database snapshot, so that a ledger taken under load shows no false differences.

balances    both sides of the law, and the jobs on which they differ
checks      rows that should not exist: leases without an owner, slots that are never freed, what is overdue
files       files without a row, and rows whose file is missing
inspection  runs these, together or the law alone
continuous  inspects part after part for as long as reconcile runs, and keeps the result in a row
snapshot    one consistent view of the database
results     what an inspection returns

The ledger only reads; `jobs.reconcile` repairs.
"""

from .continuous import Newest, inspect_next, newest
from .inspection import inspect, inspect_balances
from .results import LATE, LISTED, Balance, Finding, Item, Ledger
from .snapshot import snapshot

__all__ = [
    "LATE",
    "LISTED",
    "Balance",
    "Finding",
    "Item",
    "Ledger",
    "Newest",
    "inspect",
    "inspect_balances",
    "inspect_next",
    "newest",
    "snapshot",
]

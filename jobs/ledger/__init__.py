"""The conservation law, checked: no accepted job is lost, and none is in two places.

    accepted = waiting + in flight + collecting + succeeded + failed + canceled + erased

It is computed twice, from the append-only job events (`balances`: the newest event that says where its job
stands) and from the rows, and both sides have to agree to the unit. Both are read in one snapshot (`snapshot`),
so that a ledger read under load tells no differences that are not there. Beyond the law it finds what should
not be (`checks`, `files`): leases without owner, slots nobody gives back, files without rows and rows without
files. It only reads; what brings stuck things back is `jobs.reconcile.sweep`.
"""

from .inspection import look, look_at_balances
from .results import LATE, LISTED, Balance, Finding, Item, Ledger
from .snapshot import snapshot

__all__ = ["LATE", "LISTED", "Balance", "Finding", "Item", "Ledger", "look", "look_at_balances", "snapshot"]

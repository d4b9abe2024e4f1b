"""How tests inspect the ledger, and how they damage what it reads."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from jobs import ledger


def inspect(**options: Any) -> ledger.Ledger:
    return ledger.inspect(now=timezone.now(), pause=lambda seconds: None, **options)


def found_in(seen: ledger.Ledger) -> dict[str, ledger.Finding]:
    return {finding.code: finding for finding in (*seen.differences, *seen.findings)}


def phases(seen: ledger.Ledger) -> dict[str, int]:
    return {name.value: count for name, count in seen.rows.by_phase.items() if count}


def ids_of(finding: ledger.Finding) -> set[str]:
    assert finding.count == len(finding.items)
    return {item.id for item in finding.items}


def damage(row: Any, **values: Any) -> None:
    assert type(row).objects.filter(pk=row.pk).update(**values) == 1


def only(seen: ledger.Ledger, code: str, *things: Any) -> None:
    """Exactly this was found, of exactly these, and the law holds."""
    assert set(found_in(seen)) == {code}, seen
    assert ids_of(found_in(seen)[code]) == {str(getattr(thing, "pk", thing)) for thing in things}
    assert seen.balances
    assert not seen.is_clean

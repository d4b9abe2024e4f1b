"""The public status page: the present state of the service in plain words, and the same as JSON.

/status         for people, or JSON for whoever asks for it (Accept)
/status.json    JSON

It holds nothing about a person, and no keys, prices or addresses. Everyone gets the same answer, which each process
makes at most every FRESH_SECONDS; a CDN may keep it as long. Its sentences are lazy, so one check serves all languages.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.functional import Promise, lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from common.timed_cache import TimedCache
from common.times import rfc3339
from jobs import messages, storage
from jobs.estimates import eta, metrics
from jobs.models import Attempt, Heartbeat
from jobs.overload import state as overload_state
from jobs.overload.levels import WORDS
from jobs.routing import cold_starts
from providers.models import BreakerReason, ProviderConfig

FRESH_SECONDS = 5
# As in /readyz: a process without a heartbeat for this long hangs or is gone.
_LATE = timedelta(seconds=30)
_MANY = 10_000
# From this p90 on the state is "crowded".
_LONG_SECONDS = 300
_in_readers_language = lazy(messages.studio, str)
_lock = threading.Lock()

Words = str | Promise  # the latter is translated when it is read
_LATE_WORDS = {
    "worker-prepare": _("Photos are accepted, but start late. None is lost."),
    "worker-dispatch": _("Films are sent to the studios more slowly than usual."),
    "worker-collect": _("Finished films are fetched more slowly than usual."),
    "reconcile": _("If something gets stuck, we notice later than usual."),
}
_BREAKER_WORDS = {
    BreakerReason.CALLS: _("It did not answer well several times in a row, so it gets a rest."),
    BreakerReason.FILMS: _("Several films in a row came to nothing there, so it gets a rest."),
    BreakerReason.ACCOUNT: _("Our account there needs a look from us."),
}


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """Answer with the present state, as a page or as JSON."""
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        response: HttpResponse = JsonResponse(_said(check()))
    else:
        response = render(request, "pages/status.html", _shown(_said(check())))
    patch_vary_headers(response, ["Accept"])
    return _kept(response)


@require_safe
def status_json(request: HttpRequest) -> HttpResponse:
    """Answer with the present state as JSON, whatever the client accepts."""
    return _kept(JsonResponse(_said(check())))


def _said(found: dict[str, Any]) -> dict[str, Any]:
    """Return the state with its title as two lines, in the language of the request."""
    return found | {"title": str(found["title"]).split("\n")}


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    """Return the template's context: the state, with its times in columns."""
    columns = ("waiting", "rendering", "collecting")
    studios = [studio | {"columns": [studio["stages"].get(name) for name in columns]} for studio in found["studios"]]
    return {"found": found | {"studios": studios}, "has_times": any(studio["stages"] for studio in studios)}


def _kept(response: HttpResponse) -> HttpResponse:
    patch_cache_control(response, public=True, max_age=FRESH_SECONDS, stale_while_revalidate=FRESH_SECONDS)
    response["Access-Control-Allow-Origin"] = "*"
    return response


def check() -> dict[str, Any]:
    """Return the state, at most FRESH_SECONDS old; requests that come at once share one check."""
    return _cache.get()


def check_now(*, now: datetime) -> dict[str, Any]:
    """Compute the state from the rows, with about a dozen short queries."""
    forecast = eta.survey(now=now)
    waiting = eta.waiting(limit=_MANY)
    promised = eta.range_at(forecast, waiting, now=now)
    load = overload_state.read_now()
    is_open = load.admitted_per_second is None
    notes = _notes(now=now)
    studios, taken = _studios(now=now)
    accepting = storage.free_bytes_when_full() is None
    promises = metrics.promises(now=now)
    if not promises.count:
        promises = metrics.promises(now=now, window=metrics.DAY)
    state = _state(accepting=accepting, is_blocked=forecast.is_blocked, waiting=waiting, p90=promised[1], notes=notes)
    if state in ("quiet", "busy") and (load.level or not is_open):
        state = "crowded"
    notes += [WORDS[load.level]] if load.level else []
    notes += [] if is_open else [_("New photos wait at the door: those who have waited longest are let in first.")]
    places = sum(studio["places"] for studio in studios if studio["is_open"])
    return {
        "state": state,
        **_WORDS[state],
        "accepting": accepting,
        "eta_seconds": {"p50": promised[0], "p90": promised[1]},
        "load": {"level": load.level.label, "backlog_seconds": load.backlog_seconds, "lets_everybody_in": is_open},
        "waiting": waiting,
        "is_more": waiting >= _MANY,
        "places": {"taken": min(taken, places), "open": places, "share": min(1.0, taken / places) if places else 1.0},
        "promises": {
            "hours": round(promises.window.total_seconds() / 3600),
            "films": promises.count,
            "kept": round(promises.kept, 3),
            "sooner": round(promises.share(promises.sooner), 3),
            "in_range": round(promises.share(promises.inside), 3),
            "later": round(promises.share(promises.later), 3),
            "seconds_late": round(promises.seconds_late, 1),
        },
        "notes": notes,
        "studios": studios,
        "checked_at": rfc3339(now, timespec="seconds"),
    }


_cache = TimedCache(FRESH_SECONDS, lambda: check_now(now=timezone.now()))

# For each state a title in two lines, and a sentence. Lazy, because a state is kept for visitors of every language.
_WORDS = {
    "quiet": {"title": _("Quiet,\nand ready."), "summary": _("Photos are welcome. Nobody is waiting.")},
    "busy": {"title": _("Busy, and\nkeeping up."), "summary": _("Photos are welcome. Everyone in line gets a film.")},
    "crowded": {
        "title": _("Crowded,\nbut moving."),
        "summary": _("Photos are welcome, and films take longer than usual. Everyone keeps their place in line."),
    },
    "degraded": {
        "title": _("Working,\nwith a limp."),
        "summary": _("Photos are welcome. Something behind the scenes is slow, and we say below what."),
    },
    "shut": {
        "title": _("The studios\nrest."),
        "summary": _("Photos are accepted and keep their place in line, but no film studio is open right now."),
    },
    "full": {
        "title": _("No room\nright now."),
        "summary": _("New photos have to wait a little: what room is left is for the films under way."),
    },
}


def _state(*, accepting: bool, is_blocked: bool, waiting: int, p90: int, notes: list[Words]) -> str:
    if not accepting:
        return "full"
    if is_blocked:
        return "shut"
    if notes:
        return "degraded"
    if not waiting:
        return "quiet"
    return "crowded" if p90 > _LONG_SECONDS else "busy"


def _notes(*, now: datetime) -> list[Words]:
    """Return a sentence for each process that was seen once and is late now."""
    # Of several hosts with one process the newest heartbeat counts.
    rows = Heartbeat.objects.filter(name__in=list(_LATE_WORDS)).order_by("seen_at")
    seen = dict(rows.values_list("name", "seen_at"))
    return [words for name, words in _LATE_WORDS.items() if name in seen and now - seen[name] > _LATE]


def _studios(*, now: datetime) -> tuple[list[dict[str, Any]], int]:
    """Return the state of each provider in plain words, and how many slots are taken at the open ones."""
    rows = list(ProviderConfig.objects.in_order())
    known = cold_starts.known_of(rows)
    times = metrics.stages(now=now)
    held: dict[int, int] = {row.id: 0 for row in rows}
    for provider_id in Attempt.objects.holding_a_slot().among(list(held)).values_list("provider_id", flat=True):
        held[provider_id] += 1
    studios, taken = [], 0
    for row in rows:
        state, label, words, until = _health(row, known[row.id], held=held[row.id], now=now)
        is_open = state in ("good", "warn") and until is None
        taken += held[row.id] if is_open else 0
        studios.append(
            {
                "title": _in_readers_language(row.title or row.slug),
                "state": state,
                "label": label,
                "words": words,
                "until": rfc3339(until, timespec="seconds") if until else None,
                "is_open": is_open,
                "places": row.max_concurrent,
                "taken": held[row.id],
                "stages": {
                    stage: {"count": spread.count, "p50": round(spread.p50, 1), "p90": round(spread.p90, 1)}
                    for stage, spread in times.get(row.slug, {}).items()
                },
            }
        )
    return studios, taken


def _health(
    row: ProviderConfig, known: cold_starts.Known, *, held: int, now: datetime
) -> tuple[str, Words, Words, datetime | None]:
    """Return a provider's health (good, warn or bad), a label, a sentence, and until when it lasts if that is known."""
    if row.breaker_until is not None and row.breaker_until > now:
        words = _BREAKER_WORDS.get(BreakerReason(row.breaker_reason), _BREAKER_WORDS[BreakerReason.CALLS])
        return "bad", _("Resting"), format_lazy("{} {}", words, _("We try again soon.")), row.breaker_until
    if row.is_rate_limited(now=now):
        return (
            "warn",
            _("Busy"),
            _("It asked us to wait. Other studios take over where they can."),
            row.rate_limited_until,
        )
    if row.is_out_of_budget(now=now):
        tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return "warn", _("Done for today"), _("It has made all the films it makes in a day."), tomorrow
    if row.needs_probe(now=now):
        return "warn", _("Trying again"), _("One film goes first; when it comes back, the others follow."), None
    if not known.is_warm(row, now=now):
        cold, warm = known.percentile(cold_starts.COLD_FILM, 0.5), known.percentile(cold_starts.WARM_FILM, 0.5)
        words = _("It wakes up when it is needed; the first film takes a little longer.")
        if cold and warm and cold - warm >= 2:
            longer = _("It wakes up when it is needed; the first film takes about {seconds} s longer.")
            words = format_lazy(longer, seconds=round(cold - warm))
        return "good", _("Asleep"), words, None
    if held >= row.max_concurrent:
        words = _("Every place there is taken. The next free one goes to whoever is first in line.")
        return "good", _("Full"), words, None
    words = _("Films are being made as usual.")
    if row.capabilities.is_ours:
        words = format_lazy("{} {}", _("Our own machines."), words)
    return "good", _("Working"), words, None

"""The sentences that people read about a job, one table for each kind. Codes are stable; wording may change."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from jobs.photos import outcomes


class Failure(NamedTuple):
    message: str
    next_step: str


_ANOTHER_PHOTO = noop("Choose another photo: one face, looking at the camera, in good light.")
_AGAIN = noop("Try again. Your photo and your look are still good.")

# Why a job failed, and what its owner can do about it. The codes of bad photos are in `jobs.photos.outcomes`.
FAILURES = {
    "photo_refused": Failure(noop("No film studio would work with this photo."), _ANOTHER_PHOTO),
    "no_provider": Failure(noop("No film studio could finish your film."), _AGAIN),
    "deadline": Failure(noop("Your film took longer than we promise, so we stopped."), _AGAIN),
    "film_unusable": Failure(noop("The film that came back could not be played."), _AGAIN),
}
_UNKNOWN = Failure(noop("Your film could not be finished."), _AGAIN)

# Why the time range moved. {subject} and {target} are titles of providers: from whom, and to whom.
REASONS = {
    "provider_busy": noop("{subject} is busy, so your hero waits for the next free place."),
    "provider_moved": noop("{subject} had trouble, so your hero moves on to the next try."),
    "provider_refused": noop("{subject} does not work with this photo, so your hero waits for another film studio."),
    "answer_lost": noop("We lost touch with {subject} for a moment and are picking up the thread."),
    "moved_busy": noop("{subject} is busy, your hero moves to {target}."),
    "moved_trouble": noop("{subject} had trouble, your hero moves to {target}."),
    "moved_refused": noop("{subject} does not work with this photo, so your hero tries {target}."),
    "moved_lost": noop("{subject} does not answer, your hero moves to {target}."),
    "last_resort": noop("All film studios in the cloud are busy or down, so our own studio makes your film."),
    "only_ours": noop("No other film studio could make this one, so our own studio does."),
    "nobody_open": noop("No film studio is open right now. Your place in line is kept."),
    "films_slower": noop("Films take longer right now than they did when you came. Your place in line is kept."),
    "provider_slow": noop("{subject} is slower than it was, and still at work on your film."),
    "collecting_again": noop("The film is finished and we are fetching it once more."),
}

# The outcome of a job, for anyone who holds its receipt.
OUTCOMES = {
    "open": noop("The photo was accepted and its film is being made."),
    "succeeded": noop("The film was made and is there for its owner."),
    "failed": noop("No film came of it, and its owner was told why."),
    "canceled": noop("It was canceled. Nothing more is made from the photo."),
    "erased": noop("Photo, film and poster are erased."),
    "forgotten": noop("It is older than what we keep, so nothing but this receipt is left of it."),
}


# A receipt's status and stage, in the middle of a line.
STATUSES = {
    "queued": noop("queued"),
    "processing": noop("processing"),
    "succeeded": noop("succeeded"),
    "failed": noop("failed"),
    "canceled": noop("canceled"),
}
STAGES = {
    "accepted": noop("accepted"),
    "preparing": noop("preparing"),
    "waiting_for_slot": noop("waiting for a place"),
    "submitted": noop("submitted"),
    "warming_up": noop("warming up"),
    "rendering": noop("rendering"),
    "collecting": noop("collecting"),
    "ready": noop("ready"),
}


def is_about_photo(code: str) -> bool:
    """Return whether a job that failed with this code needs another photo."""
    return code in outcomes.OUTCOMES or code == "photo_refused"


def failure(code: str) -> dict[str, str] | None:
    """Return `{"code", "message", "next_step"}` for a failure code, None for none."""
    if not code:
        return None
    found = outcomes.OUTCOMES.get(code) or FAILURES.get(code, _UNKNOWN)
    return {"code": code, "message": _(found.message), "next_step": _(found.next_step)}


def reason(code: str, subject: str, target: str = "") -> str | None:
    """Return the sentence that says why the time range moved, or None."""
    template = REASONS.get(code)
    if not template:
        return None
    return _(template).format(subject=studio(subject) or _("The studio"), target=studio(target) or _("another studio"))


def studio(title: str) -> str:
    """Return a provider's name: our studio's translated, names given by staff as they are."""
    return _("The studio") if title == "The studio" else title


def outcome(code: str) -> str:
    """Return the sentence for a job's outcome."""
    return _(OUTCOMES[code])


def word(table: dict[str, str], code: str | None) -> str:
    """Return the word for a status or a stage, the code itself for one of another release."""
    return _(table.get(code or "", "")) or (code or "")

"""What the page of one webhook delivery tells: who sent it, what we made of it, and whether it can be applied again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs.intake.deliveries import SOURCE
from jobs.models import WebhookDelivery
from providers import registry
from providers.models import ProviderConfig
from providers.types import PredictionStatus

from . import parts

_Verdict = WebhookDelivery.Verdict
GENUINE = (_Verdict.VALID, _Verdict.UNKNOWN)
# So far back, and among so many, refused ones of the same sender are counted.
_SAME_SENDER_WITHIN = timedelta(minutes=10)
_SAME_SENDER_AMONG = 500
_AT_ONCE = timedelta(seconds=1)
_SAYS = {
    PredictionStatus.QUEUED: "that it waits there",
    PredictionStatus.WARMING_UP: "that its model is being loaded",
    PredictionStatus.SUCCEEDED: "that the film is ready",
    PredictionStatus.CANCELED: "that it was canceled",
}


@dataclass(frozen=True)
class Told:
    """The sentence on top of the page, what is under it, and why it cannot be applied again ('' when it can)."""

    sentence: str
    verdict: str
    effect: str
    source: str
    why_not: str


def told_of(delivery: WebhookDelivery, *, now: datetime) -> Told:
    """Return what the page says of a delivery. Two queries, and one more for a refused one."""
    provider = ProviderConfig.objects.filter(slug=delivery.provider).first()
    name = provider.title if provider else delivery.provider
    says = f"{name} says {_says(delivery, provider)}{_of_job(delivery)}."
    source = delivery.headers.get(SOURCE, "")
    match delivery.verdict:
        case _Verdict.FORGED:
            sentence = f"Somebody without our secret posts in the name of {name}. It got 401 and changed nothing."
            verdict, effect = "its signature fits none of our secrets", "none: refused with 401"
        case _Verdict.STALE:
            sentence = f"It is signed as {name} signs, for another time. It got 401 and changed nothing."
            verdict, effect = "its signature is right and too old, or from the future", "none: refused with 401"
        case _:
            verdict = "its signature is right"
            sentence, effect = _effect(delivery, says, name)
    if delivery.verdict not in GENUINE:
        source = _with_count(delivery, source)
    return Told(sentence, verdict, effect, source or "not kept", _why_not(delivery))


def _effect(delivery: WebhookDelivery, says: str, name: str) -> tuple[str, str]:
    """Return sentence and effect of a genuine delivery."""
    if delivery.applied_at is not None and delivery.due_at is None:
        length = delivery.applied_at - delivery.received_at
        after = f"after {parts.span(length)}" if length > _AT_ONCE else "at once"
        return f"{says} It was applied {after}.", f"applied {parts.moment(delivery.applied_at)}"
    if delivery.due_at is None:
        why = delivery.error or "nothing is known of why"
        return f"{says} It was given up after {parts.counted(delivery.apply_tries, 'try', 'tries')}: {why}.", "none"
    if not delivery.apply_tries:
        return f"{says} It is applied within seconds.", "not applied yet"
    again = f"It is tried again at {delivery.due_at:%H:%M:%S}"
    if delivery.verdict == _Verdict.UNKNOWN:
        return f"{name} tells of an attempt that we do not have. {again}.", f"kept: {delivery.error}"
    return f"{says} {again}, after {parts.counted(delivery.apply_tries, 'try', 'tries')}.", f"not yet: {delivery.error}"


def _says(delivery: WebhookDelivery, provider: ProviderConfig | None) -> str:
    if not delivery.body:
        return "something that is erased"
    try:
        event = registry.adapter_for(provider.adapter if provider else "").parse(bytes(delivery.body))
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the page shows it as it came
        return "something that we cannot read"
    if event.status == PredictionStatus.RUNNING:
        return f"that it is at {event.progress or 0:.0%}"
    if event.status == PredictionStatus.FAILED:
        return f"that it failed ({event.error_code or 'without a reason'})"
    return _SAYS.get(event.status, "something new to us")


def _of_job(delivery: WebhookDelivery) -> str:
    attempt = delivery.attempt
    if attempt is None:
        return ""
    return f" of job {str(attempt.job_id)[:8]}, attempt {attempt.number}" if attempt.job_id else " of a call of our own"


def _with_count(delivery: WebhookDelivery, source: str) -> str:
    """Return the sender's address with how many of its calls were refused shortly before."""
    if not source:
        return ""
    since = delivery.received_at - _SAME_SENDER_WITHIN
    refused = WebhookDelivery.objects.filter(
        verdict__in=(_Verdict.FORGED, _Verdict.STALE), received_at__gt=since, received_at__lte=delivery.received_at
    )
    among = refused.order_by("-received_at").values_list("headers", flat=True)[:_SAME_SENDER_AMONG]
    same = sum(headers.get(SOURCE) == source for headers in among)
    return f"{source}, refused {parts.counted(same, 'time')} within ten minutes"


def _why_not(delivery: WebhookDelivery) -> str:
    if delivery.verdict not in GENUINE:
        return "Only what a provider has signed for its time is ever applied."
    if not delivery.body:
        return "What it said is erased."
    return ""

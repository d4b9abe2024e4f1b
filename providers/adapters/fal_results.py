"""What fal's answers about an ended request mean: its film, or which failure. The tables are its documentation's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers import error_mapping, outputs, payloads
from providers.types import PredictionStatus, ProviderEvent

# docs, request errors: errors of the platform, raised before or after the model ran.
PLATFORM_ERRORS = {
    "request_timeout": "provider_timeout",
    "startup_timeout": "provider_timeout",
    "runner_scheduling_failure": "provider_failed",
    "runner_connection_timeout": "provider_failed",
    "runner_disconnected": "provider_failed",
    "runner_connection_refused": "provider_failed",
    "runner_connection_error": "provider_failed",
    "runner_incomplete_response": "provider_failed",
    "runner_server_error": "provider_failed",
    "internal_error": "provider_failed",
    "bad_request": "request_refused",
}
CANCELED = frozenset({"client_disconnected", "client_cancelled"})
# docs, model errors: the `type` of each entry of `detail`. Every other type is about a field of the request.
# `file_download_error` is a fault of our URL or the network. A photo that is too small or too large for this
# model is a field error: other models may accept it.
MODEL_ERRORS = {
    "content_policy_violation": "photo_refused",
    "image_load_error": "photo_unreadable",
    "unsupported_image_format": "photo_unreadable",
    "face_detection_error": "no_face",
    "file_download_error": "provider_failed",
    "no_media_generated": "provider_failed",
    "internal_server_error": "provider_failed",
    "downstream_service_error": "provider_failed",
    "downstream_service_unavailable": "provider_failed",
    "generation_timeout": "provider_timeout",
}
# A policy violation in one of these fields is the look's fault, not the photo's.
TEXT_FIELDS = frozenset({"prompt", "negative_prompt"})

# Failure codes that an attempt may have, but a refused call has not.
TRANSIENT = frozenset({"provider_failed", "provider_timeout"})


def finished(prediction_id: str, output: Any, *, around: Mapping[str, Any] | None = None) -> ProviderEvent:
    """Return the event of a request that a model answered: succeeded with its film, failed without one or flagged.

    `around` is what the output came in, where a flag may stand too.
    """
    if outputs.is_flagged(around) or outputs.is_flagged(output):
        return ProviderEvent(
            prediction_id, PredictionStatus.FAILED, error_code="photo_refused", raw_error=outputs.FLAGGED
        )
    film = outputs.film_in(output)
    if not film:
        return ProviderEvent(
            prediction_id,
            PredictionStatus.FAILED,
            error_code="provider_failed",
            raw_error="completed without a film",
        )
    return ProviderEvent(prediction_id, PredictionStatus.SUCCEEDED, progress=1.0, video_url=film)


def failure(prediction_id: str, data: Mapping[str, Any]) -> ProviderEvent:
    """Return the event of a request that ended without a film, by the platform's or the model's error."""
    if isinstance(data.get("error_type"), str) and data["error_type"] in CANCELED:
        return ProviderEvent(prediction_id, PredictionStatus.CANCELED, raw_error=data["error_type"])
    code, text = reason(data, otherwise="provider_failed")
    return ProviderEvent(prediction_id, PredictionStatus.FAILED, error_code=code, raw_error=text)


def entries(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of a model's error; [] for an error of the platform."""
    detail = data.get("detail")
    return [entry for entry in detail if isinstance(entry, dict)] if isinstance(detail, list) else []


def reason(data: Mapping[str, Any], *, otherwise: str) -> tuple[str, str]:
    """Return the failure code and a text for staff. An entry's `input` is left out: it may be the photo."""
    texts = []
    codes = []
    for entry in entries(data)[:5]:
        where = [str(part) for part in entry["loc"]] if isinstance(entry.get("loc"), list) else []
        kind = payloads.text(entry.get("type"))
        said = payloads.text(entry.get("msg"))
        texts.append(f"{kind} at {'.'.join(where)[:100]}: {said[:300]}")
        is_text = bool(where) and where[-1] in TEXT_FIELDS
        code = MODEL_ERRORS.get(kind) or error_mapping.failure_code(said, otherwise="request_refused")
        codes.append("request_refused" if is_text else code)
    if codes:
        # An entry about the photo goes before one about the request.
        return next((code for code in codes if code != "request_refused"), codes[0]), "; ".join(texts)
    words = [payloads.message(data.get(name)) for name in ("error_type", "detail", "error")]
    text = ": ".join(filter(None, words))
    known = PLATFORM_ERRORS.get(words[0])
    return known or error_mapping.failure_code(text, otherwise=otherwise), text

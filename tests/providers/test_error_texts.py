"""What a vendor's error text says decides whether the photo was refused or the provider failed."""

import json

import pytest

from providers import error_mapping, payloads, registry


@pytest.mark.parametrize(
    "text",
    [
        "The request failed because the input image may contain real person.",
        "InputImageSensitiveContentDetected.PrivacyInformation",
        "The request failed because the output video may contain sensitive information.",
        "Input data may contain inappropriate content.",
        "DataInspectionFailed",
        "Error: data_inspection_failed",
        "Responsible AI filtered the output",
        "Request Moderated",
        "The image was moderated.",
        "Unsafe content detected",
        "PROHIBITED_CONTENT",
        "Content moderation refused the image",
        "flagged by the moderation service",
        "The input or output was flagged as sensitive. (E005)",
        "NSFW content detected",
        "blocked by our safety system",
    ],
)
def test_a_refused_photo_is_told_by_its_text(text):
    assert error_mapping.failure_code(text, otherwise="provider_failed") == "photo_refused"


@pytest.mark.parametrize(
    "text",
    [
        "the moderation service timed out",
        "Moderation is unavailable, try again later",
        "content moderation API is overloaded",
        "timeout while waiting for the moderation service",
        "could not reach the content moderation endpoint",
        "The safety checker failed to load",
        "unable to load the safety checker",
        "the model is not responsible for this",
        "content-type is not supported",
        "the real person in charge is on holiday",
    ],
)
def test_a_check_that_broke_says_nothing_about_the_photo(text):
    assert error_mapping.failure_code(text, otherwise="provider_failed") == "provider_failed"


def test_a_check_that_broke_once_and_then_refused_has_refused():
    text = "the moderation service timed out; retried: NSFW content detected"
    assert error_mapping.failure_code(text, otherwise="provider_failed") == "photo_refused"


@pytest.mark.parametrize(
    "error",
    [
        {"message": "NSFW content detected"},
        {"code": "E1", "error": {"message": "NSFW content detected"}},
        {"detail": "NSFW content detected", "input": "data:image/jpeg;base64,AAAA"},
        [{"msg": "NSFW content detected"}],
        ["NSFW content detected"],
    ],
)
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("replicate", {"id": "p1", "status": "failed", "output": None}),
        ("wavespeed", {"id": "p1", "status": "failed", "outputs": []}),
        ("fal", {"request_id": "p1", "status": "ERROR", "payload": {}}),
    ],
)
def test_an_error_in_any_form_keeps_its_text(error, name, body):
    event = registry.adapter_for(name).parse(json.dumps(body | {"error": error}).encode())
    assert event.error_code == "photo_refused"
    assert "NSFW content detected" in event.raw_error
    assert "base64" not in event.raw_error


@pytest.mark.parametrize("value", [None, 7, {}, [], {"message": 7}, [[["x"]]]])
def test_what_holds_no_text_is_none(value):
    assert payloads.message(value) == ""

"""Vendors' JSON that breaks decoders and databases loses nothing but the part that is odd."""

import json

import pytest

from providers import payloads, registry
from providers.types import PredictionStatus

BODIES = {
    "replicate": b'{"id": "p1", "status": "failed", "error": "%s", "output": null}',
    "wavespeed": b'{"id": "p1", "status": "failed", "error": "%s", "outputs": []}',
    "fal": b'{"request_id": "p1", "status": "ERROR", "error": "%s", "payload": {"detail": "%s"}}',
    "studio": b'{"prediction": {"id": "p1", "status": "failed", "error": {"code": "x", "message": "%s"}}}',
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("half", [rb"\ud83d", b"\xed\xa0\xbd"])
def test_a_text_that_was_cut_through_a_character_is_still_an_answer(name, half):
    event = registry.adapter_for(name).parse(BODIES[name].replace(b"%s", b"no face in " + half))
    assert event.status == PredictionStatus.FAILED
    assert event.raw_error.encode()
    assert json.dumps(event.raw_error, ensure_ascii=False).encode()


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("body", [b"[" * 5000, b'{"id":' * 5000, b'{"id": ' + b"9" * 5000 + b"}", b'{"id": "\\ud800"}'])
def test_what_cannot_be_read_is_a_value_error(name, body):
    with pytest.raises(ValueError):
        registry.adapter_for(name).parse(body)


def test_white_space_around_an_address_is_no_part_of_it():
    assert payloads.address(" https://x.example/a\r\n") == "https://x.example/a"
    assert payloads.address("https://x.example/\na") == ""
    assert payloads.address(" \n") == ""


MOST, FILM = 64 * 1024, "https://x.example/v.mp4"


@pytest.mark.parametrize(
    "ended",
    [
        {"logs": "z" * 70_000, "output": json.dumps({"prompt": "y" * 3000, "video": FILM})},
        {"logs": "z" * 70_000, "output": [*(f"https://x.example/{n}.png" for n in range(600)), FILM]},
        {"logs": "z" * 70_000, "output": {"losses": [0.5] * 1200, "result": {"video": FILM}}},
        {"logs": "z" * 70_000, "input": ["x" * 200] * 300, "output": FILM},
        {"logs": "z" * 70_000, "output": {"losses": [[n] for n in range(3000)], "video": FILM, "nsfw": [False] * 900}},
        {"logs": "z" * 70_000, "output": {"video": FILM, "nsfw": [*[False] * 1200, True]}},
        {
            "input": {f"option-{n}": "x" * 30 for n in range(3000)},
            "output": {f"{n}": n for n in range(90)} | {"v": FILM},
        },
    ],
)
def test_a_body_is_never_cut_through_what_decides(ended):
    body = json.dumps({"id": "a", "status": "succeeded", **ended}).encode()
    reading = registry.adapter_for("replicate").parse
    kept = payloads.shortened(body, most=MOST, reading=reading)
    assert reading(kept) == reading(body)
    assert reading(kept).video_url == FILM or reading(kept).error_code == "photo_refused"


def test_a_body_is_cut_where_nothing_is_lost():
    reading = registry.adapter_for("replicate").parse
    body = json.dumps({"id": "a", "status": "succeeded", "logs": "z" * 70_000, "output": FILM}).encode()
    assert len(payloads.shortened(body, most=MOST, reading=reading)) < 4000
    assert len(payloads.shortened(b"x" * 70_000, most=MOST, reading=reading)) == MOST

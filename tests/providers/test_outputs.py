"""The film is found in every shape in which models return it, and what is flagged is not shown."""

import json

import pytest

from providers import outputs, registry
from providers.types import PredictionStatus

OTHER = "https://x.example/p.mp4"
FILM, PICTURE, PLAIN = "https://x.example/a/film.mp4?sig=1", "https://x.example/a/still.png", "https://x.example/f/9f2c"


@pytest.mark.parametrize(
    ("output", "film"),
    [
        (FILM, FILM),
        ([FILM], FILM),
        ([PICTURE, FILM], FILM),
        ({"video": FILM}, FILM),
        ([{"url": FILM}], FILM),
        ({"video": {"url": FILM}}, FILM),
        ({"videos": [{"url": FILM}]}, FILM),
        ({"video_url": FILM}, FILM),
        ({"image": {"url": PICTURE}, "video": {"url": PLAIN}}, PLAIN),
        ({"thumbnail": PLAIN + "t", "video": PLAIN}, PLAIN),
        ({"images": [{"url": PLAIN + "i", "content_type": "image/png"}], "output": PLAIN}, PLAIN),
        ([{"url": PLAIN + "a", "content_type": "audio/mpeg"}, {"url": PLAIN, "content_type": "video/mp4"}], PLAIN),
        ({"data": {"result": {"files": [{"url": FILM}]}}}, FILM),
        ({"type": "video", "url": PLAIN}, PLAIN),
        (PLAIN, PLAIN),
        ([PLAIN, FILM], FILM),
        ("https://x.example/FILM.MP4", "https://x.example/FILM.MP4"),
        (f" {FILM}\n", FILM),
        ([f"\t{PICTURE} ", f"\r\n{FILM} "], FILM),
        (json.dumps([PICTURE, FILM]), FILM),
        (json.dumps({"url": FILM}), FILM),
        (json.dumps(FILM), FILM),
        ("\n " + json.dumps([{"video": {"url": f" {PLAIN}\n", "content_type": "video/mp4"}}]) + "\n", PLAIN),
        ({"output": json.dumps(json.dumps({"video": PLAIN}))}, PLAIN),
        ([json.dumps({"image": PLAIN + "i"}), json.dumps({"video": PLAIN})], PLAIN),
        (f'{{"url": "{FILM}", "fps": NaN, "title": "\\ud83d"}}', FILM),
        ([{"url": PLAIN + "p"}, {"url": PLAIN, "content_type": "application/mp4"}], PLAIN),
        ([{"url": PLAIN + "s", "content_type": "audio/mp4"}, {"url": PLAIN}], PLAIN),
        ({"cover": PLAIN + "c", "url": PLAIN}, PLAIN),
        ({"last_snapshot": PLAIN + "s", "webhook_url": PLAIN + "w", "url": PLAIN}, PLAIN),
        ([PLAIN, f"{PLAIN}?filename=film.mp4&sig=1"], f"{PLAIN}?filename=film.mp4&sig=1"),
        ([PLAIN, f"{PLAIN}?response-content-type=video%2Fmp4"], f"{PLAIN}?response-content-type=video%2Fmp4"),
        (
            [PLAIN, f"{PLAIN}?response-content-disposition=attachment%3B%20filename%3D%22a.png%22"],
            PLAIN,
        ),
        (json.dumps({"image": PLAIN}), ""),
        ("[" * 5000, ""),
        (f"[{FILM}]", ""),
        (f"{FILM[:20]}\n{FILM[20:]}", ""),
        (PICTURE, ""),
        ({"image": PLAIN}, ""),
        ({"video": {"url": PLAIN, "content_type": "image/png"}}, ""),
        ("ftp://x.example/film.mp4", ""),
        ("https://[x/film.mp4", ""),
        (None, ""),
        ([], ""),
        ({}, ""),
        (7, ""),
        ([[[[["no address"]]]]], ""),
    ],
)
def test_the_film_is_found_by_type_ending_and_name(output, film):
    assert outputs.film_in(output) == film


@pytest.mark.parametrize(
    "output",
    [
        {"preview_url": OTHER, "video_url": FILM},
        {"preview_url": OTHER, "video_url": PLAIN},
        {"mask_video": {"url": OTHER, "content_type": "video/mp4"}, "video": {"url": FILM}},
        {"mask_video": {"url": OTHER, "content_type": "video/mp4"}, "output": [PLAIN]},
        {"reference_video": OTHER, "result": {"files": [{"url": FILM}]}},
        {"reference_video": PLAIN + "r", "file": FILM},
        {"source": PLAIN + "s", "url": PLAIN},
        {"input": {"video": OTHER}, "video": FILM},
        {"input": {"video": OTHER}, "url": PLAIN},
        {"inputVideo": OTHER, "url": PLAIN},
        [{"type": "image", "url": PLAIN + "i"}, {"type": "video", "url": PLAIN}],
        [{"mimeType": "image/png", "url": PLAIN + "i"}, {"mimeType": "video/mp4", "url": PLAIN}],
        [{"contentType": "audio/wav", "url": PLAIN + "i"}, {"contentType": "VIDEO/mp4", "url": PLAIN}],
        [{"file_name": "still.png", "url": PLAIN + "i"}, {"file_name": "film.mp4", "url": PLAIN}],
        [{"fileName": "a.npz", "url": PLAIN + "i"}, {"url": PLAIN}],
        *([f"{PLAIN}.{ending}", PLAIN] for ending in ("jfif", "npz", "tar", "tar.gz", "pdf", "csv", "safetensors")),
        [*(PICTURE for _ in range(600)), FILM],
        {"losses": [0.5] * 1200, "result": {"video": FILM}},
    ],
)
def test_of_several_the_film_is_chosen_by_type_and_ending_then_by_name(output):
    assert outputs.film_in(output) in (FILM, PLAIN)


@pytest.mark.parametrize("output", [{"input": {"video": FILM}}, {"input_video": FILM}, {"images": [{"url": PLAIN}]}])
def test_what_was_sent_and_what_is_no_film_is_never_the_film(output):
    assert outputs.film_in(output) == ""


@pytest.mark.parametrize("output", [{"preview_url": OTHER}, {"reference_video": OTHER}, {"original": OTHER}])
def test_a_film_that_stands_alone_is_the_film_under_any_name(output):
    assert outputs.film_in(output) == OTHER


def test_an_endless_output_is_read_no_further_than_needed():
    assert outputs.film_in([["x"] * 5000] * 5000) == ""


def replicate(output, **more):
    return {"id": "p1", "status": "succeeded", "output": output, **more}


def fal(payload):
    return {"request_id": "p1", "status": "OK", "payload": payload}


def wavespeed(found, **more):
    return {"id": "p1", "status": "completed", "outputs": found, **more}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("replicate", replicate({"video": FILM})),
        ("replicate", replicate([{"url": FILM}])),
        ("replicate", replicate([PICTURE, FILM])),
        ("fal", fal({"videos": [{"url": FILM}]})),
        ("fal", fal({"video_url": FILM})),
        ("fal", fal({"video": {"url": FILM, "content_type": "video/mp4"}, "has_nsfw_concepts": [False]})),
        ("wavespeed", wavespeed([PICTURE, FILM])),
        ("wavespeed", wavespeed([FILM], has_nsfw_contents=[False])),
        ("wavespeed", wavespeed([f"{FILM}\n"])),
        ("wavespeed", wavespeed(json.dumps([PICTURE, FILM]))),
        ("wavespeed", wavespeed([{"url": FILM}])),
        ("replicate", replicate(f" {FILM}\n")),
        ("replicate", replicate(json.dumps({"url": FILM}))),
        ("fal", fal({"output": json.dumps([FILM])})),
        ("fal", fal({"video": {"url": f" {FILM}"}})),
        ("fal", fal([{"url": FILM}])),
        ("fal", fal(FILM)),
        ("replicate", replicate(FILM, input={"nsfw": True, "enable_safety_checker": True, "has_nsfw_content": "true"})),
        ("fal", fal({"video": FILM, "nsfw": {"checked": True, "enabled": True, "detected": False}})),
        ("wavespeed", wavespeed([FILM], input={"nsfw": 1}, has_nsfw_contents=[0, "false", None])),
        ("fal", fal({"video": FILM, "nsfw": False, "nsfw_score": 1, "enable_nsfw_filter": True})),
    ],
)
def test_every_vendors_shapes_are_a_film(name, body):
    event = registry.adapter_for(name).parse(json.dumps(body).encode())
    assert (event.status, event.video_url, event.error_code) == (PredictionStatus.SUCCEEDED, FILM, "")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("wavespeed", wavespeed([], has_nsfw_contents=[True])),
        ("wavespeed", wavespeed([FILM], has_nsfw_contents=[True])),
        ("wavespeed", wavespeed([FILM, FILM], has_nsfw_contents=[False, True])),
        ("wavespeed", wavespeed([], has_nsfw_contents=[True]) | {"status": "failed", "error": "task failed"}),
        ("fal", fal({"video": {"url": FILM}, "has_nsfw_concepts": [True]})),
        ("fal", fal({"has_nsfw_concepts": [True]})),
        ("replicate", replicate({"video": FILM, "nsfw_content_detected": True})),
        ("replicate", replicate(json.dumps({"video": FILM, "nsfw": True}))),
        ("replicate", replicate([{"video": FILM}, {"nsfw": True}])),
        ("wavespeed", wavespeed([json.dumps({"video": FILM, "nsfw": True})])),
        ("fal", fal({"videos": [{"url": FILM, "nsfw": True}]})),
        ("fal", fal({"video": {"url": FILM, "nsfw": True}})),
        ("fal", fal({"data": {"video": FILM, "has_nsfw_concepts": [True]}})),
        ("fal", fal({"video": FILM}) | {"nsfw": True}),
        ("replicate", replicate([[{"video": FILM, "nsfw": True}]])),
        ("replicate", replicate({"video": FILM, "nsfw": "True"})),
        ("replicate", replicate({"video": FILM, "nsfw": 1})),
        ("replicate", replicate({"video": FILM, "is_nsfw": True})),
        ("replicate", replicate({"video": FILM, "NSFW": [[True]]})),
        ("replicate", replicate({"video": FILM, "hasNsfwConcepts": "[true]"})),
        ("replicate", replicate({"video": FILM, "nsfw": {"detected": True, "score": 0.9}})),
        ("replicate", replicate({"video": FILM, "has_nsfw_concepts": {"image": True}})),
        ("fal", fal({"video": FILM, "nsfw_flags": {"0": False, "1": True}})),
        ("replicate", replicate(FILM, nsfw=True)),
        ("replicate", replicate(None, nsfw=True) | {"status": "failed", "error": "task failed"}),
        ("wavespeed", wavespeed([{"url": FILM, "meta": {"nsfw": "1"}}])),
        ("wavespeed", wavespeed([*(PICTURE for _ in range(600)), {"url": FILM, "nsfw": True}])),
    ],
)
def test_what_is_flagged_is_refused_with_and_without_a_film(name, body):
    event = registry.adapter_for(name).parse(json.dumps(body).encode())
    assert (event.status, event.video_url, event.error_code) == (PredictionStatus.FAILED, "", "photo_refused")
    assert "NSFW" in event.raw_error

"""Photos as the vendors take them: loaded, uploaded, inline, missing."""

from __future__ import annotations

import hashlib

import requests

from tests.support.processes import wait_for


def test_the_photo_is_loaded_as_the_vendor_would(simulator, caller, listener):
    simulator.behave(caller.provider, fetch_photo=True)
    caller.made(photo=f"{listener.url}/me.jpg")
    simulator.wait_until_ended(caller.provider)

    def photo():
        return simulator.entries(caller.provider, fields="photo")[0]["photo"]

    assert wait_for(photo, "the photo") == {
        "status": 200,
        "bytes": 5,
        "sha256": hashlib.sha256(b"photo").hexdigest(),
    }


def test_a_photo_that_was_uploaded_before_is_loaded_from_there(simulator, caller):
    match caller.provider:
        case "wavespeed":
            form = caller.call("POST", "/api/v3/media/upload/binary", files={"file": ("me.png", b"photo", "image/png")})
            address = form.json()["data"]["download_url"]
        case "replicate":
            address = caller.call("POST", "/v1/files", files={"content": ("me.png", b"photo")}).json()["urls"]["get"]
        case _:
            wish = {"file_name": "me.png", "content_type": "image/png"}
            ticket = caller.call("POST", "/rest/storage/upload/initiate?storage_type=gcs", json=wish).json()
            requests.put(ticket["upload_url"], b"photo", headers={"Content-Type": "image/png"}, timeout=5)
            address = ticket["file_url"]
    simulator.behave(caller.provider, fetch_photo=True)
    caller.made(photo=address)
    assert simulator.wait_until_ended(caller.provider)["ended"] == {"succeeded": 1}
    assert simulator.entries(caller.provider, fields="photo")[0]["photo"]["bytes"] == 5


def test_a_photo_that_cannot_be_loaded_fails_the_prediction(simulator, caller):
    simulator.behave(caller.provider, fetch_photo=True, times={"duration": 60})
    made = caller.made(photo="http://127.0.0.1:1/me.jpg")
    assert simulator.wait_until_ended(caller.provider)["ended"] == {"failed": 1}
    shown = caller.show(made).json()
    assert "fetched" in str(shown) or "download" in str(shown)


def test_an_inline_photo_is_not_kept(simulator, caller):
    simulator.behave(caller.provider, fetch_photo=True, times={"duration": 0.2})
    caller.made(photo="data:image/jpeg;base64," + "QUJD" * 5000)
    simulator.wait_until_ended(caller.provider)
    (entry,) = simulator.entries(caller.provider, fields="photo,input")
    assert (entry["photo"]["status"], entry["photo"]["bytes"]) == (200, 15000)
    assert len(entry["input"]) <= 300


def test_a_submit_without_a_photo_is_rejected(simulator, caller_of):
    wave = caller_of("wavespeed").call("POST", "/api/v3/wavespeed-ai/wan-2.2/i2v-720p", json={"prompt": "x"})
    assert (wave.status_code, wave.json()["code"]) == (400, 400)
    wan = caller_of("fal").call("POST", "/fal-ai/wan/v2.2-a14b/image-to-video", json={"prompt": "x"})
    assert (wan.status_code, wan.json()["detail"][0]["loc"]) == (422, ["body", "image_url"])
    kling = caller_of("replicate").call("POST", "/v1/models/kwaivgi/kling-v2.1/predictions", json={})
    assert (kling.status_code, kling.json()["invalid_fields"][0]["field"]) == (422, "input")


def test_a_body_that_is_not_an_object_is_rejected(caller):
    path = {
        "wavespeed": "/api/v3/wavespeed-ai/wan-2.2/i2v-720p",
        "replicate": "/v1/models/kwaivgi/kling-v2.1/predictions",
        "fal": "/fal-ai/wan/v2.2-a14b/image-to-video",
    }[caller.provider]
    for body in (b"{", b"[1]", b"\xff"):
        assert caller.call("POST", path, data=body).status_code in (400, 422)


def test_wavespeeds_storage_takes_exactly_what_was_announced(simulator, caller_of):
    caller = caller_of("wavespeed")
    wanted = {"filename": "../me 1.jpg", "size": 3, "content_type": "image/jpeg"}
    ticket = caller.call("POST", "/api/v3/media/uploads", json=wanted).json()["data"]
    assert (ticket["type"], ticket["filename"], ticket["size"]) == ("image", "../me 1.jpg", 3)
    url, headers = ticket["upload"]["url"], ticket["upload"]["headers"]
    assert requests.get(ticket["download_url"], timeout=5).status_code == 404
    assert requests.put(url, b"abc", headers={"Content-Type": "image/png"}, timeout=5).status_code == 403
    assert requests.put(url, b"abc", headers={**headers, "Authorization": "Bearer k"}, timeout=5).status_code == 400
    assert requests.put(url, b"abc", headers=headers, timeout=5).status_code == 200
    assert requests.get(ticket["download_url"], timeout=5).content == b"abc"
    form = caller.call("POST", "/api/v3/media/upload/binary", files={"file": ("me.png", b"\r\n--x\r\n", "image/png")})
    assert requests.get(form.json()["data"]["download_url"], timeout=5).content == b"\r\n--x\r\n"
    assert simulator.state("wavespeed")["uploads"] == 2

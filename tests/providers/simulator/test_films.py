"""Downloads of films, with and without faults."""

from __future__ import annotations

import pytest
import requests

from jobs.films.probe import probe
from tests.support.processes import wait_for


@pytest.fixture
def film_url(simulator, caller):
    made = caller.made()
    simulator.wait_until_ended(caller.provider)
    return caller.film_url(made)


def download(url, **choices):
    return requests.get(url, timeout=5, allow_redirects=False, **choices)


def test_it_is_a_real_film_with_its_index_first_and_no_two_are_the_same(simulator, caller, tmp_path):
    films = []
    for number in range(2):
        answer = download(caller.film_url(caller.made()))
        assert answer.headers["Content-Type"] == "video/mp4"
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(answer.content)
        facts = probe(str(path), with_poster=False)
        assert (facts.codec, facts.width, facts.height) == ("h264", 144, 256)
        assert 1 <= facts.seconds <= 3
        assert 0 < answer.content.find(b"moov") < answer.content.find(b"mdat")
        films.append(answer.content)
    assert films[0] != films[1]
    entries = simulator.entries(caller.provider)
    names = [f"{caller.provider}:{entry['prediction_id']}".encode() for entry in entries]
    assert [name in film for name, film in zip(names, films, strict=True)] == [True, True]
    state = simulator.state(caller.provider)
    assert (state["downloads"], state["downloaded_bytes"]) == (2, sum(map(len, films)))


def test_it_has_sound(film_url):
    import io

    import av

    with av.open(io.BytesIO(download(film_url).content)) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["h264", "aac"]


def test_it_can_be_of_any_length(simulator, caller, tmp_path):
    simulator.behave(caller.provider, results={"film_bytes": 300_000})
    made = caller.made()
    path = tmp_path / "film.mp4"
    path.write_bytes(download(caller.film_url(made)).content)
    assert path.stat().st_size == 300_000
    assert probe(str(path), with_poster=False).codec == "h264"


def test_a_head_gets_no_body(film_url):
    answer = requests.head(film_url, timeout=5)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 1000


def test_it_can_be_a_page(simulator, caller, film_url):
    simulator.next(caller.provider, "film", "html")
    answer = download(film_url)
    assert answer.status_code == 200
    assert answer.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(("fault", "is_empty"), [("garbage", False), ("empty", True)])
def test_it_can_be_no_film_though_it_says_so(simulator, caller, film_url, fault, is_empty):
    simulator.next(caller.provider, "film", fault)
    answer = download(film_url)
    assert b"ftyp" not in answer.content
    assert (answer.content == b"") is is_empty


def test_it_can_break_off(simulator, caller, film_url):
    whole = download(film_url).content
    simulator.next(caller.provider, "film", "truncated")
    got = b""
    with pytest.raises(requests.exceptions.ChunkedEncodingError), download(film_url, stream=True) as answer:
        assert int(answer.headers["Content-Length"]) == len(whole)
        for piece in answer.iter_content(1024):
            got += piece
    assert whole.startswith(got)
    assert len(got) < len(whole)


def test_it_can_never_end(simulator, caller, film_url):
    simulator.next(caller.provider, "film", "endless", bytes_per_second=500_000_000)
    got = 0
    with download(film_url, stream=True) as answer:
        assert "Content-Length" not in answer.headers
        for piece in answer.iter_content(100_000):
            got += len(piece)
            if got > 5_000_000:
                break
    assert got > 5_000_000


def test_it_can_have_expired(simulator, caller, film_url):
    simulator.next(caller.provider, "film", "expired")
    assert download(film_url).status_code == 404
    assert download(film_url).status_code == 200


def test_it_expires_when_its_time_is_over(simulator, caller, film_url):
    simulator.behave(caller.provider, results={"expire_after": 0})
    assert download(film_url).status_code == 404


def test_replicate_removes_all_data_with_the_film(simulator, caller_of):
    caller = caller_of("replicate")
    made = caller.made()
    simulator.behave("replicate", results={"expire_after": 0})
    shown = caller.show(made).json()
    assert (shown["data_removed"], shown["output"], shown["input"], shown["logs"]) == (True, None, {}, "")
    assert shown["status"] == "succeeded"


def test_it_can_lead_elsewhere(simulator, caller, film_url, listener):
    simulator.next(caller.provider, "film", "redirect", url=f"{listener.url}/private")
    answer = download(film_url)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{listener.url}/private")
    assert listener.received == []


def test_its_address_can_be_elsewhere_from_the_start(simulator, caller):
    simulator.next(caller.provider, "outcome", "output_url", url="http://169.254.169.254/latest")
    assert caller.film_url(caller.made()) == "http://169.254.169.254/latest"


def test_it_can_be_missing_from_a_success(simulator, caller):
    simulator.next(caller.provider, "outcome", "no_output")
    made = caller.made()
    shown = caller.show(made).json()
    match caller.provider:
        case "wavespeed":
            assert (shown["data"]["status"], shown["data"]["outputs"]) == ("completed", [])
        case "replicate":
            assert (shown["status"], shown["output"]) == ("succeeded", None)
        case _:
            result = caller.call("GET", f"/fal-ai/wan/requests/{made}").json()
            assert (shown["status"], result["video"]) == ("COMPLETED", None)


@pytest.mark.parametrize("status", [403, 500])
def test_it_can_be_refused(simulator, caller, film_url, status):
    simulator.next(caller.provider, "film", "status", status=status)
    assert download(film_url).status_code == status


@pytest.mark.parametrize("fault", ["hang", "slow"])
def test_it_can_keep_one_waiting(simulator, caller, film_url, fault):
    simulator.next(caller.provider, "film", fault)
    with pytest.raises(requests.ReadTimeout):
        requests.get(film_url, timeout=0.3)


def test_it_can_drip(simulator, caller, film_url):
    simulator.next(caller.provider, "film", "drip", seconds=0.05)
    with download(film_url, stream=True) as answer:
        got = b"".join(answer.raw.read1(65536) for _ in range(4))
    assert 4 <= len(got) < 1000


def test_an_unknown_prediction_has_none(caller, film_url):
    assert download(film_url.replace("output.mp4", "other.mp4")).status_code == 200  # the name says nothing
    head, _, tail = film_url.rpartition("/")
    assert download(f"{head[:-3]}xxx/{tail}").status_code == 404


def test_a_running_prediction_has_none(simulator, caller):
    simulator.behave(caller.provider, times={"duration": None})
    finished = caller.made()
    simulator.finish(caller.provider, finished)
    url = caller.film_url(finished)
    running = caller.made()
    wait_for(lambda: simulator.state(caller.provider)["running"] == 1, "it to run")
    assert download(url.replace(finished, running)).status_code == 404

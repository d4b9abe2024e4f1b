"""Waiting pages as they are: websockets to a real web process, pushes from this one."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from rest_framework.authtoken.models import Token
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from jobs import identity, snapshots
from jobs.models import Job
from jobs.queue import redis_breaker
from notifications import consumers, publish
from tests import factories
from tests.support.processes import wait_for
from tests.support.served import Served
from tests.support.timing import takes_about
from tests.support.valkey import MortalValkey

pytestmark = pytest.mark.slow

Open = Callable[..., ClientConnection]


@pytest.fixture
def job(transactional_db: None, visitor: tuple[str, str]) -> Job:
    factories.make_look()
    return factories.make_job(owner=visitor[1])


@pytest.fixture
def page(visitor: tuple[str, str]) -> Iterator[Open]:
    """Open a page's socket; all of them are closed in the end."""
    with contextlib.ExitStack() as stack:

        def open_socket(web: Served, job_id: Any, query: str = "", **headers: str | None) -> ClientConnection:
            sent = {"Origin": web.url, "Cookie": visitor[0]} | headers
            socket = connect(
                f"{web.socket_url}/ws/jobs/{job_id}/{query}",
                additional_headers={name: value for name, value in sent.items() if value is not None},
                proxy=None,
                compression=None,
            )
            return stack.enter_context(socket)

        yield open_socket


def told(socket: ClientConnection, *, within: float = 10.0) -> dict[str, Any]:
    return json.loads(socket.recv(timeout=within))["job"]


def close_code(socket: ClientConnection, *, within: float = 10.0) -> int:
    """Return the code the socket is closed with, having read all that came before."""
    try:
        while True:
            socket.recv(timeout=within)
    except ConnectionClosed as closed:
        return closed.rcvd.code


def change(job: Job, **values: Any) -> None:
    """Write a newer state and push it."""
    Job.objects.filter(id=job.id).update(**values)
    publish.publish(snapshots.snapshots_for([job.id]))


def test_a_page_gets_the_present_and_then_every_newer_state(web: Served, job: Job, page: Open) -> None:
    socket = page(web, job.id)
    first = told(socket)
    assert (first["id"], first["seq"], first["status"]) == (str(job.id), 1, "queued")
    change(job, seq=3, progress=0.25)
    assert (told(socket)["seq"]) == 3
    change(job, seq=2)
    change(job, seq=4, progress=0.5)
    assert told(socket)["seq"] == 4
    assert first == {**first, **snapshots.read(job.id, job.owner), **{k: first[k] for k in ("seq", "progress")}}


@pytest.mark.parametrize("after", ["0", "1", "7", "-5", "x", "99999999999999999999", ""])
def test_a_page_is_told_the_present_once_whatever_it_knows(web: Served, job: Job, page: Open, after: str) -> None:
    socket = page(web, job.id, f"?after={after}")
    assert told(socket)["seq"] == 1
    change(job, seq=1, progress=0.1)
    change(job, seq=2)
    assert told(socket)["seq"] == 2


def test_an_id_in_capitals_is_the_same_id(web: Served, job: Job, page: Open) -> None:
    assert told(page(web, str(job.id).upper()))["id"] == str(job.id)


def test_nobody_else_is_told_anything(web: Served, job: Job, page: Open) -> None:
    assert close_code(page(web, uuid4())) == 4404
    assert close_code(page(web, job.id, Cookie=None)) == 4404
    assert close_code(page(web, job.id, Cookie="visitor=" + "x" * 43)) == 4404
    assert close_code(page(web, job.id, Cookie=None, Authorization="Token nobody")) == 4404
    others = (
        "http://127.0.0.1:1",
        "http://127.0.0.1",
        f"http://localhost:{web.port}",
        f"http://x@127.0.0.1:{web.port}",
    )
    for origin in ("http://evil.example", "null", "http://[", web.url + ".evil.example", *others):
        with pytest.raises(InvalidStatus) as refused:
            page(web, job.id, Origin=origin)
        assert refused.value.response.status_code in (400, 403)
    with pytest.raises(InvalidStatus) as refused:
        page(web, f"{job.id}/../..")
    assert refused.value.response.status_code == 403
    assert "Traceback" not in web.said()


def test_foreign_cookies_cost_nobody_their_job(web: Served, job: Job, page: Open, visitor: tuple[str, str]) -> None:
    foreign = 'prefs={"a":1,"b":"x"}; a[]=1; =x; naked'
    assert told(page(web, job.id, Cookie=f"{foreign}; {visitor[0]}"))["id"] == str(job.id)


@pytest.mark.parametrize("ours_is_first", [True, False])
def test_cookies_in_several_headers_open_a_socket(
    web: Served, job: Job, visitor: tuple[str, str], ours_is_first: bool
) -> None:
    cookies = [("Cookie", visitor[0]), ("Cookie", "zz=1")]
    headers = [("Origin", web.url), *(cookies if ours_is_first else reversed(cookies))]
    address = f"{web.socket_url}/ws/jobs/{job.id}/"
    with connect(address, additional_headers=headers, proxy=None, compression=None) as socket:
        assert told(socket)["id"] == str(job.id)


def test_cookies_in_several_headers_are_joined_as_http_says() -> None:
    scope = {"headers": [(b"cookie", b"a=1"), (b"Cookie", b"b=2"), (b"accept", b"x"), (b"accept", b"y")]}
    assert consumers.headers_of(scope) == {"cookie": "a=1; b=2", "accept": "x,y"}


def test_who_sends_no_origin_is_no_page_and_needs_a_cookie_all_the_same(web: Served, job: Job, page: Open) -> None:
    assert told(page(web, job.id, Origin=None))["id"] == str(job.id)
    assert close_code(page(web, job.id, Origin=None, Cookie=None)) == 4404
    with pytest.raises(InvalidStatus) as refused:
        page(web, job.id, **{"Origin": None, "Sec-Fetch-Site": "cross-site"})
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"host": "hero.example", "origin": "https://hero.example"}, True),
        ({"host": "hero.example:8000", "origin": "http://hero.example:8000"}, True),
        ({"host": "inside.example", "origin": "https://public.example"}, True),
        ({"host": "hero.example:443", "origin": "https://hero.example"}, True),  # as a proxy may write it
        ({"host": "HERO.example:80", "origin": "http://hero.example"}, True),
        ({"host": "hero.example:443", "origin": "http://hero.example"}, False),
        ({"host": "hero.example", "origin": "https://hero.example:8443"}, False),
        ({"host": "hero.example", "origin": "https://hero.example:x"}, False),
        ({"host": "hero.example:8000", "origin": "http://hero.example"}, False),
        ({"host": "hero.example", "origin": "https://inside.example"}, False),
        ({"host": "evil.example", "origin": "http://evil.example"}, False),
        ({"host": "evil.example"}, False),
        ({"origin": ""}, False),
        ({"host": "hero.example", "origin": "https://hero.example,https://hero.example"}, False),
    ],
)
def test_a_page_is_ours_when_host_and_port_are(headers: dict[str, str], ours: bool, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["hero.example", "inside.example"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://public.example"]
    assert identity.is_same_origin_handshake(headers) is ours


def test_users_and_programs_see_their_own_jobs(web: Served, job: Job, page: Open) -> None:
    user = get_user_model().objects.create_user("staff")
    Job.objects.filter(id=job.id).update(owner=f"u:{user.pk}")
    token = Token.objects.create(user=user)
    browser = Client()
    browser.force_login(user)
    assert told(page(web, job.id, Cookie=None, Authorization=f"Token {token.key}"))["id"] == str(job.id)
    assert told(page(web, job.id, Cookie=None, Authorization=f"Token {token.key}", Origin=None))["seq"] == 1
    assert told(page(web, job.id, Cookie=f"session={browser.session.session_key}"))["id"] == str(job.id)


def test_a_page_that_talks_too_much_is_closed(web: Served, job: Job, page: Open) -> None:
    chatty = page(web, job.id)
    told(chatty)
    with contextlib.suppress(ConnectionClosed):
        for _ in range(consumers.MOST_FRAMES + 5):
            chatty.send("hello")
    assert close_code(chatty) == 1008
    quiet = page(web, job.id)
    for _ in range(consumers.MOST_FRAMES):
        quiet.send(b"hello")
    assert told(quiet)["seq"] == 1
    loud = page(web, job.id)
    told(loud)
    loud.send("x" * 5000)
    assert close_code(loud) == 1009


def test_more_sockets_than_one_person_has_poll_instead(web: Served, job: Job, page: Open) -> None:
    sockets = [page(web, job.id) for _ in range(consumers.MOST_SOCKETS_PER_JOB)]
    assert [told(socket)["seq"] for socket in sockets] == [1] * len(sockets)
    crowd = page(web, job.id)
    assert told(crowd)["seq"] == 1
    assert close_code(crowd) == 1013
    sockets[0].close()
    time.sleep(0.3)
    change(job, seq=2)
    assert told(sockets[-1])["seq"] == 2
    page(web, job.id, "?after=1").ping().wait(2)


def test_a_restart_says_so_to_a_hundred_pages(serve: Any, job: Job, visitor: tuple[str, str], page: Open) -> None:
    web = serve()
    jobs = [job, *(factories.make_job(owner=visitor[1]) for _ in range(4))]
    sockets = [page(web, one.id) for one in jobs for _ in range(consumers.MOST_SOCKETS_PER_JOB)]
    for socket in sockets:
        told(socket)
    web.signal(signal.SIGTERM)
    assert [close_code(socket) for socket in sockets] == [1012] * 100
    assert web.wait(10) == 0
    assert "Traceback" not in web.said()


def hears_of(socket: ClientConnection, job: Job, seq: int, *, within: float = 8.0) -> bool:
    """Change a job and tell whether its page hears of it."""
    change(job, seq=seq)
    return told(socket, within=within)["seq"] == seq


_beyond_the_rows = iter(range(1000, 100_000))


def hear_by_the_layer(job: Job, *sockets: ClientConnection) -> bool:
    """Push what only the layer can bring, for the rows say nothing of it; tell whether all hear it."""
    redis_breaker.breaker.reset()
    body = snapshots.snapshots_for([job.id])[0] | {"seq": next(_beyond_the_rows)}
    publish.publish([body])
    with contextlib.suppress(TimeoutError):
        return [told(socket, within=0.5)["seq"] for socket in sockets] == [body["seq"]] * len(sockets)
    return False


def test_without_redis_pages_are_told_what_the_rows_say(serve: Any, job: Job, page: Open) -> None:
    web = serve(REDIS_URL="redis://127.0.0.1:1")
    sockets = [page(web, job.id) for _ in range(3)]
    assert [told(socket)["seq"] for socket in sockets] == [1] * 3
    change(job, seq=2)
    assert [told(socket, within=8)["seq"] for socket in sockets] == [2] * 3
    with pytest.raises(InvalidStatus) as refused:
        page(web, job.id, Origin="http://evil.example")
    assert refused.value.response.status_code == 403
    lines = web.said().splitlines()
    assert sum("socket_not_joined" in line for line in lines) == 1
    assert "Traceback" not in web.said()


def test_a_silent_redis_delays_a_page_by_a_moment(serve: Any, job: Job, page: Open, silent_server: str) -> None:
    web = serve(REDIS_URL=silent_server)
    with takes_about(2):
        sockets = [page(web, job.id) for _ in range(10)]
        assert [told(socket)["seq"] for socket in sockets] == [1] * 10
    assert hears_of(sockets[-1], job, 2)


def test_pages_hear_on_while_a_valkey_hangs_and_afterwards(
    mortal_valkey: MortalValkey, serve: Any, job: Job, page: Open
) -> None:
    web = serve(REDIS_URL=mortal_valkey.url)
    old = page(web, job.id)
    told(old)
    assert hears_of(old, job, 2, within=2)
    mortal_valkey.hang()
    assert hears_of(old, job, 3)
    new = page(web, job.id)
    assert told(new)["seq"] == 3
    change(job, seq=4)
    assert [told(socket, within=8)["seq"] for socket in (old, new)] == [4, 4]
    mortal_valkey.resume()
    wait_for(lambda: hear_by_the_layer(job, old, new), "both pages to hear by the layer", seconds=20)
    assert "Traceback" not in web.said()


def test_pages_survive_a_dead_valkey_and_hear_the_new_one(
    mortal_valkey: MortalValkey, serve: Any, job: Job, page: Open
) -> None:
    web = serve(REDIS_URL=mortal_valkey.url)
    old = page(web, job.id)
    told(old)
    mortal_valkey.kill()
    orphan = page(web, job.id)
    assert told(orphan)["seq"] == 1
    assert hears_of(old, job, 2)
    assert told(orphan, within=8)["seq"] == 2
    mortal_valkey.start()
    wait_for(lambda: hear_by_the_layer(job, old, orphan), "both pages to hear by the layer", seconds=20)
    assert "Traceback" not in web.said()

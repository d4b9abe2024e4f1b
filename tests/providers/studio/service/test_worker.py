"""The worker's loop: a request interrupts the warm-up, which continues afterwards."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from confinement.confine import Confinement
from providers.studio.errors import Cancelled
from providers.studio.service.worker import Worker

WARM = {"said": "warm", "confinement": "landlock 7 (files, TCP, signals), seccomp", "is_complete": True}


class Scripted:
    """A renderer whose first warm-up with sounds lasts until a request arrives."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.is_warming, self.ended = threading.Event(), threading.Event()

    def warm_up(
        self, looks: Iterable[str], *, with_sounds: bool = True, should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        if not with_sounds:
            return
        (look,) = looks
        if not self.is_warming.is_set():
            self.is_warming.set()
            while not should_stop():
                self.ended.wait(0.01)
            self.done.append(f"stopped warming {look}")
            raise Cancelled
        self.done.append(f"warmed {look}")
        if look == "two":
            self.ended.set()

    def render(self, photo: bytes, **request: Any) -> SimpleNamespace:
        assert photo == b"photo"
        self.done.append("rendered")
        return SimpleNamespace(video=request["folder"] / "film.mp4")


def test_a_request_comes_before_the_rest_of_the_warm_up(tmp_path):
    request = {"photo_bytes": 5, "look": "one", "hero_name": "", "seed": "", "faceless": "", "watermark": ""}
    renderer = Scripted()
    ours, theirs = socket.socketpair()
    with ours:
        thread = threading.Thread(
            target=Worker(theirs, renderer, ["one", "two"], tmp_path, Confinement(7, True)).run, daemon=True
        )
        thread.start()
        with ours.makefile("rb") as said:
            assert json.loads(said.readline()) == WARM
            assert renderer.is_warming.wait(10)
            ours.sendall(json.dumps({"do": "render", **request}).encode() + b"\nphoto")
            assert json.loads(said.readline())["said"] == "film"
        assert renderer.ended.wait(10)
        ours.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    theirs.close()
    assert not thread.is_alive()
    assert renderer.done == ["stopped warming one", "rendered", "warmed one", "warmed two"]


class Bereft:
    """A renderer whose folder is removed while it draws."""

    def __init__(self) -> None:
        self.begun, self.check_stop = threading.Event(), threading.Event()

    def warm_up(self, looks: Iterable[str], **choices: Any) -> None:
        pass

    def render(self, photo: bytes, **request: Any) -> SimpleNamespace:
        self.begun.set()
        assert self.check_stop.wait(10)
        raise FileNotFoundError("film.mp4.part")


@pytest.mark.parametrize(("is_told", "outcome"), [(True, "canceled"), (False, "failed")])
def test_a_canceled_film_whose_folder_is_gone_is_canceled_and_no_failure(tmp_path, is_told, outcome):
    request = {"photo_bytes": 5, "look": "one", "hero_name": "", "seed": "", "faceless": "", "watermark": ""}
    ours, theirs = socket.socketpair()
    renderer = Bereft()
    worker = Worker(theirs, renderer, ["one"], tmp_path, Confinement(7, True))
    with ours:
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        with ours.makefile("rb") as said:
            assert json.loads(said.readline()) == WARM
            ours.sendall(json.dumps({"do": "render", **request}).encode() + b"\nphoto")
            assert renderer.begun.wait(10)
            if is_told:
                ours.sendall(b'{"do": "stop"}\n')
                assert worker.stop.wait(10)
            renderer.check_stop.set()
            assert json.loads(said.readline())["said"] == outcome
        ours.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    theirs.close()

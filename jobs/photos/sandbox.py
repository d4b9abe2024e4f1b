"""Photos, cleaned in a child process of its own (`jobs.sandbox`).

    with Sandboxes(2) as sandboxes:
        photo = sandboxes.clean(data)

A photo that ends the child, or uses up its CPU, is unreadable. No answer in time is a delay of ours and says nothing
about the photo: SandboxUnavailable.
"""

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, Self

from jobs.sandbox import parent
from jobs.sandbox.parent import OrderFailed, SandboxUnavailable
from jobs.sandbox.wire import BadFrame, Frame, Kind

from . import headers, upload_checks
from .outcomes import OUTCOMES, BadPhoto, CleanPhoto, Point

__all__ = ["CleansPhotos", "Sandbox", "SandboxUnavailable", "Sandboxes", "size_of_bare_jpeg"]


def size_of_bare_jpeg(data: bytes, *, long_edge: int) -> tuple[int, int]:
    """Return the size of a JPEG that holds pixels and nothing else; raise BadFrame when it is something else."""
    try:
        facts = upload_checks.inspect(data, limits=upload_checks.Limits(bytes=len(data), shorter_edge=1))
    except BadPhoto as bad:
        raise BadFrame(f"an answer that is no picture: {bad}") from bad
    if facts.format != "jpeg" or not headers.is_bare_jpeg(data) or max(facts.width, facts.height) > long_edge:
        raise BadFrame("an answer that is not a clean picture")
    return facts.width, facts.height


class Sandbox(parent.Sandbox):
    """Cleans photos. Safe to use from several threads, one photo at a time."""

    def __init__(
        self,
        *,
        long_edge: int = 1536,
        pixels: int = 51_000_000,
        cpu_seconds: int = 8,
        memory_bytes: int = 1024 * 2**20,
        photos_per_child: int = 1000,
        start_seconds: float = 12,
        module: str = "jobs.photos.child",
    ) -> None:
        super().__init__(
            module,
            name="photos",
            cpu_seconds=cpu_seconds,
            memory_bytes=memory_bytes,
            orders_per_child=photos_per_child,
            start_seconds=start_seconds,
            long_edge=long_edge,
            pixels=pixels,
        )
        self._long_edge = long_edge

    def clean(
        self, data: bytes, *, wall_seconds: float = 10, allow_no_face: bool = False, at: Point | None = None
    ) -> CleanPhoto:
        """Return the clean photo, or raise BadPhoto; SandboxUnavailable when several children did not answer in time.

        A picture without a face is a bad photo unless it is allowed. `at` is as in `cleaning.clean`.
        """
        header: dict[str, Any] = {"allow_no_face": True} if allow_no_face else {}
        order = Frame(Kind.ORDER, header | ({"at": list(at)} if at else {}), data)
        try:
            result = self.ask(order, self._understand, wall_seconds=wall_seconds)
        except OrderFailed as failed:
            raise BadPhoto("photo_unreadable", str(failed)) from failed
        if isinstance(result, BadPhoto):
            raise result
        if result.face is None and not allow_no_face:
            raise BadPhoto("no_face", "not said by the child")
        return result

    def _understand(self, answer: Frame) -> CleanPhoto | BadPhoto:
        header = answer.header
        if answer.kind is Kind.REFUSED:
            if header.get("code") not in OUTCOMES:
                raise BadFrame("an answer with an unknown code")
            return BadPhoto(header["code"], str(header.get("detail", ""))[:500])
        width, height = size_of_bare_jpeg(answer.body, long_edge=self._long_edge)
        is_sound = (
            (width, height) == (header.get("width"), header.get("height"))
            and _is_count(header.get("faces"))
            and _is_fraction(header.get("brightness"))
            and _is_face(header.get("face"))
        )
        if not is_sound:
            raise BadFrame("an answer that is not a clean photo")
        face = header["face"]
        return CleanPhoto(
            jpeg=answer.body,
            width=width,
            height=height,
            faces=header["faces"],
            face=tuple(face) if face is not None else None,
            brightness=header["brightness"],
        )


class CleansPhotos(Protocol):
    """What the prepare lane needs: one sandbox or several, or what a test puts in their place."""

    def start(self) -> None: ...

    def clean(self, data: bytes, *, allow_no_face: bool = False, at: Point | None = None) -> CleanPhoto: ...


class Sandboxes:
    """Several sandboxes as one: each photo goes to one that is free, and waits while none is."""

    def __init__(self, count: int, *, make: Callable[[], Sandbox] = Sandbox) -> None:
        self._all = [make() for _ in range(count)]
        # The one that was used last is used first: while there is little to do, one child stays warm for all of it.
        self._free: queue.LifoQueue[Sandbox] = queue.LifoQueue()
        for sandbox in self._all:
            self._free.put(sandbox)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def child_pids(self) -> list[int | None]:
        return [sandbox.child_pid for sandbox in self._all]

    def start(self) -> None:
        """Have warm children, started side by side; raise SandboxUnavailable when one of them cannot be had."""
        with ThreadPoolExecutor(len(self._all)) as threads:
            list(threads.map(Sandbox.start, self._all))

    def close(self) -> None:
        """End the children; those at work finish their photo first."""
        for sandbox in self._all:
            sandbox.close()

    def clean(self, data: bytes, *, allow_no_face: bool = False, at: Point | None = None) -> CleanPhoto:
        """As `Sandbox.clean`, once a sandbox is free."""
        sandbox = self._free.get()
        try:
            return sandbox.clean(data, allow_no_face=allow_no_face, at=at)
        finally:
            self._free.put(sandbox)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= 10_000


def _is_fraction(value: object) -> bool:
    return isinstance(value, int | float) and type(value) in (int, float) and 0 <= value <= 1


def _is_face(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 4 and all(map(_is_fraction, value)))

"""The parent's side of the sandbox: one child, kept warm, that may die of a photo without anyone else noticing.

    with Sandbox() as sandbox:
        photo = sandbox.clean(data)

A photo that ends the child, or takes too long, is unreadable; the next one gets a new child. A child that cannot be
started is not a photo's fault: SandboxUnavailable, try again later.
"""

import logging
import os
import signal
import threading
from typing import Any

from jobs.photos import door, headers
from jobs.photos.outcomes import OUTCOMES, BadPhoto, CleanPhoto, SandboxUnavailable
from jobs.photos.process import ChildGone, ChildProcess, ChildSilent
from jobs.photos.wire import BadFrame, Frame, Kind

logger = logging.getLogger(__name__)

KILLED_FROM_OUTSIDE = {-signal.SIGKILL, -signal.SIGTERM}  # an operator or the machine out of memory, not the photo


class Sandbox:
    """Cleans photos in a child process of its own. Safe to use from several threads, one photo at a time."""

    def __init__(
        self,
        *,
        long_edge: int = 1536,
        pixels: int = 40_000_000,
        cpu_seconds: int = 5,
        memory_bytes: int = 1024 * 2**20,
        photos_per_child: int = 200,
        start_seconds: float = 12,
        module: str = "jobs.photos.child",
    ) -> None:
        """`memory_bytes` is what a photo may take on top of the loaded libraries, `module` what the child runs."""
        self._settings = {
            "long_edge": long_edge,
            "pixels": pixels,
            "cpu_seconds": cpu_seconds,
            "memory_bytes": memory_bytes,
        }
        self._photos_per_child = photos_per_child
        self._start_seconds = start_seconds
        self._module = module
        self._reset()

    def __enter__(self) -> "Sandbox":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def child_pid(self) -> int | None:
        """The process id of the child, if there is one."""
        child = self._child
        return child.pid if child is not None else None

    def start(self) -> None:
        """Have a warm child; raise SandboxUnavailable when that cannot be done."""
        self._notice_fork()
        with self._lock:
            self._warm_child()

    def close(self) -> None:
        """End the child. The sandbox can be used again afterwards and starts a new one."""
        self._notice_fork()
        with self._lock:
            self._discard()

    def clean(self, data: bytes, *, wall_seconds: float = 10) -> CleanPhoto:
        """Return the clean photo, or raise BadPhoto within the time (plus a start, when the child has to be new)."""
        self._notice_fork()
        with self._lock:
            try:
                return self._clean(data, wall_seconds)
            except ChildGone:  # killed from outside: once more, in a new child
                return self._clean(data, wall_seconds, is_last_try=True)

    def _clean(self, data: bytes, wall_seconds: float, *, is_last_try: bool = False) -> CleanPhoto:
        child = self._warm_child()
        try:
            answer = child.exchange(Frame(Kind.PHOTO, body=data), seconds=wall_seconds)
            result = self._understand(answer)
        except ChildGone as gone:
            self._discard()
            if gone.returncode in KILLED_FROM_OUTSIDE and not is_last_try:
                logger.warning("photo_sandbox_killed", extra={"returncode": gone.returncode})
                raise
            raise self._unreadable(f"the child ended with {gone.returncode}") from gone
        except ChildSilent as silent:
            self._discard()
            raise self._unreadable(f"no answer within {wall_seconds:g} s") from silent
        except BadFrame as frame:
            self._discard()
            raise self._unreadable(str(frame)) from frame
        except BaseException:
            self._discard()  # an answer may still be on its way; the next photo must not get it
            raise
        self._answered += 1
        if self._answered >= self._photos_per_child or answer.header.get("leaves"):
            self._discard()
        if isinstance(result, BadPhoto):
            raise result
        return result

    def _understand(self, answer: Frame) -> CleanPhoto | BadPhoto:
        """Return what an answer means; raise BadFrame for one that the child has no business to give."""
        if answer.kind is Kind.BAD:
            return self._bad_photo(answer.header)
        if answer.kind is not Kind.CLEAN:
            raise BadFrame(f"an answer of kind {answer.kind.name}")
        try:
            facts = door.inspect(answer.body, limits=door.Limits(bytes=len(answer.body), shorter_edge=1))
        except BadPhoto as bad:
            raise BadFrame(f"an answer that is no photo: {bad}") from bad
        header = answer.header
        is_sound = (
            facts.format == "jpeg"
            and headers.is_bare_jpeg(answer.body)
            and (facts.width, facts.height) == (header.get("width"), header.get("height"))
            and max(facts.width, facts.height) <= self._settings["long_edge"]
            and _is_count(header.get("faces"))
            and _is_fraction(header.get("brightness"))
            and _is_face(header.get("face"))
        )
        if not is_sound:
            raise BadFrame("an answer that is not a clean photo")
        face = header["face"]
        return CleanPhoto(
            jpeg=answer.body,
            width=facts.width,
            height=facts.height,
            faces=header["faces"],
            face=tuple(face) if face is not None else None,
            brightness=header["brightness"],
        )

    def _bad_photo(self, header: dict[str, Any]) -> BadPhoto:
        code, detail = header.get("code"), str(header.get("detail", ""))[:500]
        if code not in OUTCOMES:
            raise BadFrame("an answer with an unknown code")
        if header.get("is_fault"):
            logger.error("photo_sandbox_fault", extra={"detail": detail})
        return BadPhoto(code, detail)

    def _unreadable(self, detail: str) -> BadPhoto:
        logger.warning("photo_sandbox_broken", extra={"detail": detail})
        return BadPhoto("photo_unreadable", detail)

    def _warm_child(self) -> ChildProcess:
        """Return a child that is ready for a photo, starting one if there is none or it ended while idle."""
        if self._child is not None and not self._child.is_running():
            self._discard()
        if self._child is None:
            self._child = self._start_child()
            self._answered = 0
        return self._child

    def _start_child(self) -> ChildProcess:
        try:
            child = ChildProcess(self._module, self._settings)
        except OSError as error:
            raise SandboxUnavailable(str(error)) from error
        try:
            answer = child.exchange(None, seconds=self._start_seconds)
        except (ChildGone, ChildSilent, BadFrame) as error:
            words = child.last_words() or str(error) or "it did not get ready in time"
            child.end()
            raise SandboxUnavailable(words) from error
        except BaseException:
            child.end()
            raise
        if answer.kind is not Kind.READY:
            child.end()
            raise SandboxUnavailable(str(answer.header.get("detail", answer.kind.name))[:500])
        return child

    def _discard(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def _notice_fork(self) -> None:
        """Leave the child to the process that started it, if this one was forked from that."""
        if self._owner != os.getpid():
            if self._child is not None:
                self._child.abandon()
            self._reset()

    def _reset(self) -> None:
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._child: ChildProcess | None = None
        self._answered = 0


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= 10_000


def _is_fraction(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _is_face(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 4 and all(map(_is_fraction, value)))

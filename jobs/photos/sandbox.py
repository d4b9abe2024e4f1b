"""Photos, cleaned in a child process of its own (`jobs.sandbox`).

    with Sandbox() as sandbox:
        photo = sandbox.clean(data)

A photo that ends the child, or uses up its CPU, is unreadable. No answer in time is a delay of ours and says nothing
about the photo: SandboxUnavailable.
"""

from jobs.sandbox import parent
from jobs.sandbox.parent import OrderFailed, SandboxUnavailable
from jobs.sandbox.wire import BadFrame, Frame, Kind

from . import headers, upload_checks
from .outcomes import OUTCOMES, BadPhoto, CleanPhoto

__all__ = ["Sandbox", "SandboxUnavailable", "size_of_bare_jpeg"]


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
        pixels: int = 40_000_000,
        cpu_seconds: int = 5,
        memory_bytes: int = 1024 * 2**20,
        photos_per_child: int = 200,
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

    def clean(self, data: bytes, *, wall_seconds: float = 10, allow_no_face: bool = False) -> CleanPhoto:
        """Return the clean photo, or raise BadPhoto; SandboxUnavailable when several children did not answer in time.

        A picture without a face is a bad photo unless it is allowed.
        """
        order = Frame(Kind.ORDER, {"allow_no_face": True} if allow_no_face else {}, data)
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


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= 10_000


def _is_fraction(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _is_face(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 4 and all(map(_is_fraction, value)))

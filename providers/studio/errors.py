"""The errors that end a render without a film. The service maps them to error codes of its API."""

HOLOGRAM = (
    "hologram"  # the value of `faceless` with which a picture without a face is rendered instead of raising NoFace
)


class NoFace(Exception):
    """The photo was decoded, but there is no face in it."""


class UnreadablePhoto(Exception):
    """The photo cannot be decoded."""


class Cancelled(Exception):
    """The caller asked to stop. No partial files are left."""

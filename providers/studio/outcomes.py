"""How a render can end without a film; the server turns each into a failure code for the person."""

HOLOGRAM = "hologram"  # what an order may wish for a picture without a face, instead of NoFace


class NoFace(Exception):
    """The photo was read, but nobody's face is in it."""


class UnreadablePhoto(Exception):
    """The bytes are not a picture that can be decoded."""


class Cancelled(Exception):
    """The caller asked to stop; nothing half written is left behind."""

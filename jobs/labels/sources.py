"""How a picture came to be, in the words of the IPTC that C2PA and XMP use."""

from __future__ import annotations

_SCHEME = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# The studio draws a world around a photo; trained models find the face and cut the person out.
COMPOSITE = _SCHEME + "compositeWithTrainedAlgorithmicMedia"
# A model made it: the films of the clouds.
TRAINED = _SCHEME + "trainedAlgorithmicMedia"


def source_of(*, is_ours: bool) -> str:
    """Return how the films of a provider come to be: of our own studio, or of a cloud."""
    return COMPOSITE if is_ours else TRAINED

"""What every adapter promises. One file per vendor beside this one; `providers.registry` lists them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from ..types import Account, PhotoTransport, ProviderEvent, SubmitRequest


class Adapter(ABC):
    """Speaks to one vendor over HTTP and nothing else: no database, no settings, no clock of its own.

    Every method may be called from any thread, raises only `providers.errors`, and returns
    within the account's timeouts.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    photo_transports: ClassVar[frozenset[PhotoTransport]]
    can_look_up: ClassVar[bool] = False

    @abstractmethod
    def submit(self, account: Account, request: SubmitRequest) -> ProviderEvent:
        """Ask for one prediction, exactly once, and return what the vendor said of it.

        Never repeated in here: when the answer is lost this raises Unconfirmed.
        """

    @abstractmethod
    def fetch(self, account: Account, prediction_id: str) -> ProviderEvent:
        """Return the prediction's present state. Raise PredictionGone when the vendor has none."""

    def find(self, account: Account, reference: str) -> ProviderEvent | None:
        """Return the prediction made for our reference, or None when there is surely none.

        Only for vendors with a look-up (`can_look_up`).
        """
        raise NotImplementedError(f"{self.name} has no look-up")

    @abstractmethod
    def cancel(self, account: Account, prediction_id: str) -> None:
        """Ask the vendor to stop. A prediction that is already final or gone is a success."""

    @abstractmethod
    def delete(self, account: Account, prediction_id: str) -> None:
        """Ask the vendor to forget photo and film. One that is already gone is a success."""

    @abstractmethod
    def verify(self, account: Account, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        """Return the event id of a genuine, fresh delivery; raise BadSignature or StaleSignature.

        `headers` has lower-case names; `body` is exactly what arrived.
        """

    @abstractmethod
    def parse(self, body: bytes) -> ProviderEvent:
        """Return what a verified delivery reports. Raise ValueError when it cannot be read."""

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[str]:
        """Return a sentence for each parameter staff entered that the vendor would not take."""
        return [f"{self.title} knows no parameter “{name}”." for name in parameters]

    def result_headers(self, account: Account) -> Mapping[str, str]:
        """Return the headers needed to download a result. Most vendors need none."""
        return {}

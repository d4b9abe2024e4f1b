"""What every adapter promises. One file per vendor beside this one; `providers.registry` lists them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from providers import signatures
from providers.types import Account, PhotoTransport, Preset, ProviderEvent, SubmitRequest

OWN_RULE = "own"


class Capabilities:
    """What a vendor can do, without asking it. The defaults say nothing more than every vendor can.

    A provider whose adapter is gone (`ProviderConfig.capabilities`) has these defaults.
    """

    can_look_up: ClassVar[bool] = False
    # Who decides which photos are acceptable. A photo refused under one rule is not tried again under the same one.
    content_rule: ClassVar[str] = OWN_RULE
    # Where the vendor's films lie: host names, `*.host` for any name below it. Staff may replace them.
    default_result_hosts: ClassVar[tuple[str, ...]] = ()
    default_base_url: ClassVar[str] = ""
    # What is rendered with when staff name no model.
    default_model: ClassVar[str] = ""
    # The account levels the vendor publishes, smallest first.
    presets: ClassVar[tuple[Preset, ...]] = ()
    # Whether a prediction that failed or was canceled has to be paid for: then budgets keep its price.
    charges_failures: ClassVar[bool] = False
    # Whether the vendor tells us over HTTP what its webhooks are signed with.
    can_learn_secrets: ClassVar[bool] = False
    # Whether a model falls asleep at this vendor, so that a call in quiet times is worth its price.
    can_keep_warm: ClassVar[bool] = False
    # Whether the vendor forgets something when told to. Where it does not, `delete` has nothing to do: the
    # adapter's description says how everything goes by itself.
    can_delete: ClassVar[bool] = True
    # The headers that prove a delivery, kept with it as evidence.
    webhook_headers: ClassVar[tuple[str, ...]] = ("webhook-id", "webhook-timestamp", "webhook-signature")
    # Whether it is our own machine: as the last resort it is introduced as such.
    is_ours: ClassVar[bool] = False

    def takes_no_face(self, parameters: Mapping[str, Any]) -> bool:
        """Tell whether, with these parameters, a film is made of a picture in which there is no face."""
        return False


class Adapter(Capabilities, ABC):
    """Speaks to one vendor over HTTP and nothing else: no database, no settings, no clock of its own.

    Every method may be called from any thread and raises only `providers.errors`. `submit` is one
    call and returns within the account's timeouts; the others may take a few calls, each within them.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    photo_transports: ClassVar[frozenset[PhotoTransport]]

    def upload(self, account: Account, request: SubmitRequest) -> SubmitRequest:
        """Bring `request.photo_bytes` to the vendor and return the request with its `photo_url`.

        Only for the transport `upload`. Makes no prediction and costs nothing, so it may be
        repeated: its failures are never Unconfirmed.
        """
        raise NotImplementedError(f"{self.name} takes no uploads")

    def learn_secrets(self, account: Account) -> tuple[str, ...]:
        """Return what the vendor signs its webhooks with now, newest first, as `verify` wants it.

        Only with `can_learn_secrets`. Called in the background, never while a webhook waits.
        """
        raise NotImplementedError(f"{self.name} does not tell its secrets")

    def keep_warm_request(self, account: Account, request: SubmitRequest) -> tuple[Account, SubmitRequest]:
        """Return what to submit when nothing but keeping the model awake is wanted.

        Only with `can_keep_warm`. `request` holds a sample photo by the account's transport; make the film as
        small as the vendor allows, by other parameters in the account or other words in the request.
        """
        return account, request

    @abstractmethod
    def submit(self, account: Account, request: SubmitRequest) -> ProviderEvent:
        """Ask for one prediction, exactly once, and return what the vendor said of it.

        Never repeated in here: when the answer is lost this raises Unconfirmed.
        """

    @abstractmethod
    def fetch(self, account: Account, prediction_id: str) -> ProviderEvent:
        """Return the prediction's present state. Raise PredictionGone when the vendor has none."""

    def find(self, account: Account, reference: str, *, since: datetime | None = None) -> ProviderEvent | None:
        """Return the prediction made for our reference, or None when there is surely none.

        `since` is the moment before which it cannot have been asked for. An answer that leaves a
        doubt raises Unavailable. Only for vendors with a look-up (`can_look_up`).
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

    def check_parameters(self, parameters: Mapping[str, Any], *, model: str = "") -> list[str]:
        """Return a sentence for each parameter staff entered that the vendor's model would not take."""
        return [f"{self.title} knows no parameter “{name}”." for name in parameters]

    def check_model(self, model: str) -> str:
        """Return a sentence when the vendor cannot have such a model, '' when it may."""
        return ""

    def check_secret(self, secret: str) -> str:
        """Return a sentence when nothing can be verified with this webhook secret, '' when it may."""
        if not secret.startswith(signatures.PREFIX):
            return ""
        try:
            signatures.secret_key(secret)
        except ValueError as error:
            return f"This cannot be used: {error}."
        return ""

    def result_headers(self, account: Account) -> Mapping[str, str]:
        """Return the headers needed to download a result. Most vendors need none."""
        return {}

"""The interface of every adapter, and the HTTP calls they share.

Each vendor has one file beside this one; `providers.registry` lists the adapters.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from providers import signatures
from providers.error_mapping import VendorError
from providers.errors import PredictionGone
from providers.http import client, hosts
from providers.types import Account, PhotoTransport, PredictionStatus, Preset, ProviderEvent, SubmitRequest

logger = logging.getLogger(__name__)

OWN_RULE = "own"


class Capabilities:
    """What a vendor can do, as far as it is known without calling it.

    A provider whose adapter is gone has these defaults (`ProviderConfig.capabilities`).
    """

    can_look_up: ClassVar[bool] = False
    # Names the content policy that photos are checked against. A photo that was refused under one policy is not sent
    # to another adapter with the same one.
    content_rule: ClassVar[str] = OWN_RULE
    # Hosts that the vendor serves films from; `*.host` means any name below it. Staff may replace the list.
    default_result_hosts: ClassVar[tuple[str, ...]] = ()
    default_base_url: ClassVar[str] = ""
    # The model that is used when staff enter none.
    default_model: ClassVar[str] = ""
    # The account levels the vendor publishes, smallest first.
    presets: ClassVar[tuple[Preset, ...]] = ()
    # Whether the vendor charges for predictions that failed or were canceled; budgets then keep their price.
    charges_failures: ClassVar[bool] = False
    # Whether the vendor has a call that returns its webhook secrets (`learn_secrets`).
    can_learn_secrets: ClassVar[bool] = False
    # Whether models have cold starts at this vendor, so that a small film in quiet times is worth its price.
    can_keep_warm: ClassVar[bool] = False
    # Whether the vendor has a call that deletes photo or film. Where it has none, `delete` does nothing, and the
    # adapter's module says when the vendor removes them by itself.
    can_delete: ClassVar[bool] = True
    # How long the vendor keeps photo and film when nothing is deleted, as it says itself.
    keeps: ClassVar[timedelta] = timedelta(days=7)
    # The headers that `verify` reads; they are stored with each delivery as evidence.
    webhook_headers: ClassVar[tuple[str, ...]] = ("webhook-id", "webhook-timestamp", "webhook-signature")
    # Whether films are made on our own machine; the page then says so when it is the last resort.
    is_ours: ClassVar[bool] = False

    def takes_no_face(self, parameters: Mapping[str, Any]) -> bool:
        """Tell whether, with these parameters, a picture without a face is rendered too."""
        return False


class Adapter(Capabilities, ABC):
    """Translates between `providers.types` and one vendor's HTTP API.

    An adapter uses no database, no settings and no clock of its own. Every method may be called from any
    thread and raises only `providers.errors`. `submit` makes one call and returns within the account's
    timeouts; the other methods may make a few calls, each within them.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    photo_transports: ClassVar[frozenset[PhotoTransport]]
    # The scheme of the Authorization header that carries the API key.
    auth_scheme: ClassVar[str] = "Bearer"

    def shortened(self, account: Account) -> Account:
        """Return the account with parameters for the shortest film that still tells the story; here as it is."""
        return account

    def upload(self, account: Account, request: SubmitRequest) -> SubmitRequest:
        """Upload `request.photo_bytes` to the vendor and return the request with its `photo_url`.

        Used with the transport `upload`. It makes no prediction and costs nothing, so it may be repeated
        and never raises Unconfirmed.
        """
        raise NotImplementedError(f"{self.name} takes no uploads")

    def learn_secrets(self, account: Account) -> tuple[str, ...]:
        """Return the vendor's current webhook secrets, newest first, in the form that `verify` takes.

        Used with `can_learn_secrets`, in the background and never while a webhook waits.
        """
        raise NotImplementedError(f"{self.name} has no call for its secrets")

    def keep_warm_request(self, account: Account, request: SubmitRequest) -> tuple[Account, SubmitRequest]:
        """Return the account and request of a prediction that only keeps the model warm.

        Used with `can_keep_warm`. `request` holds a sample photo by the account's transport. The film should be
        as small as the vendor allows, by other parameters in the account or other texts in the request.
        """
        return account, request

    @abstractmethod
    def submit(self, account: Account, request: SubmitRequest) -> ProviderEvent:
        """Create one prediction with a single POST and return its state.

        Raise Unconfirmed when the response is lost: the prediction may exist, so an adapter never repeats the POST.
        """

    @abstractmethod
    def fetch(self, account: Account, prediction_id: str) -> ProviderEvent:
        """Return the prediction's current state. Raise PredictionGone when the vendor has no such prediction."""

    def find(self, account: Account, reference: str, *, since: datetime | None = None) -> ProviderEvent | None:
        """Return the prediction made for our reference, or None when it is certain that there is none.

        `since` is the earliest time at which it can have been submitted. Raise Unavailable when the response
        leaves a doubt. Used with `can_look_up`.
        """
        raise NotImplementedError(f"{self.name} has no look-up")

    @abstractmethod
    def cancel(self, account: Account, prediction_id: str) -> None:
        """Ask the vendor to stop a prediction. One that is already final or gone counts as a success."""

    @abstractmethod
    def delete(self, account: Account, prediction_id: str) -> None:
        """Ask the vendor to delete photo and film. A prediction that is already gone counts as a success."""

    @abstractmethod
    def verify(self, account: Account, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        """Return the event id of a genuine and fresh delivery. Raise BadSignature or StaleSignature otherwise.

        `headers` has lower-case names; `body` is the body as it was received.
        """

    @abstractmethod
    def parse(self, body: bytes) -> ProviderEvent:
        """Return the event that a verified delivery reports. Raise ValueError when it cannot be parsed."""

    def check_parameters(self, parameters: Mapping[str, Any], *, model: str = "") -> list[str]:
        """Return one message for each parameter that the vendor's model would not accept."""
        return [f"{self.title} knows no parameter “{name}”." for name in parameters]

    def check_model(self, model: str) -> str:
        """Return a message when this cannot be the name of a model of the vendor, '' when it can."""
        return ""

    def check_secret(self, secret: str) -> str:
        """Return a message when this webhook secret cannot verify anything, '' when it can."""
        if not secret.startswith(signatures.PREFIX):
            return f"A webhook secret begins with {signatures.PREFIX}."
        try:
            signatures.secret_key(secret)
        except ValueError as error:
            return f"This cannot be used: {error}."
        return ""

    def result_headers(self, account: Account) -> Mapping[str, str]:
        """Return the headers that a download of a result needs. Most vendors need none."""
        return {}

    # --- Calls, for the adapters themselves ---------------------------------------------------------

    def call(self, account: Account, method: str, path: str, **content: Any) -> client.Response:
        """Call the vendor's API at a path below the base URL, or at a whole URL, with the API key.

        `content` is passed to `client.call`.
        """
        headers = {"Authorization": f"{self.auth_scheme} {account.api_key}", **content.pop("headers", {})}
        return self.call_without_key(account, method, path, headers=headers, **content)

    def call_without_key(self, account: Account, method: str, path: str, **content: Any) -> client.Response:
        """Call like `call`, without the Authorization header.

        AccountProblem when the address is one that nothing is sent to (`hosts.permit_call`).
        """
        url = f"{account.base_url}{path}" if path.startswith("/") else path
        permit = hosts.permit_call(url, private_hosts=account.private_hosts)
        return client.call(
            method,
            url,
            public_only=permit.public_only,
            connect_seconds=account.connect_seconds,
            read_seconds=account.read_seconds,
            **content,
        )

    def put_photo(
        self, account: Account, where: str, photo: bytes, *, hosts_allowed: tuple[str, ...], headers: Mapping[str, Any]
    ) -> client.Response:
        """PUT a photo where the vendor says, as far as that is allowed, with those of its headers that are.

        Our API key is not sent. AccountProblem when the photo may not go there.
        """
        permit = hosts.UploadHosts(account, hosts_allowed).permit(where)
        return client.call(
            "PUT",
            str(permit.url),
            public_only=permit.public_only,
            connect_seconds=account.connect_seconds,
            read_seconds=account.read_seconds,
            content=photo,
            headers=hosts.UploadHosts.headers(headers),
            repeatable=True,
        )

    def check(self, response: client.Response, *, submitting: bool = False) -> client.Response:
        """Return a response with a success status; raise the error that any other status means."""
        client.raise_for_status(response, submitting=submitting, explain=self.explain)
        return response

    def explain(self, response: client.Response) -> VendorError:
        """Parse the vendor's error body."""
        return VendorError(response.excerpt())

    def send_command(self, account: Account, method: str, path: str, vendor_id: str) -> None:
        """Make a call of which only the status matters; `path` has a `{}` for the vendor's id.

        What is already gone counts as a success.
        """
        try:
            self.check(self.call(account, method, path.format(client.path_part(vendor_id)), repeatable=True))
        except PredictionGone:
            logger.info("prediction_gone provider=%s", account.slug)

    def secret_from(self, value: Any) -> str:
        """Return a webhook secret from a vendor's JSON. Raise ValueError when it is none."""
        if not isinstance(value, str) or self.check_secret(value):
            raise ValueError("not a secret")
        return value

    def status_from(self, value: Any, statuses: Mapping[str, PredictionStatus]) -> PredictionStatus:
        """Return what a vendor's status means; one that is not in the table is UNKNOWN and logged."""
        status = statuses.get(value, PredictionStatus.UNKNOWN) if isinstance(value, str) else PredictionStatus.UNKNOWN
        if status == PredictionStatus.UNKNOWN:
            logger.warning("status_unknown provider=%s status=%.40r", self.name, value)
        return status


def same_prediction(event: ProviderEvent, prediction_id: str) -> ProviderEvent:
    """Return the event when it is about this prediction. Raise ValueError when it is about another."""
    if event.prediction_id != prediction_id:
        raise ValueError("the response is about another prediction")
    return event

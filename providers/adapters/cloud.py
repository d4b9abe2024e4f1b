"""What the three clouds have in common: models with inputs of their own, a photo and a webhook by address.

An adapter lists the models it knows in a small table. A model that is not in it works too: its photo
goes into the field that most of the vendor's models use (`image_field` says otherwise), and whatever
else it takes is written under `input`.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from providers import parameters, payloads
from providers.error_mapping import VendorError
from providers.errors import AccountProblem, PredictionGone, Rejected
from providers.http import client
from providers.parameters import Rule
from providers.types import Account, PhotoTransport, ProviderEvent, SubmitRequest

from .base import Adapter

logger = logging.getLogger(__name__)

_EVERYWHERE = {"image_field": parameters.name(), "input": parameters.mapping()}
_SEED = parameters.whole(0, 2**31 - 1)


@dataclass(frozen=True)
class Model:
    """What one model takes, as far as the vendor documents it."""

    image_field: str
    inputs: Mapping[str, Rule] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    takes_negative_prompt: bool = False
    takes_seed: bool = False
    longest_prompt: int | None = None
    # The inputs of the smallest film there is, for a call that only keeps the model awake.
    smallest: Mapping[str, Any] = field(default_factory=dict)


class CloudAdapter(Adapter):
    """An adapter for a vendor in the internet. Subclasses say what to call and how to read it."""

    models: ClassVar[Mapping[str, Model]]
    any_other_model: ClassVar[Model]
    # Settings of the adapter itself, beside the inputs of its models.
    settings: ClassVar[Mapping[str, Rule]] = {}
    auth_scheme: ClassVar[str] = "Bearer"
    longest_inline_photo: ClassVar[int] = 0

    # --- Settings -----------------------------------------------------------------------------------

    def model_of(self, name: str) -> Model:
        """Return what is known of a model; staff who name none get the default one."""
        return self.models.get(name or self.default_model, self.any_other_model)

    def check_parameters(self, parameters_: Mapping[str, Any], *, model: str = "") -> list[str]:
        known = self.model_of(model)
        rules = {**known.inputs, **({"seed": _SEED} if known.takes_seed else {}), **self.settings, **_EVERYWHERE}
        unknown = (
            f"{self.title} knows no parameter “{{name}}” of this model; "
            "a field that only the model knows goes under “input”."
        )
        sentences = parameters.problems(rules, parameters_, unknown=unknown)
        extra = parameters_.get("input")
        for name in ("prompt", parameters_.get("image_field") or known.image_field):
            if isinstance(extra, dict) and name in extra:
                sentences.append(f"“input” cannot set “{name}”: it is different for every film.")
        return sentences

    # --- What a film is ordered with ----------------------------------------------------------------

    def keep_warm_request(self, account: Account, request: SubmitRequest) -> tuple[Account, SubmitRequest]:
        """Return what to submit when nothing but keeping the model awake is wanted: the smallest film there is."""
        smallest = {**account.parameters, **self.model_of(account.model).smallest}
        return replace(account, parameters=smallest), request

    def inputs(self, account: Account, request: SubmitRequest) -> dict[str, Any]:
        """Return the model's inputs: defaults, what staff chose, and what is this film's own."""
        model = self.model_of(account.model)
        if model.longest_prompt is not None and len(request.prompt) > model.longest_prompt:
            raise Rejected(
                f"the look's prompt has {len(request.prompt)} characters, this model takes {model.longest_prompt}",
                code="request_refused",
            )
        chosen = {
            name: value
            for name, value in account.parameters.items()
            if name in model.inputs or (name == "seed" and model.takes_seed)
        }
        extra = account.parameters.get("input")
        found = {**model.defaults, **chosen, **(extra if isinstance(extra, dict) else {})}
        if model.takes_seed:
            found.setdefault("seed", seed_number(request.seed))
        if model.takes_negative_prompt and request.negative_prompt:
            found.setdefault("negative_prompt", request.negative_prompt)
        found["prompt"] = request.prompt
        found[str(account.parameters.get("image_field") or model.image_field)] = self.photo(account, request)
        return found

    def photo(self, account: Account, request: SubmitRequest) -> str:
        """Return the photo's address, or the photo itself as a `data:` address."""
        if request.photo_url:
            if is_secure(account.base_url) and not is_secure(request.photo_url):
                raise AccountProblem(
                    f"{self.title} fetches photos from public https addresses only: set CALLBACK_URL to one, "
                    "or let photos travel by upload",
                    code="settings",
                )
            return request.photo_url
        if not request.photo_bytes or PhotoTransport.INLINE not in self.photo_transports:
            ways = " or ".join(sorted(self.photo_transports))
            raise AccountProblem(f"{self.title} takes photos by {ways}", code="settings")
        if len(request.photo_bytes) > self.longest_inline_photo:
            raise Rejected(
                f"a photo of {len(request.photo_bytes)} bytes is too long for a request to {self.title} "
                f"(at most {self.longest_inline_photo}): let photos travel by upload",
                code="request_refused",
            )
        encoded = base64.b64encode(request.photo_bytes).decode("ascii")
        return f"data:{photo_type(request.photo_bytes)};base64,{encoded}"

    def webhook(self, account: Account, request: SubmitRequest) -> str:
        """Return the address to call back, '' when the vendor would refuse it: polling finds the film too."""
        if is_secure(account.base_url) and not is_secure(request.webhook_url):
            return ""
        return request.webhook_url

    # --- Calls --------------------------------------------------------------------------------------

    @abstractmethod
    def explain(self, response: client.Response) -> VendorError:
        """Read the vendor's error body."""

    def call(self, account: Account, method: str, path: str, **content: Any) -> client.Response:
        """Call the vendor's API at a path below the base URL (or at a whole address), with the key."""
        headers = {"Authorization": f"{self.auth_scheme} {account.api_key}", **content.pop("headers", {})}
        return self.call_without_key(account, method, path, headers=headers, **content)

    def call_without_key(self, account: Account, method: str, path: str, **content: Any) -> client.Response:
        return client.call(
            method,
            f"{account.base_url}{path}" if path.startswith("/") else path,
            connect_seconds=account.connect_seconds,
            read_seconds=account.read_seconds,
            **content,
        )

    def check(self, response: client.Response, *, submitting: bool = False) -> client.Response:
        """Return the answer when it is a success; raise what it means when it is not."""
        client.raise_for_status(response, submitting=submitting, explain=self.explain)
        return response

    def send_command(self, account: Account, method: str, path: str) -> None:
        """Make a call whose answer says nothing but whether it worked; what is gone is fine."""
        try:
            self.check(self.call(account, method, path, repeatable=True))
        except PredictionGone:
            logger.info("prediction_gone provider=%s", account.slug)


def same_prediction(event: ProviderEvent, prediction_id: str) -> ProviderEvent:
    """Return the event when it is about this prediction. Raise ValueError when it is about another."""
    if event.prediction_id != prediction_id:
        raise ValueError("the answer is about another prediction")
    return event


def status_word(body: bytes) -> str:
    """Return a genuine delivery's word for the state it tells of: with the prediction's id it names the event."""
    try:
        word = payloads.json_object(body).get("status")
    except ValueError:
        return "unreadable"
    return word[:20] if isinstance(word, str) else "none"


def seed_number(seed: str) -> int:
    """Return a number for a seed: the same film for the same seed, whoever renders it again."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") >> 1


def photo_type(photo: bytes) -> str:
    if photo.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if photo[:4] == b"RIFF" else "image/jpeg"


def is_secure(url: str) -> bool:
    return url.lower().startswith("https://")

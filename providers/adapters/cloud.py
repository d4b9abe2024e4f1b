"""The base class of the three clouds: models with their own inputs, a photo and a webhook by URL.

An adapter lists the models it knows in a small table. Other models work too: their photo goes into the input
that most of the vendor's models use, or into the one that the parameter `image_field` names, and their other
inputs are entered under the parameter `input`.
"""

from __future__ import annotations

import base64
import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from providers import parameters, payloads
from providers.error_mapping import VendorError
from providers.errors import AccountProblem, Rejected
from providers.http import client
from providers.parameters import Rule
from providers.types import Account, PhotoTransport, SubmitRequest

from .base import Adapter

_COMMON_PARAMETERS = {"image_field": parameters.name(), "input": parameters.mapping()}
_SEED = parameters.whole(0, 2**31 - 1)


@dataclass(frozen=True)
class Model:
    """The inputs of one model, as far as the vendor documents them."""

    image_field: str
    inputs: Mapping[str, Rule] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    takes_negative_prompt: bool = False
    takes_seed: bool = False
    longest_prompt: int | None = None
    # The inputs of the smallest possible film, for a prediction that only keeps the model warm.
    smallest: Mapping[str, Any] = field(default_factory=dict)


class CloudAdapter(Adapter):
    """An adapter for a cloud vendor. Subclasses make its calls and parse its responses."""

    models: ClassVar[Mapping[str, Model]]
    any_other_model: ClassVar[Model]
    # Parameters of the adapter itself, besides the inputs of its models.
    settings: ClassVar[Mapping[str, Rule]] = {}
    longest_inline_photo: ClassVar[int] = 0

    # --- Settings -----------------------------------------------------------------------------------

    def model_of(self, name: str) -> Model:
        """Return what is known of a model; '' means the default model."""
        return self.models.get(name or self.default_model, self.any_other_model)

    def check_parameters(self, parameters_: Mapping[str, Any], *, model: str = "") -> list[str]:
        known = self.model_of(model)
        rules = {**known.inputs, **({"seed": _SEED} if known.takes_seed else {}), **self.settings, **_COMMON_PARAMETERS}
        unknown = (
            f"{self.title} knows no parameter “{{name}}” of this model; "
            "a field that only the model knows goes under “input”."
        )
        messages = parameters.problems(rules, parameters_, unknown=unknown)
        extra = parameters_.get("input")
        for name in ("prompt", parameters_.get("image_field") or known.image_field):
            if isinstance(extra, dict) and name in extra:
                messages.append(f"“input” cannot set “{name}”: it is different for every film.")
        return messages

    # --- The request --------------------------------------------------------------------------------

    def keep_warm_request(self, account: Account, request: SubmitRequest) -> tuple[Account, SubmitRequest]:
        """Return the account and request of the model's smallest film."""
        smallest = {**account.parameters, **self.model_of(account.model).smallest}
        return replace(account, parameters=smallest), request

    def shortened(self, account: Account) -> Account:
        """Return the account with the model's shortest `duration`, where it has one that staff did not set by hand."""
        model = self.model_of(account.model)
        shortest = model.smallest.get("duration", model.defaults.get("duration"))
        if "duration" not in model.inputs or shortest is None:
            return account
        return replace(account, parameters={**account.parameters, "duration": shortest})

    def inputs(self, account: Account, request: SubmitRequest) -> dict[str, Any]:
        """Return the model's inputs: its defaults, staff's parameters, and those of this film. Raise Rejected."""
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
        inputs = {**model.defaults, **chosen, **(extra if isinstance(extra, dict) else {})}
        if model.takes_seed:
            inputs.setdefault("seed", seed_number(request.seed))
        if model.takes_negative_prompt and request.negative_prompt:
            inputs.setdefault("negative_prompt", request.negative_prompt)
        inputs["prompt"] = request.prompt
        inputs[str(account.parameters.get("image_field") or model.image_field)] = self.photo(account, request)
        return inputs

    def photo(self, account: Account, request: SubmitRequest) -> str:
        """Return the photo's URL, or the photo itself as a `data:` URL. Raise AccountProblem or Rejected."""
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
        """Return the webhook's URL, or '' when the vendor would refuse it; polling then finds the film."""
        if is_secure(account.base_url) and not is_secure(request.webhook_url):
            return ""
        return request.webhook_url

    @abstractmethod
    def explain(self, response: client.Response) -> VendorError: ...


def status_word(body: bytes) -> str:
    """Return the status in a delivery's body. It is part of the event id, because both clouds repeat the request id."""
    try:
        word = payloads.json_object(body).get("status")
    except ValueError:
        return "unreadable"
    return word[:20] if isinstance(word, str) else "none"


def seed_number(seed: str) -> int:
    """Return the number from 0 to 2**31 − 1 that a job's seed is sent as; the same seed gives the same number."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") >> 1


def photo_type(photo: bytes) -> str:
    """Return the media type of a PNG, WebP or JPEG, by its first bytes."""
    if photo.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if photo[:4] == b"RIFF" else "image/jpeg"


def is_secure(url: str) -> bool:
    return url.lower().startswith("https://")

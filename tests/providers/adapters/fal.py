"""fal's adapter, an account at the scripted vendor and what is submitted to it."""

from providers import registry
from providers.types import Account, SubmitRequest

ADAPTER = registry.adapter_for("fal")
MODEL = "fal-ai/wan/v2.2-a14b/image-to-video"

PHOTO = b"\xff\xd8\xff\xe0 a photo"


def account(server, **others):
    base_url = server.url if hasattr(server, "url") else server
    return Account("fal", base_url, api_key="kid:ksec", connect_seconds=1, read_seconds=2, **others)


def submit_request(**changes):
    texts = {"look": "neon-noir", "prompt": "a hero", "negative_prompt": "blur", "hero_name": "NOVA-7", "seed": "job-1"}
    where = {"webhook_url": "https://hero.example/h?job=1&k=2", "photo_url": "https://hero.example/photo.jpg"}
    return SubmitRequest("token", **texts | where | changes)

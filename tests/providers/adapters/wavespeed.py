"""WaveSpeed's adapter, an account at the scripted vendor and what is submitted to it."""

from providers import registry
from providers.types import Account, SubmitRequest
from tests.support.scripted import PAYLOADS

ADAPTER = registry.adapter_for("wavespeed")
MODEL = "wavespeed-ai/wan-2.2/i2v-720p"

PAYLOAD = PAYLOADS / "wavespeed"
PHOTO = b"\xff\xd8\xff\xe0 a photo"


def account(server, **others):
    base_url = server.url if hasattr(server, "url") else server
    return Account("ws", base_url, api_key="ws-key", connect_seconds=1, read_seconds=2, **others)


def submit_request(**changes):
    texts = {"look": "neon-noir", "prompt": "a hero", "negative_prompt": "blur", "hero_name": "NOVA-7", "seed": "job-1"}
    where = {
        "webhook_url": "https://hero.example/webhooks/ws/token/?a=b&c=d",
        "photo_url": "https://hero.example/photo.jpg",
    }
    return SubmitRequest("token", **texts | where | changes)

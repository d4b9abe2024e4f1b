"""What the vendors of one simulator share: ledger, webhooks, film, random seed and clock."""

from __future__ import annotations

import random
import time

from .film import make_film
from .ledger import Ledger
from .webhooks import WebhookSender


class Context:
    """The state that all vendors share. `reset` starts it anew."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.film = make_film()
        self.ledger = Ledger()
        self.webhooks = WebhookSender(self.ledger)
        self.reset_at = time.monotonic()

    async def reset(self) -> None:
        """Stop all webhooks and timers, and begin an empty ledger."""
        await self.webhooks.stop()
        self.ledger = self.webhooks.ledger = Ledger()
        self.reset_at = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the last reset."""
        return time.monotonic() - self.reset_at

    def random_for(self, vendor: str, purpose: str) -> random.Random:
        """Return a new generator that depends on the seed, the vendor and the purpose alone."""
        return random.Random(f"{self.seed}/{vendor}/{purpose}")  # noqa: S311

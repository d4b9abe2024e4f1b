"""A program that calls a running product with a token of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from selfiehero.environment import PROJECT_DIR
from tests.support.product import Product

PHOTO = Path(__file__).resolve().parents[1] / "photos" / "obama.jpg"


# Two people who must not see each other's films, and the token of each.
TOKENS = """
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token
for name in ("admin", "somebody"):
    print(Token.objects.get_or_create(user=User.objects.get_or_create(username=name)[0])[0].key)
"""


@dataclass(frozen=True)
class Caller:
    """Where the product is, whose token it is called with, and that of somebody else."""

    url: str
    token: str
    other_token: str

    def call(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Token {self.token}"}
        answer = requests.request(method, self.url + path, headers=headers, timeout=30, **options)
        answer.raise_for_status()
        return answer.json()

    def order(self) -> Any:
        fields = {"look": "neon-noir", "consent": "true"}
        return self.call("POST", "/api/v1/jobs/", data=fields, files={"selfie": PHOTO.read_bytes()})

    def receipts(self) -> list[str]:
        """Return a receipt of a photo and one of its erasure."""
        job = self.order()
        return [job["receipt"], self.call("DELETE", f"/api/v1/jobs/{job['id']}/")["receipt"]]


@contextmanager
def running_product(folder: Path) -> Iterator[Caller]:
    """Yield a caller of a product of its own, whose films are tiny and whose limits are wide."""
    env = {
        "STUDIO_RENDERER": "tests.support.fake_renderer:Renderer",
        "DJANGO_SETTINGS_MODULE": "tests.clients.settings",
    }
    with Product(folder, env) as product:
        own = {name: value for name, value in product.env.items() if value is not None}
        made = subprocess.run(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", TOKENS],
            cwd=PROJECT_DIR,
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            check=True,
        )
        yield Caller(product.url, *made.stdout.split())

"""The provider form as staff fill it in, and what its page shows."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

from providers.models import ProviderConfig

LIST = "/admin/providers/providerconfig/"
KEY, OLD, NEW = "key-in-the-database", "whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0", "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0"


def page_of(row: ProviderConfig) -> str:
    return f"{LIST}{row.pk}/change/"


def form_of(client: Client, row: ProviderConfig, **changes: Any) -> dict[str, Any]:
    """Return what a browser would send back from the form, with some fields changed."""
    form = client.get(page_of(row)).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value is not None and value is not False}
    return {name: value for name, value in (data | changes).items() if value is not None}


def save(client: Client, row: ProviderConfig, **changes: Any) -> ProviderConfig:
    response = client.post(page_of(row), form_of(client, row, **changes))
    assert response.status_code == 302, response.context["errors"]
    return ProviderConfig.objects.get(pk=row.pk)


def pill_of(text: str) -> str:
    found = re.search(r'<span class="pill [^>]*>([^<]*)', text)
    assert found
    return found[1]

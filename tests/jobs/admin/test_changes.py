"""Changes by staff are in the audit log as old -> new, with who and from where."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from jobs.models import AuditEntry
from providers.models import ProviderConfig
from tests import factories


def form_of(client: Client, page: str, **changes: Any) -> dict[str, Any]:
    form = client.get(page).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    for name in ("last_login", "date_joined"):
        if name in data:
            moment = data.pop(name)
            data |= {f"{name}_0": f"{moment:%Y-%m-%d}", f"{name}_1": f"{moment:%H:%M:%S}"} if moment else {}
    data = {name: value for name, value in data.items() if value is not None and value is not False}
    return data | changes


def save(client: Client, page: str, **changes: Any) -> AuditEntry:
    response = client.post(page, form_of(client, page, **changes))
    assert response.status_code == 302, response.context["errors"]
    entry = AuditEntry.objects.order_by("-id").first()
    assert (entry.actor_name, entry.address) == ("admin", "127.0.0.1")
    return entry


def test_a_look(admin_client: Client, db: None) -> None:
    look = factories.make_look()
    entry = save(admin_client, f"/admin/jobs/look/{look.pk}/change/", note="Rain, neon.")
    assert (entry.action, entry.subject) == ("look_changed", look.slug)
    assert entry.data == {"note": [look.note, "Rain, neon."]}


def test_a_provider(admin_client: Client, provider: ProviderConfig) -> None:
    page = f"/admin/providers/providerconfig/{provider.pk}/change/"
    entry = save(admin_client, page, max_concurrent=7, price="0.25")
    assert (entry.action, entry.subject) == ("provider_changed", provider.slug)
    assert entry.data == {"max_concurrent": [3, 7], "price": ["0.0000", "0.2500"]}


def test_a_user_with_groups_and_permissions(admin_client: Client) -> None:
    user = User.objects.create_user("rachael", password="voight-kampff", is_staff=True)
    group, permission = Group.objects.get(name="support"), Permission.objects.get(codename="view_faces")
    page = f"/admin/auth/user/{user.pk}/change/"
    entry = save(admin_client, page, groups=[group.pk], user_permissions=[permission.pk], is_superuser="on")
    assert (entry.action, entry.subject) == ("user_changed", "rachael")
    assert entry.data["groups"] == [[], ["support"]]
    assert entry.data["user_permissions"] == [[], [str(permission)]]
    assert entry.data["is_superuser"] == [False, True]
    assert set(entry.data) - {"date_joined"} == {"groups", "user_permissions", "is_superuser"}


def test_a_password_is_said_to_be_changed_and_nothing_else(admin_client: Client) -> None:
    user = User.objects.create_user("rachael", password="voight-kampff")
    new = {"password1": "a-new-one-of-hers", "password2": "a-new-one-of-hers", "usable_password": "true"}
    assert admin_client.post(f"/admin/auth/user/{user.pk}/password/", new).status_code == 302
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.data) == ("user_changed", "rachael", {"password": "changed"})


@pytest.mark.parametrize(("more", "is_saved"), [({}, False), ({"new_api_key": "a-key-for-there"}, True)])
def test_another_address_asks_for_the_key_again(
    more: dict[str, str], is_saved: bool, admin_client: Client, provider: ProviderConfig
) -> None:
    page = f"/admin/providers/providerconfig/{provider.pk}/change/"
    data = form_of(admin_client, page, base_url="http://127.0.0.1:8/elsewhere", **more)
    response = admin_client.post(page, data)
    assert (response.status_code == 302) is is_saved
    changed = ProviderConfig.objects.get(pk=provider.pk)
    assert (changed.base_url != provider.base_url) is is_saved
    if not is_saved:
        assert "new_api_key" in response.context["adminform"].form.errors

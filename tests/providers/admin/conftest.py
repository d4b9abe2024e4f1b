"""A provider's row, and who may only look at it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from providers.models import ProviderConfig
from tests import factories
from tests.providers.admin.form import KEY, OLD


@pytest.fixture
def row(db: None) -> ProviderConfig:
    return factories.make_provider(api_key=KEY, webhook_secrets=[OLD])


@pytest.fixture
def viewer(db: None) -> Client:
    """Staff who may look and nothing else."""
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_providerconfig"))
    client = Client()
    client.force_login(user)
    return client

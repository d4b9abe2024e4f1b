"""A job's page says what was mailed to whoever complains that no film came, and why nothing was."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from notifications.models import Notification
from providers.models import ProviderConfig
from tests import factories
from tests.support.admin_pages import page_of, staff, text_of

pytestmark = pytest.mark.django_db
NOT_CONFIRMED = "the address is not confirmed, so nothing was mailed about the end"


def test_an_address_that_was_never_confirmed_is_why_no_mail_came(admin_client: Client, provider: ProviderConfig):
    job, now = factories.make_finished_job(provider, email="rosa@example.org"), timezone.now()
    Notification.objects.create(
        job=job, channel="confirm", recipient="d", created_at=now, due_at=now, sent_at=now, tries=1
    )
    page = text_of(admin_client.get(page_of(job)))
    assert f"asked to confirm it: sent {now:%Y-%m-%d %H:%M:%S}" in page
    assert NOT_CONFIRMED in page
    assert "rosa@example.org<br>" in page
    Permission.objects.filter(codename="view_faces").delete()
    assert "r…@example.org<br>" in text_of(staff("view").get(page_of(job)))


def test_a_mail_that_was_given_up_is_told_with_its_error(admin_client: Client, provider: ProviderConfig):
    job, now = factories.make_finished_job(provider, email="rosa@example.org"), timezone.now()
    mail = Notification.objects.create(job=job, channel="email", created_at=now, due_at=now, error="550 full", tries=2)
    page = text_of(admin_client.get(page_of(job)))
    assert "mail about the end: waits, 2 tries: 550 full" in page
    assert NOT_CONFIRMED not in page
    Notification.objects.filter(pk=mail.pk).update(given_up_at=now)
    assert "mail about the end: given up after 2 tries: 550 full" in text_of(admin_client.get(page_of(job)))


def test_without_an_address_nothing_is_said(admin_client: Client, provider: ProviderConfig):
    page = text_of(admin_client.get(page_of(factories.make_finished_job(provider))))
    assert NOT_CONFIRMED not in page and "<dt>E-mail</dt>" not in page

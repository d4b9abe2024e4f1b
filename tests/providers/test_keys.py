"""One database, several hosts: who has other keys does not start, and a value that no key decrypts is our error."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs import magic_links, storage
from providers import keys
from providers.errors import UnreadableSecret
from providers.models import KeyFingerprints, ProviderConfig
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture(autouse=True)
def first_host(settings: Any) -> None:
    settings.FIELD_KEYS = (OLD,)
    keys.require_known_keys()


def recorded() -> list[str]:
    return KeyFingerprints.objects.get(name="FIELD_KEYS").fingerprints


def rotate(**options: Any) -> None:
    call_command("rotate_keys", stdout=io.StringIO(), **options)


def test_a_host_with_the_same_keys_starts_and_changes_nothing() -> None:
    before = list(KeyFingerprints.objects.values_list())
    keys.require_known_keys()
    assert list(KeyFingerprints.objects.values_list()) == before


@pytest.mark.parametrize("command", [["serve"], ["worker", "prepare"], ["reconcile"], ["seed"], ["up", "--prepare"]])
def test_every_process_of_a_host_with_other_keys_refuses_with_what_to_copy(command: list[str], settings: Any) -> None:
    settings.FIELD_KEYS = (OTHER,)
    settings.SECRET_KEY = "another host made this one for itself"
    with pytest.raises(CommandError) as caught:
        call_command(*command)
    said = str(caught.value)
    assert caught.value.returncode == 2
    assert "copy SECRET_KEY and FIELD_KEYS from the environment of a host that already runs" in said
    assert f"VAR_DIR/secret_key and VAR_DIR/field_key to {settings.VAR_DIR}" in said
    assert OTHER not in said
    assert settings.SECRET_KEY not in said


def test_only_the_key_that_differs_is_named(settings: Any) -> None:
    settings.SECRET_KEY = "another host made this one for itself"
    with pytest.raises(keys.OtherKeys) as caught:
        keys.require_known_keys()
    assert caught.value.names == ("SECRET_KEY",)


def test_a_host_without_the_newest_key_is_refused_once_another_encrypts_with_it(settings: Any) -> None:
    settings.FIELD_KEYS = (NEW, OLD)
    keys.require_known_keys()
    settings.FIELD_KEYS = (OLD,)
    with pytest.raises(keys.OtherKeys):
        keys.require_known_keys()


def test_an_old_key_may_be_dropped_after_rotate_keys_and_not_before(settings: Any) -> None:
    factories.make_provider(api_key="sk_1")
    settings.FIELD_KEYS = (NEW, OLD)
    keys.require_known_keys()
    settings.FIELD_KEYS = (NEW,)
    assert keys.differing_keys() == ["FIELD_KEYS"]
    settings.FIELD_KEYS = (NEW, OLD)
    rotate()
    settings.FIELD_KEYS = (NEW,)
    keys.require_known_keys()
    assert recorded() == [keys.fingerprint("FIELD_KEYS", NEW)]


def test_rotate_keys_records_a_new_secret_key(settings: Any) -> None:
    settings.SECRET_KEY = "chosen on purpose, and long enough as well"
    rotate()
    keys.require_known_keys()


def test_a_foreign_host_cannot_rotate_unless_it_says_that_the_key_is_lost(settings: Any) -> None:
    settings.FIELD_KEYS = (OTHER,)
    with pytest.raises(CommandError, match="--lost"):
        rotate()
    assert recorded() == [keys.fingerprint("FIELD_KEYS", OLD)]
    rotate(lost=True)
    keys.require_known_keys()


def test_a_database_from_before_fingerprints_is_not_taken_over_by_a_host_that_reads_nothing_in_it(
    settings: Any,
) -> None:
    factories.make_provider(api_key="sk_1")
    KeyFingerprints.objects.all().delete()
    settings.FIELD_KEYS = (OTHER,)
    with pytest.raises(keys.OtherKeys):
        keys.require_known_keys()
    settings.FIELD_KEYS = (OLD,)
    keys.require_known_keys()


def test_what_is_recorded_has_nothing_of_a_key() -> None:
    (digest,) = recorded()
    assert len(digest) == 32
    assert digest not in OLD
    assert digest != keys.fingerprint("SECRET_KEY", OLD)


def test_an_undecryptable_key_is_no_account_and_is_logged_once(settings: Any, caplog: Any) -> None:
    row = factories.make_provider(api_key="sk_1", webhook_secrets=["whsec_1"])
    settings.FIELD_KEYS = (OTHER,)
    row = ProviderConfig.objects.get(pk=row.pk)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            with pytest.raises(UnreadableSecret):
                row.account()
    assert [record.getMessage() for record in caplog.records] == ["secret_unreadable provider=studio field=api_key"]


def test_saving_a_row_that_cannot_be_decrypted_keeps_its_secrets(settings: Any) -> None:
    row = factories.make_provider(api_key="sk_1", webhook_secrets=["whsec_1"])
    settings.FIELD_KEYS = (OTHER,)
    ProviderConfig.objects.get(pk=row.pk).save()
    settings.FIELD_KEYS = (OLD,)
    kept = ProviderConfig.objects.get(pk=row.pk)
    assert (kept.api_key, kept.webhook_secrets) == ("sk_1", ["whsec_1"])


def test_secret_key_changes_without_a_host_refused_or_a_link_ended(settings: Any) -> None:
    """All hosts know the new key first, then sign with it; the old one goes when nothing signed with it is left."""
    first, second = settings.SECRET_KEY, "a new secret key of this product, long enough for anybody"
    job = factories.make_job()
    now = timezone.now()
    link = magic_links.url_for(job, now=now)
    media = storage.signed_url("video/ab/x.mp4", filename="x.mp4", now=now)

    def host(key: str, *fallbacks: str) -> None:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = key, list(fallbacks)

    def holds() -> bool:
        *_, expires, signature, _kind, _folder, _file, name = media.split("/")
        fits = storage.signature_fits("video/ab/x.mp4", name, int(expires), signature, now=now)
        return fits and magic_links.read(link.split("/")[-2], now=now) is not None

    host(first, second)
    keys.require_known_keys()
    host(first)  # the other host, before its restart
    assert keys.differing_keys() == []
    for steps in ((second, first), (first, second), (second, first)):
        host(*steps)
        keys.require_known_keys()
        assert keys.differing_keys() == []
        assert holds()
    host(first)
    assert keys.differing_keys() == ["SECRET_KEY"]
    host(second, first)
    rotate()
    host(second)
    keys.require_known_keys()
    assert not holds()

"""Each line of readiness is red or amber against what breaks it, and green when it is mended."""

from __future__ import annotations

import resource
import socket
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from threading import Thread
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError
from django.db import connection
from django.utils import timezone

from jobs import now as present
from jobs.ledger import Newest
from jobs.models import AuditEntry, Heartbeat
from jobs.now import house
from jobs.queue import claims, engine
from providers.models import ProviderConfig
from selfiehero.health import serving
from selfiehero.readiness import AMBER, GREEN, RED, drill, evening, machines, people
from tests import factories

pytestmark = pytest.mark.django_db


def levels(lines: Any) -> dict[str, str]:
    return {line.name: line.level for line in lines}


def test_too_few_slots_name_the_level_to_buy(facts: present.Facts) -> None:
    (line,) = evening.concurrency(facts, rate=20)
    assert line.level == GREEN
    (line,) = evening.concurrency(facts, rate=1000)
    assert line.level == RED
    assert "of WaveSpeed" in line.mend
    (line,) = evening.concurrency(facts, rate=10**6)
    assert "No level" in line.mend


def test_a_second_provider_is_wanted(facts: present.Facts) -> None:
    assert levels(evening.fallback(facts))["Fallback"] == GREEN
    ProviderConfig.objects.filter(slug="fal").update(enabled=False)
    assert levels(evening.fallback(present.read(now=timezone.now())))["Fallback"] == AMBER
    ProviderConfig.objects.update(enabled=False)
    assert levels(evening.fallback(present.read(now=timezone.now())))["Fallback"] == RED


def test_a_process_that_is_missing_or_old_is_told(facts: present.Facts) -> None:
    assert levels(machines.processes(facts)) == {"Processes": GREEN, "Equal versions": GREEN, "Equal keys": GREEN}
    Heartbeat.objects.filter(name="worker-collect").update(seen_at=timezone.now() - timedelta(minutes=5))
    Heartbeat.objects.filter(name="reconcile").update(version="0.0.9")
    found = machines.processes(present.read(now=timezone.now()))
    assert levels(found) == {"Processes": RED, "Equal versions": AMBER, "Equal keys": GREEN}


def test_a_host_with_another_release_or_other_keys_is_named(facts: present.Facts, settings: Any) -> None:
    engine.beat("worker-prepare")
    other = Heartbeat.objects.get(name="worker-prepare", keys__gt="")
    Heartbeat.objects.filter(name="reconcile").update(version="0.0.9", keys=other.keys)
    found = {line.name: line for line in machines.processes(present.read(now=timezone.now()))}
    assert (found["Equal versions"].level, "hero-1 runs 0.0.9" in found["Equal versions"].words) == (AMBER, True)
    assert (found["Equal keys"].level, found["Equal keys"].measured) == (GREEN, "2 of 2 hosts tell theirs")
    settings.FIELD_KEYS = [*settings.FIELD_KEYS, "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="]
    (line,) = (line for line in machines.processes(present.read(now=timezone.now())) if line.name == "Equal keys")
    assert (line.level, "hero-1" in line.words) == (RED, True)


def test_a_redis_that_is_away_and_a_full_disk_are_told(facts: present.Facts) -> None:
    away = replace(facts.house, redis=house.Measured("no answer", "bad"), disk=house.Measured("99 %", "bad"))
    found = levels(machines.house(replace(facts, house=away)))
    assert (found["Redis"], found["Disk"]) == (AMBER, RED)


def test_what_readyz_finds_is_a_line_each(monkeypatch: Any) -> None:
    assert set(levels(machines.serving()).values()) == {GREEN}
    monkeypatch.setitem(serving.CHECKS, "migrations", lambda: "2 not applied")
    assert levels(machines.serving())["Migrations"] == RED


@pytest.mark.parametrize(("limit", "level"), [(256, RED), (4096, AMBER), (65536, GREEN)])
def test_open_files(limit: int, level: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    assert levels(machines.open_files()) == {"Open files": level}


def test_photos_that_should_be_gone_and_jobs_that_are_nowhere_are_red(facts: present.Facts, monkeypatch: Any) -> None:
    assert levels(people.promises(facts)) == {"Overdue erasures": GREEN, "Conservation law": AMBER}
    monkeypatch.setattr(Newest, "difference_count", property(lambda self: 2))
    broken = replace(facts, house=replace(facts.house, overdue_erasures=3))
    assert levels(people.promises(broken)) == {"Overdue erasures": RED, "Conservation law": RED}


def test_the_doors_and_the_channels(settings: Any) -> None:
    settings.PUBLIC_URL, settings.REQUIRE_STAFF_2FA = "http://hero.example", False
    assert levels(people.doors()) == {"HTTPS": RED, "Staff's second step": AMBER}
    settings.PUBLIC_URL, settings.REQUIRE_STAFF_2FA = "https://hero.example", True
    assert set(levels(people.doors()).values()) == {GREEN}


def test_whether_anybody_is_told(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.ALERT_EMAILS = "django.core.mail.backends.filebased.EmailBackend", ()
    assert levels(people.told()) == {"Mail": AMBER, "Push": GREEN, "Alerts": AMBER}
    settings.EMAIL_BACKEND, settings.ALERT_EMAILS = people._SMTP, ("mara@hero.example",)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        settings.EMAIL_HOST, settings.EMAIL_PORT = listener.getsockname()
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        thread = Thread(target=speak_smtp, args=(listener,), daemon=True)
        thread.start()
        assert levels(people.told()) == {"Mail": GREEN, "Push": GREEN, "Alerts": GREEN}
        thread.join(5)
    assert levels(people.told())["Mail"] == RED


def speak_smtp(listener: socket.socket) -> None:
    connection, _address = listener.accept()
    with connection, connection.makefile("rwb", buffering=0) as wire:
        wire.write(b"220 mail.example\r\n")
        for line in wire:
            wire.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 ok\r\n")


def test_checks_of_django_that_are_settled_are_not_told(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = settings.SECURE_HSTS_PRELOAD = False
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 31_536_000, True
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    (line,) = people.deploy_checks()
    assert "W008" not in line.words and "W021" not in line.words
    settings.SESSION_COOKIE_SECURE = False
    (line,) = people.deploy_checks()
    assert line.level == AMBER and "W012" in line.words


def test_an_old_secret_is_amber(facts: present.Facts) -> None:
    assert levels(people.secrets(now=timezone.now())) == {"Secrets' age": GREEN}
    (line,) = people.secrets(now=timezone.now() + timedelta(days=400))
    assert (line.level, "400 days" in line.words) == (AMBER, True)


def test_a_missing_index_is_red() -> None:
    assert levels(machines.indexes()) == {"Indexes": GREEN}
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX bulk_due")
    (line,) = machines.indexes()
    assert (line.level, line.words) == (RED, "Missing or not valid: bulk_due.")


class S3:
    """What a bucket answers about itself."""

    rules: ClassVar[list[dict[str, Any]]] = []
    is_public: bool | None = False

    def get_bucket_lifecycle_configuration(self, **_: Any) -> dict[str, Any]:
        if not self.rules:
            raise ClientError({"Error": {"Code": "NoSuchLifecycleConfiguration"}}, "get")
        return {"Rules": self.rules}

    def get_bucket_policy_status(self, **_: Any) -> dict[str, Any]:
        if self.is_public is None:
            raise ClientError({"Error": {"Code": "NotImplemented"}}, "get")
        return {"PolicyStatus": {"IsPublic": self.is_public}}


def rule(prefix: str) -> dict[str, Any]:
    return {"Status": "Enabled", "Filter": {"Prefix": prefix}, "Expiration": {"Days": 8}}


@pytest.mark.parametrize(
    ("rules", "is_public", "found"),
    [
        ([{"Status": "Enabled", "Expiration": {"Days": 8}}], False, (GREEN, GREEN)),
        ([rule(each) for each in ("raw/", "clean/", "preview/", "poster/", "video/")], False, (GREEN, GREEN)),
        ([rule(each) for each in ("raw/", "clean/", "preview/", "poster/", "logs/")], False, (AMBER, GREEN)),
        ([rule("static/")], False, (AMBER, GREEN)),
        ([{**rule(""), "Filter": {"Tag": {"Key": "a", "Value": "b"}}}], False, (AMBER, GREEN)),
        ([{"Status": "Disabled", "Expiration": {"Days": 8}}], True, (AMBER, RED)),
        ([], None, (AMBER, AMBER)),
    ],
)
def test_a_bucket_is_private_and_empties_itself(
    rules: list[dict[str, Any]], is_public: bool | None, found: tuple[str, str], settings: Any, monkeypatch: Any
) -> None:
    assert list(machines.bucket()) == [], "there is none"
    settings.S3_BUCKET = "heroes"
    client = S3()
    client.rules, client.is_public = rules, is_public  # type: ignore[misc]
    own = SimpleNamespace(connection=SimpleNamespace(meta=SimpleNamespace(client=client)))
    monkeypatch.setattr(machines, "storages", {"default": own})
    assert levels(machines.bucket()) == dict(zip(("Lifecycle rule", "Bucket is private"), found, strict=True))


def test_a_drill_parks_the_first_provider_and_counts_who_gets_the_films(facts: present.Facts, monkeypatch: Any) -> None:
    wavespeed, fal = ProviderConfig.objects.order_by("order", "id")
    assert list(drill.drill(facts, seconds=0, by="mara")) == []
    (line,) = drill.drill(facts, seconds=1, by="mara")
    assert (line.level, line.words[:6]) == (AMBER, "Nobody")

    def evening_meanwhile(seconds: float) -> None:
        factories.make_waiting_job()
        assert not claims.claim_slots(wavespeed.id, want=1)
        assert claims.claim_slots(fal.id, want=1)

    monkeypatch.setattr(drill.time, "sleep", evening_meanwhile)
    (line,) = drill.drill(facts, seconds=60, by="mara")
    assert (line.level, line.measured) == (GREEN, "60 s: 1 films went elsewhere, 0 to WaveSpeed")
    factories.make_waiting_job()
    assert claims.claim_slots(wavespeed.id, want=1), "it is parked no more"
    assert set(AuditEntry.objects.values_list("actor_name", "action")) == {("mara in a shell", "provider_parked")}

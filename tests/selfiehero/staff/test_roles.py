"""Every address and every action of the admin, for the three roles that are shipped and for a stranger."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, reverse
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.authtoken.models import Token, TokenProxy

from jobs.admin.changes import SHIPPED_ROLES
from jobs.admin.queues import READ_PAGES
from jobs.models import (
    Alert,
    AuditEntry,
    BulkOperation,
    FilmReport,
    Heartbeat,
    Job,
    Lane,
    LoadState,
    WebhookDelivery,
)
from jobs.queue import queues
from notifications.models import Notification, PushSubscription
from providers.models import ProviderConfig
from selfiehero.staff import roles
from tests import factories
from tests.providers.admin.form import KEY, OLD

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

SUPPORT, OPERATOR, OWNER = SHIPPED_ROLES
NOBODY: tuple[str, ...] = ()
OWNERS, ACTORS, ALL = (OWNER,), (OPERATOR, OWNER), SHIPPED_ROLES

# Who opens the list, a row and its history; the form for a new one; the question whether to delete one.
MODELS = {
    "jobs_job": (ALL, NOBODY, NOBODY),
    "jobs_webhookdelivery": (ALL, NOBODY, NOBODY),
    "jobs_look": (ALL, OWNERS, NOBODY),
    "jobs_heartbeat": (ALL, NOBODY, NOBODY),
    "jobs_loadstate": (ALL, NOBODY, NOBODY),
    "jobs_alert": (ALL, NOBODY, NOBODY),
    "jobs_filmreport": (ALL, NOBODY, NOBODY),
    "jobs_bulkoperation": (ALL, ACTORS, NOBODY),
    "jobs_auditentry": (OWNERS, NOBODY, NOBODY),
    "providers_providerconfig": (ALL, OWNERS, NOBODY),
    "notifications_notification": (ALL, NOBODY, NOBODY),
    "notifications_pushsubscription": (ALL, NOBODY, NOBODY),
    "auth_user": (OWNERS, OWNERS, OWNERS),
    "auth_group": (OWNERS, OWNERS, OWNERS),
    "authtoken_tokenproxy": (OWNERS, OWNERS, OWNERS),
    "otp_totp_totpdevice": (OWNERS, NOBODY, OWNERS),
    "otp_static_staticdevice": (OWNERS, NOBODY, OWNERS),
    "django_rq_dashboard": (OWNERS, NOBODY, NOBODY),
}
# Django gives these to whoever is staff; a page of one's own password and second step.
EVERYBODY = ("index", "password_change", "password_change_done", "jsi18n", "security", "second_step", "view_on_site")
OTHERS = dict.fromkeys(EVERYBODY, ALL) | {
    "now": ALL,
    "app_list": ALL,
    "jobs_job_ledger": ALL,
    "jobs_job_film": ACTORS,
    "auth_user_password_change": OWNERS,
    "providers_new_secret": OWNERS,
    # The queues have no rows.
    **dict.fromkeys(("django_rq_dashboard_change", "django_rq_dashboard_history"), NOBODY),
    # A secret is shown to nobody, whatever they may do.
    "otp_totp_totpdevice_config": NOBODY,
    "otp_totp_totpdevice_qrcode": NOBODY,
    # These take a POST, below; the second without a field that any page of ours has.
    **dict.fromkeys(("jobs_job_note", "jobs_job_photo", "jobs_alert_take", "jobs_alert_test"), NOBODY),
    "jobs_webhookdelivery_apply": NOBODY,
    "jobs_look_versions": ALL,
    "jobs_look_version_add": ACTORS,
    **dict.fromkeys(("jobs_look_version_sample", "jobs_look_version_activate"), NOBODY),  # these take a POST, too
    "jobs_bulk_state": ALL,
    "jobs_bulk_control": NOBODY,
    **dict.fromkeys(("providers_test", "autocomplete"), NOBODY),
}
# Open for anybody: to come in, and to leave.
OPEN = {"login", "logout"}
ACTIONS = {
    "jobs.Job": {
        **dict.fromkeys(("put_jobs_first", "put_jobs_back", "move_jobs", "cancel_jobs", "retry_jobs"), ACTORS),
        "erase_jobs": ACTORS,
    },
    "jobs.WebhookDelivery": {"apply_again": ACTORS},
    "jobs.FilmReport": dict.fromkeys(("take_down", "dismiss", "reinstate"), ACTORS),
    "providers.ProviderConfig": dict.fromkeys(
        ("test_connection", "enable", "disable", "park", "close_breaker"), ACTORS
    ),
    **{
        f"{app}.{model}": {"delete_selected": OWNERS}
        for app, model in (
            ("auth", "User"),
            ("auth", "Group"),
            ("otp_totp", "TOTPDevice"),
            ("otp_static", "StaticDevice"),
        )
    },
}


@pytest.fixture
def people() -> dict[str, Client]:
    found = {"stranger": Client()}
    for role in SHIPPED_ROLES:
        user = User.objects.create_user(role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        found[role] = Client(raise_request_exception=False)
        found[role].force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return found


@pytest.fixture
def rows(provider: ProviderConfig) -> dict[str, Any]:
    """A row of each model, by the beginning of its pages' names."""
    now = timezone.now()
    job = factories.make_finished_job(provider)
    attempt = job.attempts.get()
    user = User.objects.create_user("somebody")
    Token.objects.create(user=user)
    delivery = WebhookDelivery.objects.create(
        provider="studio", attempt=attempt, attempt_token=attempt.token, event_id="e", verdict="valid", received_at=now
    )
    push = PushSubscription.objects.create(
        owner=job.owner, endpoint="https://push.example/x", endpoint_hash="h", p256dh="p", auth="a", created_at=now
    )
    Notification.objects.all().delete()
    operation = BulkOperation.objects.create(
        form_token="x",
        action="retry_jobs",
        words="all jobs",
        created_at=now,
        rate=20,
        line_limit=9,
        due_at=now,
        paced_from=now,
    )
    return {
        "jobs_job": job,
        "jobs_webhookdelivery": delivery,
        "jobs_look": job.look,
        "jobs_heartbeat": Heartbeat.objects.create(name="web", host="here", seen_at=now),
        "jobs_loadstate": LoadState.objects.get_or_create(pk=LoadState.ONLY)[0],
        "jobs_alert": Alert.objects.create(rule="law_broken", level="bad", words="It is.", began_at=now, seen_at=now),
        "jobs_filmreport": FilmReport.objects.create(job=job, reason="me", reported_at=now),
        "jobs_bulkoperation": operation,
        "jobs_bulk_": operation,
        "jobs_auditentry": AuditEntry.objects.create(at=now, action="job_erased", subject=str(job.pk)),
        "providers_providerconfig": provider,
        "notifications_notification": Notification.objects.create(job=job, channel="email", created_at=now, due_at=now),
        "notifications_pushsubscription": push,
        "auth_user": user,
        "auth_group": Group.objects.create(name="a group of their own"),
        "authtoken_tokenproxy": TokenProxy.objects.get(user=user),
        "otp_totp_totpdevice": TOTPDevice.objects.create(user=user, name="app"),
        "otp_static_staticdevice": StaticDevice.objects.create(user=user, name="codes"),
    }


def patterns(some: Any) -> Iterator[URLPattern]:
    for one in some:
        if isinstance(one, URLPattern):
            yield one
        else:
            yield from patterns(one.url_patterns)


def who_opens(name: str) -> tuple[str, ...]:
    """Return the roles that may open the page of this name; a page that nobody thought of fails here."""
    if name in OTHERS:
        return OTHERS[name]
    model, _, what = name.rpartition("_")
    if name.startswith("django_rq") and model not in MODELS:
        return OWNERS if name in READ_PAGES else NOBODY
    viewers, adders, deleters = MODELS[model]
    return {"changelist": viewers, "change": viewers, "history": viewers, "add": adders, "delete": deleters}[what]


def addresses(rows: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the address of every page of the admin."""
    values = {"queue_index": 0, "scheduler_index": 0, "connection_index": 0, "app_label": "jobs", "content_type_id": 1}
    for pattern in patterns(admin.site.urls[0]):
        name = pattern.name
        if name is None or "token" in pattern.pattern.converters:
            continue  # leads from an old address to the one of the row
        model = next((one for one in rows if name.startswith(one)), "")
        row = rows.get(model) or (rows["providers_providerconfig"] if name.startswith("providers_") else None)
        keys: dict[str, Any] = {}
        for key in pattern.pattern.converters or pattern.pattern.regex.groupindex:
            keys[key] = values.get(key, "nothing" if row is None else row.pk)
        asks = "?action=retry_jobs" if name == "jobs_bulkoperation_add" else ""
        yield name, reverse(f"admin:{name}", kwargs=keys) + asks


def is_let_in(response: HttpResponse) -> bool:
    leads = response.headers.get("Location", "")
    return response.status_code != 403 and response.status_code != 405 and not leads.startswith("/admin/login/")


def test_every_page_opens_for_those_whose_work_it_is(
    people: dict[str, Client], rows: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "django.request")  # a refusal has a stack, and there are hundreds
    wrong, walked = [], set()
    for name, address in addresses(rows):
        walked.add(name)
        for person, client in people.items():
            expected = name in OPEN or person in who_opens(name)
            response = client.get(address) if name != "logout" else None
            if response is not None and (response.status_code >= 500 or is_let_in(response) is not expected):
                wrong.append(f"{name} {person}: {response.status_code}, expected {'in' if expected else 'out'}")
    assert not wrong, "\n".join(wrong)
    assert len(walked) > 90


def test_every_action_is_offered_to_those_who_may_take_it(people: dict[str, Client]) -> None:
    for model, model_admin in admin.site._registry.items():
        for role in SHIPPED_ROLES:
            request = RequestFactory().get("/")
            request.user = User.objects.get(username=role)
            offered = set(model_admin.get_actions(request))
            expected = {name for name, who in ACTIONS.get(model._meta.label, {}).items() if role in who}
            assert offered == expected, f"{model._meta.label} {role}"


def test_an_action_that_is_not_offered_is_not_carried_out(people: dict[str, Client], rows: dict[str, Any]) -> None:
    job, waiting = rows["jobs_job"], factories.make_waiting_job()
    for action in ACTIONS["jobs.Job"]:
        data = {"action": action, "_selected_action": [job.pk, waiting.pk], "confirmed": "yes", "index": 0}
        people[SUPPORT].post("/admin/jobs/job/", data)
    for action in ACTIONS["providers.ProviderConfig"]:
        provider = rows["providers_providerconfig"]
        people[SUPPORT].post("/admin/providers/providerconfig/", {"action": action, "_selected_action": [provider.pk]})
    assert Job.objects.get(pk=waiting.pk).status == "queued"
    assert (Job.objects.count(), Job.objects.filter(erased_at=None).count()) == (2, 2)
    assert ProviderConfig.objects.filter(enabled=True, test_asked_at=None, rate_limited_until=None).count() == 1
    assert AuditEntry.objects.exclude(action="job_erased").count() == 0


@pytest.mark.parametrize(
    ("name", "who"),
    [
        *(("jobs_job_note", ALL), ("jobs_job_photo", ACTORS), ("jobs_alert_take", ACTORS), ("jobs_alert_test", ACTORS)),
        ("jobs_bulk_control", ACTORS),
        *(("providers_test", ACTORS), ("providers_new_secret", OWNERS)),
    ],
)
def test_what_takes_a_post(name: str, who: tuple[str, ...], people: dict[str, Client], rows: dict[str, Any]) -> None:
    address = dict(addresses(rows))[name]
    for person, client in people.items():
        assert is_let_in(client.post(address, {"text": "Told her why."})) is (person in who), person


def test_files_are_checked_when_somebody_who_acts_asks(people: dict[str, Client]) -> None:
    for person, client in people.items():
        assert is_let_in(client.post("/admin/jobs/job/ledger/")) is (person in ACTORS), person


def test_no_form_takes_a_field_that_it_does_not_show(people: dict[str, Client], rows: dict[str, Any]) -> None:
    provider = rows["providers_providerconfig"]
    provider.api_key, provider.webhook_secrets = KEY, [OLD]
    provider.save()
    for model in ("providers_providerconfig", "jobs_look", "auth_user", "auth_group"):
        row = rows[model]
        page = reverse(f"admin:{model}_change", args=[row.pk])
        for person in SHIPPED_ROLES:
            opened = people[person].get(page)
            if opened.status_code == 403:
                assert people[person].post(page, {}).status_code == 403
                continue
            form = opened.context["adminform"].form
            shown = {name: form[name].value() for name in form.fields}
            columns = [field.name for field in row._meta.concrete_fields]
            hidden = {*columns, *admin.site._registry[type(row)].form.declared_fields} - set(shown)
            data = (
                dict.fromkeys(hidden, "1")
                | {"new_api_key": "a-key-of-mine"}
                | {name: value for name, value in shown.items() if value not in (None, False)}
            )
            if moment := data.get("date_joined"):
                data |= {"date_joined_0": f"{moment:%Y-%m-%d}", "date_joined_1": f"{moment:%H:%M:%S}"}
            before = {name: getattr(row, name) for name in columns if name in hidden}
            answer = people[person].post(page, data)
            after = type(row).objects.get(pk=row.pk)
            changed = {name for name, value in before.items() if getattr(after, name) != value} - {"updated_at"}
            if "new_api_key" in shown:
                continue  # theirs to change
            assert changed == set(), f"{model} {person}"
            assert answer.status_code in (302, 403), f"{model} {person}: {answer.status_code}"


def test_a_secret_in_the_request_is_refused_where_it_is_saved(people: dict[str, Client], rows: dict[str, Any]) -> None:
    """Also with a form that would take it: the form of somebody else."""
    provider, model_admin = rows["providers_providerconfig"], admin.site._registry[ProviderConfig]
    request = RequestFactory().post("/")
    form_class = model_admin.get_form(_as(request, OWNER), provider, change=True)
    form = form_class(instance=provider)
    form.changed_data, form.filled_in, form.secret_changes = [], set(), [("api_key", "replaced")]
    with pytest.raises(PermissionDenied):
        model_admin.save_model(_as(request, OPERATOR), provider, form, True)


def _as(request: Any, role: str) -> Any:
    request.user = User.objects.get(username=role)
    return request


def test_operators_change_limits_and_not_prices(people: dict[str, Client], rows: dict[str, Any]) -> None:
    provider = rows["providers_providerconfig"]
    page = reverse("admin:providers_providerconfig_change", args=[provider.pk])
    form = people[OPERATOR].get(page).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value not in (None, False)}
    sent = data | {"max_concurrent": "9", "price": "0.0001", "base_url": "https://elsewhere.example"}
    assert people[OPERATOR].post(page, sent).status_code == 302
    changed = ProviderConfig.objects.get(pk=provider.pk)
    assert (changed.max_concurrent, changed.price, changed.base_url) == (9, provider.price, provider.base_url)


def test_owners_change_no_superuser_and_make_none(people: dict[str, Client], rows: dict[str, Any]) -> None:
    chief = User.objects.create_superuser("chief", password="voight-kampff")
    page = reverse("admin:auth_user_change", args=[chief.pk])
    assert people[OWNER].post(page, {"username": "chief"}).status_code == 403
    assert people[OWNER].post(f"/admin/auth/user/{chief.pk}/password/", {}).status_code == 403
    assert people[OWNER].get(f"/admin/auth/user/{chief.pk}/delete/").status_code == 403
    user = rows["auth_user"]
    data = {"username": "somebody", "is_staff": "on", "is_superuser": "on", "is_active": "on"}
    data |= {"date_joined_0": "2026-11-30", "date_joined_1": "12:00:00"}
    assert people[OWNER].post(f"/admin/auth/user/{user.pk}/change/", data).status_code == 302
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser) == (True, False)


def test_shipped_roles_are_always_there_and_as_they_are_shipped() -> None:
    assert set(roles.ROLES) == set(SHIPPED_ROLES)
    group = Group.objects.get(name=SUPPORT)
    group.permissions.add(Permission.objects.get(codename="view_faces"))
    Group.objects.filter(name=OWNER).delete()
    roles.ship()
    for name, wanted in roles.ROLES.items():
        rows = Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename")
        assert {f"{app}.{codename}" for app, codename in rows} == wanted
    assert not any("face" in one for one in roles.ROLES[SUPPORT])


def test_a_shipped_role_is_shown_and_not_edited(people: dict[str, Client]) -> None:
    group = Group.objects.get(name=OWNER)
    page = reverse("admin:auth_group_change", args=[group.pk])
    assert people[OWNER].get(page).status_code == 200
    assert people[OWNER].post(page, {"name": "others"}).status_code == 403
    assert people[OWNER].get(f"/admin/auth/group/{group.pk}/delete/").status_code == 403


def test_owners_read_the_queues(people: dict[str, Client]) -> None:
    queues.client().flushdb()
    queues.nudge(Lane.COLLECT)
    home = reverse("admin:django_rq_home")
    assert home in people[OWNER].get("/admin/").content.decode()
    assert "collect" in people[OWNER].get(home).content.decode()
    queues.client().flushdb()

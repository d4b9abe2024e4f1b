"""Migrations run while the release before still serves: expand first, contract a release later.

RELEASED names the newest migrations of the last release. What came after them may add tables, columns that the old
code need not name, and indexes built online. The old code reads and writes the new schema: its own models, as the
migrations of that release describe them, do so here. When a release is tagged, RELEASED is moved on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, models
from django.db.migrations import operations as ops
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.models import NOT_PROVIDED

from providers.schema import AddIndexOnline, RemoveIndexOnline

RELEASED = {
    "jobs": "0013_heartbeats_by_host",
    "notifications": "0004_admin_indexes",
    "providers": "0004_key_fingerprints",
}
# A column or table that no release reads any more may go: (migration, what is said of it) and who stopped reading it.
CONTRACTED: dict[tuple[str, str], str] = {}


def since_release(loader: MigrationLoader) -> Iterator[tuple[str, str, Migration]]:
    for app, newest in RELEASED.items():
        old = {key for key in loader.graph.forwards_plan((app, newest)) if key[0] == app}
        for key in loader.graph.forwards_plan(loader.graph.leaf_nodes(app)[0]):
            if key[0] == app and key not in old:
                yield app, key[1], loader.graph.nodes[key]


def problems_of(migration: Migration) -> Iterator[str]:
    """Yield what the release before could not live with, or what would stop its writers."""
    new = {operation.name_lower for operation in migration.operations if isinstance(operation, ops.CreateModel)}
    online = [one for one in migration.operations if isinstance(one, AddIndexOnline | RemoveIndexOnline)]
    if online and (migration.atomic or len(online) < len(migration.operations)):
        yield "indexes are built online in a migration of their own, with atomic = False"
    for operation in migration.operations:
        model = getattr(operation, "model_name", "").lower()
        if model in new or isinstance(operation, ops.CreateModel | AddIndexOnline | RemoveIndexOnline):
            continue
        match operation:
            case ops.AddIndex() | ops.RemoveIndex():
                yield f"{operation.describe()}: with AddIndexOnline or RemoveIndexOnline of providers.schema"
            case ops.AddField(field=field):
                if not field.null and field.db_default is NOT_PROVIDED and not field.many_to_many:
                    yield f"{operation.describe()}: the old code writes rows without it, so it needs null or db_default"
            case ops.AlterField() | ops.AlterModelOptions() | ops.RunSQL() | ops.RunPython() | ops.AlterModelManagers():
                pass  # judged by what the old models can still do, below
            case ops.AddConstraint():
                pass  # likewise
            case _:
                yield f"{operation.describe()}: the old code still needs it"


def test_no_migration_takes_what_the_release_before_needs() -> None:
    found = {
        f"{app}.{name}": said
        for app, name, migration in since_release(MigrationLoader(None))
        if (said := [one for one in problems_of(migration) if (f"{app}.{name}", one) not in CONTRACTED])
    }
    assert found == {}


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (ops.AddIndex("job", models.Index(fields=["status"], name="x")), "AddIndexOnline"),
        (ops.RemoveField("job", "stage"), "still needs it"),
        (ops.RenameField("job", "stage", "phase"), "still needs it"),
        (ops.DeleteModel("Job"), "still needs it"),
        (ops.AddField("job", "x", models.IntegerField(default=0)), "null or db_default"),
        (AddIndexOnline("job", models.Index(fields=["status"], name="x")), "of their own, with atomic = False"),
    ],
)
def test_each_kind_of_trouble_is_found(operation: Any, words: str) -> None:
    migration = Migration("x", "jobs")
    migration.operations = [operation]
    assert any(words in said for said in problems_of(migration))


@pytest.mark.django_db
@pytest.mark.database
def test_the_models_of_the_release_before_read_and_write_the_new_schema() -> None:
    """Every table is read whole and gets a row, by statements that name the old columns alone."""
    old = MigrationLoader(connection).project_state(list(RELEASED.items())).apps
    made: dict[str, Any] = {}
    for app in ("providers", "jobs", "notifications"):
        for model in sorted(old.get_app_config(app).get_models(), key=_depends):
            assert list(model._default_manager.all()[:1]) == []
            made[model._meta.label] = row = model(**_values(model, made))
            row.save(force_insert=True)
            model._default_manager.filter(pk=row.pk).update(
                **{_plain(model).attname: getattr(row, _plain(model).attname)}
            )


def _depends(model: type[models.Model]) -> int:
    order = ("Look", "StartTimes", "Job", "Attempt", "JobEvent", "WebhookDelivery", "PushSubscription", "Notification")
    return order.index(model.__name__) if model.__name__ in order else -1


def _plain(model: type[models.Model]) -> models.Field:
    return next(field for field in model._meta.concrete_fields if not field.primary_key)


def _values(model: type[models.Model], made: dict[str, Any]) -> dict[str, Any]:
    """Return values for the columns that the old code has to give."""
    from django.utils import timezone

    values: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if field.primary_key and not isinstance(field, models.CharField):
            continue
        if field.remote_field and not field.null:
            values[field.name] = made[field.remote_field.model._meta.label]
        elif field.null or field.has_default() or field.db_default is not NOT_PROVIDED:
            continue
        elif isinstance(field, models.DateTimeField | models.DateField):
            values[field.name] = timezone.now()
        elif isinstance(field, models.IntegerField):
            values[field.name] = 1
        else:
            values[field.name] = "x"
    if model.__name__ == "Notification":
        values["channel"] = "email"
    if model.__name__ == "Attempt":
        values["job"] = made["jobs.Job"]
    return values

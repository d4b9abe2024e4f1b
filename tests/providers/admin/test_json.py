"""JSON that breaks decoders and databases, entered by staff: a sentence at its field."""

from __future__ import annotations

import pytest
from django.test import Client

from providers.models import ProviderConfig
from tests.providers.admin.form import form_of, page_of

ODD = {
    "half a pair": r'{"input": {"a": "\ud800"}}',
    "half a pair as a name": r'{"\udfff": 1}',
    "deep": "[" * 5000,
    "deep enough for Python": '{"input": ' + '{"a":' * 900 + "1" + "}" * 901,
    "NUL": r'{"input": {"a": "\u0000"}}',
    "NaN": '{"input": {"a": NaN}}',
    "more than a number": '{"input": {"a": 1e999}}',
    "digits": '{"input": ' + "9" * 5000 + "}",
    "a text": r'"\ud800"',
    "no JSON": '{"input": ',
}


@pytest.mark.parametrize("entered", ODD.values(), ids=ODD)
def test_a_sentence_stands_at_the_field_and_what_was_entered_in_it(
    admin_client: Client, row: ProviderConfig, entered: str
) -> None:
    ProviderConfig.objects.filter(pk=row.pk).update(adapter="fal", base_url="https://queue.fal.run")
    before = ProviderConfig.objects.get(pk=row.pk)
    response = admin_client.post(page_of(row), form_of(admin_client, before, parameters=entered))
    assert response.status_code == 200
    form = response.context["adminform"].form
    (said,) = form.errors["parameters"]
    assert "JSON" in said or "character" in said or "NUL" in said
    assert form["parameters"].value() == entered
    assert ProviderConfig.objects.get(pk=row.pk).parameters == before.parameters

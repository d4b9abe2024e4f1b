"""What the OpenAPI document says of the fields of a form is what the form takes: neither more nor less."""

import jsonschema
import pytest
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from tests.jobs.api.test_plain import as_json_schema
from tests.jobs.orders import URL, is_problem, order

pytestmark = pytest.mark.django_db

# What a browser leaves empty it sends empty, so that is the same as leaving it out.
VALUES = {
    "hero_name": {"": 202, "NOVA-7": 202, "N" * 25: 422},
    "email": {"": 202, "nova@hero.example": 202, "n" * 260: 422},
    "keep": {"": 202, "short": 202, "long": 202, "LONG": 422, " ": 422},
    "face": dict.fromkeys(
        ["", "0,1", "0.25,0.5", "1.0,0.5000,0.1,0.2", "1e-1,0.5", "9.9E-01,0.5", ".5,.5", "0.5, 0.5"], 202
    )
    | dict.fromkeys([" ", "9e-0,0.5", "9e-00,0.5", "1e1,0.5", "-0,0.5", "+0.5,0.5", "0_0,1", "٠,١"], 422),
}


@pytest.mark.parametrize("field", VALUES)
def test_the_document_and_the_door_take_the_same_values_of_a_field(field, api):
    document = api.get("/api/v1/schema/?format=json").json()
    components = as_json_schema(document["components"])
    said = components["schemas"]["OrderRequest"]["properties"][field] | {"components": components}
    takes = jsonschema.Draft202012Validator(said, format_checker=jsonschema.FormatChecker(["email"])).is_valid
    for value, status in VALUES[field].items():
        assert takes(value) is (status == 202), f"{field}={value!r} by the document"
        answer = api.post(URL, order(**{field: value}))
        assert answer.status_code == status, f"{field}={value!r} at the door: {answer.content}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body.removesuffix(b"--\r\n"), "two dashes"),
        (lambda body: body[: body.rindex(b"\r\n--")], "two dashes"),
        (lambda body: body.replace(b"\r\n", b"\n"), "LF alone"),
    ],
)
def test_a_form_written_by_hand_is_told_what_is_wrong_with_it(change, said, api):
    body, kind = encode_multipart(BOUNDARY, order()), MULTIPART_CONTENT
    assert api.generic("POST", URL, body, content_type=kind).status_code == 202
    answer = api.generic("POST", URL, change(body), content_type=kind)
    assert said in is_problem(answer, 400, "malformed")["detail"]

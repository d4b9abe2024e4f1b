"""JSON that breaks decoders and databases is refused in words, or repaired where it is a vendor's."""

import json

import pytest

from common import plain_json

DEEP = "[" * 5000


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe\xff", "not JSON"),
        ("9" * 5000, "not JSON"),
        (DEEP, "too deeply"),
        ('{"a":' * 5000, "too deeply"),
        ("[" * 900 + "]" * 900, "too deeply"),
        (r'"\ud800"', "surrogate"),
        (b'"\xed\xa0\x80"', "surrogate"),
        (r'{"a": [{"\udfff": 1}]}', "surrogate"),
        (r'["\u0000"]', "NUL"),
        ("[NaN]", "NaN"),
        ('{"a": -Infinity}', "NaN"),
        ("1e999", "NaN"),
    ],
)
def test_what_no_database_stores_is_refused_with_a_sentence(text, word):
    with pytest.raises(plain_json.NotPlain, match=word) as refused:
        plain_json.loads(text)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("text", [r'"\ud83d\ude00"', "[" * 60 + "]" * 60, '{"a": [1, 2.5, null, true, "ü"]}', "1e300"])
def test_what_is_plain_is_the_value_that_it_says(text):
    assert plain_json.loads(text) == json.loads(text) == plain_json.loads_repaired(text.encode())


def test_a_vendors_halves_of_characters_are_replaced_wherever_they_are():
    body = rb'{"a\ud83d": ["\ud83d", {"b": "x\ude00y"}, "\ud83d\ude00"], "c": 1}'
    assert plain_json.loads_repaired(body) == {"a\ufffd": ["\ufffd", {"b": "x\ufffdy"}, "😀"], "c": 1}
    assert plain_json.loads_repaired(b'"\xed\xa0\x80"') == "\ufffd"
    latin = b'{"logs": "caf\xe9", "seed": %s, "output": "x"}' % (b"9" * 5000)
    assert plain_json.loads_repaired(latin) == {"logs": "caf\ufffd", "seed": float("inf"), "output": "x"}
    for deep in (DEEP, "[" * 980 + r'"\ud800"' + "]" * 980):
        with pytest.raises(plain_json.NotPlain):
            plain_json.loads_repaired(deep.encode())

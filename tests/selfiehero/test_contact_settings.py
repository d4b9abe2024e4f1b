"""What may be written about mail and web push, and what is made when nothing is."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfiehero import contact_settings
from selfiehero.environment import load
from selfiehero.private_files import BadEnvironment


def test_the_key_is_made_once_for_its_owner_alone(tmp_path):
    keys = {load({"VAR_DIR": str(tmp_path)}).vapid_key for _ in range(2)}
    assert len(keys) == 1
    assert len(keys.pop()) == 43
    assert stat.S_IMODE((tmp_path / "vapid_key").stat().st_mode) == 0o600


def test_a_given_key_wins_and_writes_nothing(tmp_path):
    key = contact_settings.new_vapid_key()
    assert load({"VAR_DIR": str(tmp_path), "VAPID_PRIVATE_KEY": f"{key}="}).vapid_key == key
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("public_url", "subject", "sender"),
    [
        ("http://127.0.0.1:8000", "mailto:hero@localhost", "Selfie Hero <hero@localhost>"),
        ("https://hero.example:8443", "https://hero.example", "Selfie Hero <hero@hero.example>"),
        ("http://hero.example", "mailto:hero@hero.example", "Selfie Hero <hero@hero.example>"),
        ("http://[::1]:8000", "mailto:hero@localhost", "Selfie Hero <hero@localhost>"),
    ],
)
def test_who_speaks_follows_from_the_public_address(public_url, subject, sender):
    said = load({"PUBLIC_URL": public_url}).contact
    assert (said.vapid_subject, said.mail_from) == (subject, sender)


def test_a_mail_server_is_one_address():
    said = contact_settings.parse_mail_server("smtp://nova%40city:p%3Aw@mail.example")
    assert said == {
        "EMAIL_HOST": "mail.example",
        "EMAIL_PORT": 587,
        "EMAIL_HOST_USER": "nova@city",
        "EMAIL_HOST_PASSWORD": "p:w",
        "EMAIL_USE_TLS": True,
        "EMAIL_USE_SSL": False,
    }
    assert contact_settings.parse_mail_server("smtps://mail.example")["EMAIL_PORT"] == 465
    plain = contact_settings.parse_mail_server("smtp+plain://mail.example:2525")
    assert (plain["EMAIL_PORT"], plain["EMAIL_USE_TLS"], plain["EMAIL_USE_SSL"]) == (2525, False, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMAIL_URL", "mail.example"),
        ("EMAIL_URL", "http://mail.example"),
        ("EMAIL_URL", "smtp://:secret@"),
        ("EMAIL_URL", "smtp://mail.example:x"),
        ("EMAIL_FROM", "hero"),
        ("EMAIL_FROM", "a@b\nBcc: c@d"),
        ("VAPID_PRIVATE_KEY", "secret"),
        ("VAPID_PRIVATE_KEY", "A" * 43),
        ("VAPID_PRIVATE_KEY", "_" * 43),
        ("VAPID_SUBJECT", "hero.example"),
        ("VAPID_SUBJECT", "http://hero.example"),
    ],
)
def test_a_bad_value_is_one_sentence_that_names_the_variable_and_not_the_secret(name, value):
    with pytest.raises(BadEnvironment) as caught:
        load({name: value})
    assert str(caught.value).startswith(name)
    assert "secret" not in str(caught.value).lower()


def test_secrets_do_not_show():
    key = contact_settings.new_vapid_key()
    shown = repr(load({"VAPID_PRIVATE_KEY": key, "EMAIL_URL": "smtp://u:hunter2@mail.example"}))
    assert key not in shown
    assert "hunter2" not in shown


@given(st.dictionaries(st.sampled_from(["EMAIL_URL", "EMAIL_FROM", "VAPID_SUBJECT", "VAPID_PRIVATE_KEY"]), st.text()))
def test_whatever_is_written_gives_an_answer_or_a_sentence(env):
    try:
        contact_settings.read_contact_settings(env, public_url="http://127.0.0.1:8000")
    except BadEnvironment as error:
        assert any(name in str(error) for name in env)

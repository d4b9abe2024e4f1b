"""People never read a code, an empty sentence or an internal word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from jobs import messages
from jobs.models import Job
from jobs.photos.outcomes import OUTCOMES
from jobs.routing import fallback

ROOT = Path(settings.ROOT)
SOURCES = [path.read_text() for path in (ROOT / "jobs").rglob("*.py")]
SCRIPTS = {path.name: path.read_text() for path in (ROOT / "static" / "js").glob("*.js")}
MACHINERY = re.compile(r"\b[a-z]+_[a-z_]+\b|[{}<>]|\b(None|null|undefined|NaN|HTTP|API|RQ|webhook|attempt|lane)\b")


def written(pattern: str) -> set[str]:
    """Return all codes that stand in our source like this."""
    return {code for source in SOURCES for code in re.findall(pattern, source) if code}


def is_a_sentence(text: str) -> bool:
    return bool(re.match(r"[A-Z“]", text)) and text.endswith((".", "?")) and not MACHINERY.search(text)


def test_what_became_of_a_job_is_a_sentence_whatever_it_was() -> None:
    assert set(messages.OUTCOMES) == {"open", "erased", "forgotten", *Job.FINAL}
    for code in messages.OUTCOMES:
        assert is_a_sentence(messages.outcome(code)), code


def test_whatever_a_job_fails_with_has_words_of_its_own() -> None:
    codes = written(r"lifecycle\.fail\([^)]*code=\"([a-z_]+)\"")
    assert {"no_provider", "deadline", "film_unusable"} <= codes
    for code in codes | fallback.PHOTO_CODES | set(OUTCOMES):
        said = messages.failure(code)
        assert said is not None
        assert said["message"] != messages._UNKNOWN.message, code
        assert is_a_sentence(said["message"]), said
        assert is_a_sentence(said["next_step"]), said


def test_a_code_of_another_release_is_said_in_general_words() -> None:
    said = messages.failure("code_of_tomorrow")
    assert (said["code"], is_a_sentence(said["message"]), is_a_sentence(said["next_step"])) == (
        *("code_of_tomorrow", True, True),
    )
    assert messages.failure("") is None
    assert messages.reason("code_of_tomorrow", "The studio") is None


def test_whatever_moves_the_time_range_has_words() -> None:
    codes = written(r"reason_code=\"([a-z_]+)\"")
    assert codes
    assert codes <= set(messages.REASONS)
    for code in messages.REASONS:
        for subject in ("WaveSpeed", ""):
            assert is_a_sentence(messages.reason(code, subject)), code


def test_another_photo_is_asked_for_when_the_photo_is_at_fault() -> None:
    for code in (*OUTCOMES, *fallback.PHOTO_CODES):
        assert messages.is_about_photo(code), code
    for code in ("deadline", "no_provider", "film_unusable", "", "code_of_tomorrow"):
        assert not messages.is_about_photo(code), code


def table(name: str) -> dict[str, str]:
    """Return a table of `static/js/words.js`: key and what stands behind it."""
    body = re.search(rf"export const {name} = \{{\n(.*?)\n\}};", SCRIPTS["words.js"], re.DOTALL)
    assert body, name
    return dict(re.findall(r"^  (\w+): (.*?),?$", body[1], re.MULTILINE))


def test_the_page_has_words_for_every_stage() -> None:
    stages = table("STAGES")
    assert set(Job.Stage.values) <= set(stages)
    for key, value in stages.items():
        words = re.findall(r'"([^"]+)"', value)
        assert len(words) == 2, key
        assert is_a_sentence(words[1]), words


@pytest.mark.parametrize("name", ["WORDS", "CAMERA"])
def test_the_scripts_say_what_is_in_the_table_and_the_table_what_they_say(name: str) -> None:
    used = {key for script in SCRIPTS.values() for key in re.findall(rf"\b{name}\.(\w+)", script)}
    assert used == set(table(name))

"""Positions in the queue by bisection: the numbers that counting gives, at a cost that does not grow with questions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from jobs.estimates.positions import EXACT_UP_TO, QueueIndex
from jobs.models import Job, Lane
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def counted(job: Job) -> int:
    """The definition: how many waiting jobs are claimed before this one."""
    line = Job.objects.in_queue()
    before = line.filter(priority__gt=job.priority).count()
    return before + line.filter(priority=job.priority, turn_at__lt=job.turn_at).count()


class TestPositions(TestCase):
    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 4), st.sampled_from([*Lane, ""])), max_size=8))
    def test_the_index_says_what_counting_says(self, rows: list[tuple[int, int, str]]) -> None:
        now = timezone.now()
        for priority, age, lane in rows:
            job = factories.make_job()
            Job.objects.filter(id=job.id).update(priority=priority, turn_at=now - timedelta(seconds=age), lane=lane)
        index = QueueIndex()
        for job in Job.objects.in_queue():
            assert index.position_of(priority=job.priority, turn_at=job.turn_at) == counted(job)


def test_a_short_queue_is_read_at_every_question(django_assert_num_queries):
    index, now = QueueIndex(), timezone.now()
    with django_assert_num_queries(2):
        assert [index.position_of(priority=0, turn_at=now) for _ in range(2)] == [0, 0]


def test_a_long_queue_is_read_once_for_many_questions(django_assert_num_queries):
    first = factories.make_job()
    rows = []
    for number in range(EXACT_UP_TO + 1):
        first.pk, first.turn_at, first._state.adding = None, timezone.now() + timedelta(seconds=number), True
        first.id = None
        rows.append(Job(**{f.attname: getattr(first, f.attname) for f in Job._meta.concrete_fields if f.name != "id"}))
    Job.objects.bulk_create(rows)
    index = QueueIndex()
    with django_assert_num_queries(1):
        last = [index.position_of(priority=0, turn_at=rows[-1].turn_at) for _ in range(20)]
    assert set(last) == {EXACT_UP_TO + 1}

"""The shapes of the contract, for the OpenAPI document. The bodies themselves come from `jobs.snapshots`."""

from __future__ import annotations

from django.conf import settings
from rest_framework import serializers

from ..models import Job


class OrderSerializer(serializers.Serializer):
    selfie = serializers.FileField(help_text="JPEG, PNG, WebP or HEIC; at most 12 MB and 40 megapixels; one face.")
    look = serializers.CharField(help_text="A slug of /api/v1/looks/.")
    consent = serializers.ChoiceField(["true"], help_text="The face is yours, or its owner said yes.")
    hero_name = serializers.CharField(required=False, max_length=settings.HERO_NAME_MAX)
    email = serializers.EmailField(required=False)


class RemixSerializer(serializers.Serializer):
    look = serializers.CharField(help_text="A slug of /api/v1/looks/.")
    hero_name = serializers.CharField(
        required=False, max_length=settings.HERO_NAME_MAX, help_text="The same as before when it is left out."
    )


class EtaSerializer(serializers.Serializer):
    p50 = serializers.IntegerField(help_text="Seconds; half of the films are done by then.")
    p90 = serializers.IntegerField(help_text="Seconds; nine of ten films are done by then.")


class QueueSerializer(serializers.Serializer):
    position = serializers.IntegerField(help_text="How many stand in line before this job.")
    eta_seconds = EtaSerializer()
    reason = serializers.CharField(allow_null=True, help_text="Why the range moved, in a sentence.")


class FailureSerializer(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()
    next_step = serializers.CharField()


class LinksSerializer(serializers.Serializer):
    self = serializers.CharField()
    events = serializers.CharField()
    cancel = serializers.CharField()
    page = serializers.CharField()
    socket = serializers.CharField()
    poster = serializers.CharField(allow_null=True, help_text="As soon as there is a first picture; signed, expires.")
    video = serializers.CharField(allow_null=True, help_text="When the film is here; signed, expires, byte ranges.")
    share = serializers.CharField(allow_null=True)


class JobSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(Job.Status.choices)
    stage = serializers.ChoiceField(Job.Stage.choices)
    progress = serializers.FloatField(min_value=0, max_value=1)
    look = serializers.CharField()
    hero_name = serializers.CharField(allow_blank=True)
    queue = QueueSerializer()
    failure = FailureSerializer(allow_null=True)
    seq = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    erase_at = serializers.DateTimeField()
    links = LinksSerializer()


class JobPageSerializer(serializers.Serializer):
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = JobSerializer(many=True)


class JobEventSerializer(serializers.Serializer):
    seq = serializers.IntegerField()
    kind = serializers.CharField()
    at = serializers.DateTimeField()
    data = serializers.DictField()


class JobEventsSerializer(serializers.Serializer):
    events = JobEventSerializer(many=True)


class ErasureSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    erased_at = serializers.DateTimeField()
    receipt = serializers.CharField(help_text="Signed by us; proves when photo and film were erased.")


class LookSerializer(serializers.Serializer):
    slug = serializers.CharField()
    title = serializers.CharField()
    note = serializers.CharField()
    picture = serializers.CharField(help_text="Address of a sample picture.")
    loop = serializers.CharField(allow_null=True, help_text="Address of a silent sample film.")


class ProblemSerializer(serializers.Serializer):
    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable; for programs.")
    detail = serializers.CharField(help_text="A sentence for people.")
    field = serializers.CharField(required=False)
    next_step = serializers.CharField(required=False)

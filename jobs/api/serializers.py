"""The schemas of the OpenAPI document. The bodies themselves come from `jobs.snapshots`."""

from __future__ import annotations

from django.conf import settings
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from jobs import messages, receipts
from jobs.intake.job_input import FACE
from jobs.models import Job

# Formats of our own say what no pattern can: which of the values with the right letters there are. Programs ignore
# those they do not know, and the tests of the document put real values there.
RECEIPT = {"type": "string", "format": "jws"}
CURSOR = {"type": "string", "format": "cursor"}
AFTER = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
# Spaces around the value of a header are not part of it.
IDEMPOTENCY_KEY = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]([ -~]*[!-~])?$"}


@extend_schema_field({"type": "string", "format": "look"})
class LookField(serializers.Field):
    """The slug of a look that there is."""


@extend_schema_field({"type": "string", "maxLength": settings.HERO_NAME_MAX, "format": "hero-name"})
class HeroNameField(serializers.Field):
    """Letters, digits and signs of any script, nothing invisible."""


@extend_schema_field(RECEIPT)
class ReceiptField(serializers.Field):
    """A receipt of ours."""


@extend_schema_serializer(component_name="Order")
class JobInputSerializer(serializers.Serializer):
    # What a form leaves empty it leaves out: every field that is not required may come empty.
    selfie = serializers.FileField(
        help_text="JPEG, PNG, WebP or HEIC; at most 12 MB and 50 megapixels (PNG, WebP: 40); one face."
    )
    look = LookField(help_text="A slug of /api/v1/looks/.")
    consent = serializers.ChoiceField(
        ["true"], help_text="The face is yours, or its owner said yes; you are 16, or a parent agrees."
    )
    hero_name = HeroNameField(required=False, help_text="Letters, digits and signs of any script.")
    email = serializers.EmailField(required=False, allow_blank=True, max_length=254)
    keep = serializers.ChoiceField(
        ["short", "long"],
        required=False,
        allow_blank=True,
        help_text="How long the film is kept: RETENTION_HOURS, or seven days.",
    )
    face = serializers.RegexField(
        rf"^{FACE}$",
        required=False,
        allow_blank=True,
        help_text="Whom the film is about where the photo shows several people: a point on the face, “x,y”, or its "
        "box, “x,y,width,height”, in fractions of the photo seen upright. Without it, the most prominent face.",
    )


class RemixSerializer(serializers.Serializer):
    look = LookField(help_text="A slug of /api/v1/looks/.")
    hero_name = HeroNameField(required=False, help_text="The same as before when it is left out.")


class ChangeSerializer(serializers.Serializer):
    look = LookField(required=False, help_text="Left out, the look stays.")
    hero_name = HeroNameField(required=False, help_text="Left out, the name stays.")


class EmailSerializer(serializers.Serializer):
    email = serializers.EmailField(
        max_length=254,
        help_text="Written to once, when the film is ready or failed. A new address first gets a link to confirm it.",
    )


class EtaSerializer(serializers.Serializer):
    p50 = serializers.IntegerField(min_value=0, help_text="Seconds; half of the films are done by then.")
    p90 = serializers.IntegerField(min_value=0, help_text="Seconds; nine of ten films are done by then.")


class QueueSerializer(serializers.Serializer):
    position = serializers.IntegerField(min_value=0, help_text="How many jobs are ahead of this one.")
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
    stream = serializers.CharField(help_text="The same news as server-sent events.")
    poster = serializers.CharField(allow_null=True, help_text="As soon as there is a first picture; signed, expires.")
    video = serializers.CharField(allow_null=True, help_text="When the film is here; signed, expires, byte ranges.")
    share = serializers.CharField(allow_null=True)


class JobSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(Job.Status.choices)
    stage = serializers.ChoiceField(Job.Stage.choices)
    progress = serializers.FloatField(min_value=0, max_value=1)
    look = serializers.SlugField()
    hero_name = serializers.CharField(allow_blank=True, max_length=settings.HERO_NAME_MAX)
    queue = QueueSerializer()
    failure = FailureSerializer(allow_null=True)
    seq = serializers.IntegerField(min_value=1)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    erase_at = serializers.DateTimeField(help_text="When photo and film are erased at the latest.")
    erased_at = serializers.DateTimeField(
        allow_null=True, help_text="When they were; then nothing is left of it but its state and this."
    )
    links = LinksSerializer()


class ReceivedJobSerializer(JobSerializer):
    receipt = serializers.CharField(
        allow_null=True,
        help_text="Signed by us: the job, the SHA-256 of the photo as received, and when. /receipts/verify says later "
        "what became of it. Null once the job is erased: the photo's digest is erased with it.",
    )


class NotifiedJobSerializer(JobSerializer):
    email_confirmed = serializers.BooleanField(
        help_text="Whether the address was confirmed before. Otherwise it gets a link to confirm it, and nothing else "
        "until that was done."
    )


class JobPageSerializer(serializers.Serializer):
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = JobSerializer(many=True)


class JobEventSerializer(serializers.Serializer):
    seq = serializers.IntegerField(min_value=1)
    kind = serializers.CharField()
    at = serializers.DateTimeField()
    data = serializers.DictField()  # type: ignore[assignment]  # DRF's own way to name a field; only the class has it


class JobEventsSerializer(serializers.Serializer):
    events = JobEventSerializer(many=True)


class HeldSerializer(serializers.Serializer):
    provider = serializers.CharField()
    until = serializers.DateTimeField(allow_null=True, help_text="At the latest; null when it has confirmed.")


class ErasureSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    erased_at = serializers.DateTimeField()
    receipt = serializers.CharField(
        help_text="Signed by us; proves when photo and film were erased. /receipts/verify knows it too."
    )
    removed = serializers.ListField(child=serializers.CharField(), help_text="What was removed here.")
    held = HeldSerializer(many=True, help_text="What a provider may still have, and until when.")


class ReceiptsSerializer(serializers.Serializer):
    accepted = serializers.CharField(allow_null=True, help_text="As in the 202; null once the job is erased.")
    erased = serializers.CharField(allow_null=True, help_text="As with the erasure; null before it.")


@extend_schema_serializer(component_name="Verdict")
class ReceiptStatusSerializer(serializers.Serializer):
    genuine = serializers.BooleanField(help_text="True; what is not ours is answered with a problem.")
    did = serializers.ChoiceField([receipts.ACCEPTED, receipts.ERASED], help_text="What the receipt was given for.")
    job = serializers.UUIDField()
    photo_sha256 = serializers.RegexField(
        "^[0-9a-f]{64}$", allow_null=True, help_text="Of the photo as received; for “accepted” only."
    )
    at = serializers.DateTimeField(help_text="When that was.")
    key_id = serializers.CharField(help_text="Which of /receipts/keys it is signed with.")
    outcome = serializers.ChoiceField(list(messages.OUTCOMES), help_text="What became of it until now.")
    message = serializers.CharField(help_text="The outcome in a sentence.")
    status = serializers.ChoiceField(Job.Status.choices, allow_null=True)
    stage = serializers.ChoiceField(Job.Stage.choices, allow_null=True)
    failure = FailureSerializer(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    erase_at = serializers.DateTimeField(allow_null=True)
    erased_at = serializers.DateTimeField(allow_null=True)


class PublicKeySerializer(serializers.Serializer):
    kty = serializers.CharField()
    crv = serializers.CharField()
    alg = serializers.CharField()
    use = serializers.CharField()
    kid = serializers.CharField(help_text="As the receipt's header names it.")
    x = serializers.CharField(help_text="The Ed25519 public key, in base64url.")


class PublicKeysSerializer(serializers.Serializer):
    keys = PublicKeySerializer(many=True)


class LookSerializer(serializers.Serializer):
    slug = serializers.SlugField()
    title = serializers.CharField()
    note = serializers.CharField()
    picture = serializers.CharField(help_text="Address of a sample picture.")
    loop = serializers.CharField(allow_null=True, help_text="Address of a silent sample film.")


class ProblemSerializer(serializers.Serializer):
    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField(min_value=400, max_value=599)
    code = serializers.CharField(help_text="Stable; for programs.")
    detail = serializers.CharField(help_text="A sentence for people.")
    field = serializers.CharField(required=False)
    next_step = serializers.CharField(required=False)

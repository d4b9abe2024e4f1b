"""Hero styles, and the versions of what they ask providers for."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models


class Look(models.Model):
    """A hero style, edited by staff."""

    slug = models.SlugField(max_length=40, unique=True)
    title = models.CharField(max_length=60)
    note = models.CharField(max_length=80, blank=True, help_text="Three or four words under the title.")
    prompt = models.TextField()
    negative_prompt = models.TextField(blank=True)
    picture = models.CharField(max_length=120, help_text="Static path of the sample poster.")
    loop = models.CharField(max_length=120, blank=True, help_text="Static path of the silent sample film.")
    order = models.PositiveSmallIntegerField(default=100)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ["order", "slug"]

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        """Refuse to offer a look of which no version was activated."""
        super().clean()
        if self.active and self.pk and self.versions.exists() and not self.versions.is_activated().exists():
            raise ValidationError({"active": "Make a sample film of a version first, and activate that."})


class LookVersionQuerySet(models.QuerySet["LookVersion"]):
    def is_activated(self) -> LookVersionQuerySet:
        """Versions that people got films of, now or before."""
        return self.filter(activated_at__isnull=False)

    def waiting(self) -> LookVersionQuerySet:
        """Versions whose sample film is asked for and not made."""
        return self.filter(sample_asked_at__isnull=False)


class LookVersion(models.Model):
    """A wording of a look. Written once; `Look` has a copy of the one that was activated last.

    Its sample film (`jobs.reconcile.look_samples`) is made of the sample photo by a provider that staff choose.
    """

    look = models.ForeignKey(Look, models.CASCADE, related_name="versions")
    number = models.PositiveSmallIntegerField()
    prompt = models.TextField()
    negative_prompt = models.TextField(blank=True)
    note = models.CharField(max_length=200, blank=True, help_text="What this version is to do better.")
    creator_name = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True, blank=True, help_text="When people last began to get it.")

    sample_provider = models.ForeignKey(
        "providers.ProviderConfig", models.PROTECT, null=True, blank=True, related_name="+"
    )
    sample_asked_at = models.DateTimeField(null=True, blank=True)
    sample_token = models.CharField(max_length=48, blank=True, default="", help_text="Of the attempt that makes it.")
    sample_result = models.CharField(max_length=300, blank=True, default="")
    sample_made_at = models.DateTimeField(null=True, blank=True)
    video_key = models.CharField(max_length=100, blank=True, default="")
    poster_key = models.CharField(max_length=100, blank=True, default="")

    objects = LookVersionQuerySet.as_manager()

    class Meta:
        ordering = ["look", "-number"]
        constraints = [models.UniqueConstraint(fields=["look", "number"], name="look_version_number")]

    def __str__(self) -> str:
        return f"{self.look.title}, version {self.number}"

    @property
    def has_sample(self) -> bool:
        return bool(self.video_key)

    def asked_for(self) -> dict[str, Any]:
        """Return the columns of `Look` that say what is asked for."""
        return {"prompt": self.prompt, "negative_prompt": self.negative_prompt}

"""Figures by the minute: what happened to jobs, and what happened at each provider. Written by `jobs.rollups`.

A histogram is a JSON object of counts by bucket; `jobs.rollups.histograms` says what a bucket is.
"""

from __future__ import annotations

from django.db import models

from providers.models import ProviderConfig


class JobMinute(models.Model):
    """What happened to jobs within the minute that begins at `minute`. Times are in seconds."""

    minute = models.DateTimeField(unique=True)
    written_at = models.DateTimeField()
    is_complete = models.BooleanField(default=False, help_text="Nothing is added to it any more.")
    accepted = models.PositiveIntegerField(default=0)
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    canceled = models.PositiveIntegerField(default=0)
    promised = models.PositiveIntegerField(default=0, help_text="Ended jobs whose promise counts.")
    kept = models.PositiveIntegerField(default=0, help_text="Of these, those whose film came in time.")
    first_frames = models.JSONField(default=dict, help_text="Histogram of the times to the first picture.")
    films = models.JSONField(default=dict, help_text="Histogram of the times to the film.")
    # At `written_at`; empty in a minute that was written later, when nobody could know any more.
    waiting = models.PositiveIntegerField(null=True, blank=True)
    in_flight = models.PositiveIntegerField(null=True, blank=True)
    collecting = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-minute"]

    def __str__(self) -> str:
        return f"{self.minute:%Y-%m-%d %H:%M}"


class ProviderMinute(models.Model):
    """What became of the attempts at one provider that ended within the minute. A minute without any has no row."""

    minute = models.DateTimeField()
    provider = models.ForeignKey(ProviderConfig, models.CASCADE, related_name="minutes", db_index=False)
    refused = models.PositiveIntegerField(default=0, help_text="Calls that were answered as busy (429).")
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0, help_text="By its fault, not the photo's.")
    cold = models.PositiveIntegerField(default=0, help_text="Finished films that a cold model was asked for.")
    cost = models.DecimalField(max_digits=12, decimal_places=4, default=0)
    submits = models.JSONField(default=dict, help_text="Histogram of the times until a call was answered.")
    films = models.JSONField(default=dict, help_text="Histogram of the times from the call to the finished film.")

    class Meta:
        ordering = ["-minute"]
        constraints = [models.UniqueConstraint(name="provider_minute_once", fields=["minute", "provider"])]

    def __str__(self) -> str:
        return f"{self.provider_id} {self.minute:%Y-%m-%d %H:%M}"

"""What a dispatch left in the rows."""

from django.utils import timezone

from jobs.models import Attempt
from providers.models import ProviderConfig


def newest_attempt(job):
    return Attempt.objects.filter(job=job).order_by("-number").first()


def rate_limited_for(provider):
    until = ProviderConfig.objects.get(id=provider.id).rate_limited_until
    return (until - timezone.now()).total_seconds() if until else 0

"""Hero styles."""

from __future__ import annotations

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

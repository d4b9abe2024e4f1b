"""Jobs for staff: a list with the present states, and a page with the whole history of one job."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.http import require_POST, require_safe

from jobs import messages as job_messages
from jobs import notes, snapshots, storage
from jobs.models import Attempt, Job
from providers.admin import pill

from . import actions, big_tables, bulk_links, faces, filters, ledger, parts, story

_ACTIONS_ON_ONE = (actions.PUT_FIRST, actions.PUT_BACK, actions.MOVE, actions.CANCEL, actions.RETRY)


@admin.register(Job)
class JobAdmin(big_tables.BigTableAdmin):
    list_display = (
        *("thumbnail", "short_id", "state", "look", "hero_name", "age"),  # without faces: `get_list_display`
        *("attempt_count", "newest_provider", "failure_code"),
    )
    list_display_links = ("thumbnail", "short_id")
    list_filter = (
        *("status", filters.StageFilter, "look", filters.ProviderFilter, filters.FailureFilter),
        ("created_at", admin.DateFieldListFilter),
    )
    list_select_related = ("look",)
    sortable_by = ("short_id", "age")
    search_fields = ("id",)
    search_help_text = (
        "A job's id or its beginning, an address with one, a hero name, an e-mail, a user's name, an owner (v:… or "
        "u:…), a prediction id, or the end of a share address."
    )
    actions = tuple(
        action.name
        for action in (actions.PUT_FIRST, actions.PUT_BACK, actions.MOVE, actions.CANCEL, actions.RETRY, actions.ERASE)
    )
    change_form_template = "admin/jobs/job/change_form.html"
    fieldsets = (
        (None, {"fields": ("pictures", "state", "failure", "look", "hero_name", "whose", "email", "locale")}),
        ("Times", {"fields": ("times", "deadline_at", "erase_at", "erased_at")}),
        ("In the queue", {"fields": ("lane", "priority", "turn_at", "due_at", "lane_tries", "reason", "progress")}),
        ("Files and consent", {"fields": ("photo", "film", "share", "consent", "idempotency_key")}),
    )
    readonly_fields = (
        *("pictures", "state", "failure", "whose", "times"),
        *("reason", "photo", "film", "share", "consent", "masked_email"),
    )

    # --- The list ---------------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> Any:
        names = self.list_display
        return names if faces.may_see(request) else tuple(name for name in names if name != "thumbnail")

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        return tuple(name for name in self.list_display_links if name in list_display)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown and faces.may_see(request):
            seen = [str(job.pk) for job in shown["cl"].result_list if job.poster_key or job.preview_key]
            if seen:
                faces.note(request, "faces_shown", "jobs", {"jobs": seen})
        if "cl" in shown:
            shown["bulk_links"] = bulk_links.links(request)
        return response

    def complete(self, rows: list[Any]) -> None:
        """Give each job of a page the number of its attempts and the provider of the newest."""
        attempts = (
            Attempt.objects.filter(job__in=[job.pk for job in rows]).order_by("number").select_related("provider")
        )
        of_job: dict[UUID | None, list[Attempt]] = {}
        for attempt in attempts.select_related("provider").only("job_id", "provider__title", "provider__slug"):
            of_job.setdefault(attempt.job_id, []).append(attempt)
        for job in rows:
            job.page_attempts = of_job.get(job.pk, [])

    def find(self, rows: QuerySet[Job], term: str) -> QuerySet[Job]:
        return filters.search(rows, term)

    @admin.display(description="picture")
    def thumbnail(self, job: Job) -> str:
        address = _poster_url(job, now=timezone.now())
        if not address:
            return format_html('<span class="thumbnail thumbnail-none" title="{}"></span>', "no picture yet")
        return format_html('<img class="thumbnail" src="{}" alt="poster" loading="lazy">', address)

    @admin.display(description="id", ordering="id")
    def short_id(self, job: Job) -> str:
        return format_html('<code title="{}">{}</code>', job.pk, str(job.pk)[:8])

    @admin.display(description="state", ordering="status")
    def state(self, job: Job) -> str:
        if job.is_final:
            erased = format_html(" {}", pill("erased", css="canceled")) if job.erased_at else ""
            return format_html("{}{}", pill(job.status), erased)
        share = f"{job.stage.replace('_', ' ')}, {job.progress:.0%}"
        return format_html('{} <span class="stage stage-{}">{}</span>', pill(job.status), job.stage, share)

    @admin.display(description="age", ordering="-created_at")
    def age(self, job: Job) -> str:
        return format_html('<span title="{}">{}</span>', job.created_at, parts.age(job.created_at, now=timezone.now()))

    @admin.display(description="attempts")
    def attempt_count(self, job: Any) -> int:
        return len(job.page_attempts)

    @admin.display(description="provider")
    def newest_provider(self, job: Any) -> str:
        return str(job.page_attempts[-1].provider) if job.page_attempts else "–"

    # --- One job ----------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Job | None = None) -> Any:
        if faces.may_see(request):
            return self.fieldsets
        instead = {"pictures": "", "film": "", "share": "", "email": "masked_email"}
        return [
            (title, {"fields": [name for name in (instead.get(str(name), name) for name in options["fields"]) if name]})
            for title, options in self.fieldsets
        ]

    @admin.display(description="email")
    def masked_email(self, job: Job) -> str:
        return faces.masked(job.email) or "–"

    @admin.display(description="poster")
    def pictures(self, job: Job) -> str:
        address = _poster_url(job, now=timezone.now())
        return format_html('<img class="poster" src="{}" alt="poster">', address) if address else "none yet"

    @admin.display(description="failure")
    def failure(self, job: Job) -> str:
        said = job_messages.failure(job.failure_code)
        return format_html("<code>{}</code>: {} {}", said["code"], said["message"], said["next_step"]) if said else "–"

    @admin.display(description="owner")
    def whose(self, job: Job) -> str:
        """Return the owner, with a link to all of the owner's jobs."""
        name = "a visitor"
        if job.owner.startswith("u:"):
            user = get_user_model().objects.filter(pk=job.owner.removeprefix("u:")).first()
            name = f"user {user}" if user else "a user who is no more"
        address = reverse("admin:jobs_job_changelist", query={"q": job.owner})
        return format_html('{} <a href="{}"><code>{}</code></a>', name, address, job.owner)

    @admin.display(description="times")
    def times(self, job: Job) -> str:
        first, end = job.first_frame_at, job.finished_at
        return format_html(
            "accepted {}; first picture {}; ended {}",
            parts.moment(job.created_at),
            f"after {parts.span(first - job.created_at)}" if first else "not yet",
            f"after {parts.span(end - job.created_at)}" if end else "not yet",
        )

    @admin.display(description="reason")
    def reason(self, job: Job) -> str:
        return job_messages.reason(job.reason_code, job.reason_subject, job.reason_target) or "–"

    @admin.display(description="photo")
    def photo(self, job: Job) -> str:
        if job.erased_at:
            return "erased"
        if job.clean_key:
            return f"clean copy here; {job.photo_bytes / 1000:.0f} kB came in"
        return f"as it came, {job.photo_bytes / 1000:.0f} kB, not cleaned yet" if job.raw_key else "not here (any more)"

    @admin.display(description="film")
    def film(self, job: Job) -> str:
        if not job.video_key:
            return "–"
        # By way of a page that writes down who looks.
        address = reverse("admin:jobs_job_film", args=[job.pk])
        return format_html(
            '<a href="{}">Watch the film</a> ({} s, {} kB)',
            address,
            f"{job.video_seconds or 0:.1f}",
            f"{job.video_bytes / 1000:.0f}",
        )

    @admin.display(description="shared at")
    def share(self, job: Job) -> str:
        if not job.share_slug:
            return "not shared"
        if job.taken_down_at:
            return f"taken down {parts.moment(job.taken_down_at)}"
        return format_html('<a href="{0}">{0}</a>', reverse("share", args=[job.share_slug]))

    @admin.display(description="consent")
    def consent(self, job: Job) -> str:
        text = f", text {job.consent_sha256[:12]} ({job.consent_language})" if job.consent_sha256 else ""
        age = f", {job.consent_age} or a parent" if job.consent_age else ""
        return f"version {job.consent_version}{text}{age}, {parts.moment(job.consent_at)}"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            job = Job.objects.filter(pk=UUID(object_id)).first()
        except ValueError:
            job = None
        story = self._story(request, job) if job and self.has_view_permission(request, job) else {}
        if job and story and story["sees_faces"] and (job.poster_key or job.preview_key):
            faces.note(request, "faces_shown", str(job.pk), {})
        return super().change_view(request, object_id, form_url, {**story, **(extra_context or {})})

    def _story(self, request: HttpRequest, job: Job) -> dict[str, Any]:
        """Return a job's time axis, attempts, deliveries, events and notes for the template."""
        may_act = self.has_act_permission(request)
        may = dict.fromkeys(_ACTIONS_ON_ONE, may_act)
        may[actions.ERASE] = self.has_erase_permission(request)
        return story.story_of(job, now=timezone.now(), with_all="all" in request.GET) | {
            "buttons": actions.possible_for(job, [action for action, allowed in may.items() if allowed]),
            "sees_faces": faces.may_see(request),
            "mail_address": job.email if faces.may_see(request) else faces.masked(job.email),
            "can_show_photo": self._may_show_photo(request) and bool(job.clean_key),
            "can_note": may_act or request.user.has_perm("jobs.add_staffnote"),
            "poster": _poster_url(job, now=timezone.now()) if faces.may_see(request) else "",
        }

    @method_decorator(require_POST)
    def add_note(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """Keep what somebody wrote about a job."""
        if not (self.has_act_permission(request) or request.user.has_perm("jobs.add_staffnote")):
            raise PermissionDenied
        if not Job.objects.filter(pk=job_id, erased_at=None).exists():
            raise Http404
        if notes.add(job_id, request.POST.get("text", ""), author=request.user, now=timezone.now()):
            self.message_user(request, "Noted.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job_id]))

    # --- Actions ----------------------------------------------------------------------------------

    def has_erase_permission(self, request: HttpRequest) -> bool:
        """Return whether this person may erase jobs."""
        return request.user.has_perm("jobs.delete_job")

    @admin.action(description="Put first…", permissions=["act"])
    def put_jobs_first(self, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        return actions.run(actions.PUT_FIRST, self, request, jobs)

    @admin.action(description="Put back in the queue…", permissions=["act"])
    def put_jobs_back(self, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        return actions.run(actions.PUT_BACK, self, request, jobs)

    @admin.action(description="Send to another provider…", permissions=["act"])
    def move_jobs(self, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        return actions.run(actions.MOVE, self, request, jobs)

    @admin.action(description="Cancel…", permissions=["act"])
    def cancel_jobs(self, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        return actions.run(actions.CANCEL, self, request, jobs)

    @admin.action(description="Try again…", permissions=["act"])
    def retry_jobs(self, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        return actions.run(actions.RETRY, self, request, jobs)

    @admin.action(description="Erase…", permissions=["erase"])
    def erase_jobs(self, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        return actions.run(actions.ERASE, self, request, jobs)

    # --- The photo and the film ---------------------------------------------------------------------

    def _may_show_photo(self, request: HttpRequest) -> bool:
        return self.has_act_permission(request) and faces.may_see(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.show_photo)
        film = self.admin_site.admin_view(self.show_film)
        note = self.admin_site.admin_view(self.add_note)
        own = [
            path("<uuid:job_id>/note/", note, name="jobs_job_note"),
            path("<uuid:job_id>/photo/", view, name="jobs_job_photo"),
            path("<uuid:job_id>/film/", film, name="jobs_job_film"),
            ledger.address(self),
        ]
        return [*own, *super().get_urls()]

    @method_decorator(require_safe)
    def show_film(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """Lead to a job's film, and record that in the audit log first."""
        if not (self.has_view_permission(request) and faces.may_see(request)):
            raise PermissionDenied
        job = Job.objects.select_related("look").filter(pk=job_id).exclude(video_key="").first()
        if job is None:
            raise Http404
        faces.note(request, "film_shown", str(job_id), {})
        return HttpResponseRedirect(_film_url(job, now=timezone.now()))

    @method_decorator(require_POST)
    def show_photo(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """Show a person's photo to a staff member, and record that in the audit log first.

        The picture is embedded in the page, so that it has no address that could be passed on.
        """
        if not self._may_show_photo(request):
            raise PermissionDenied
        job = Job.objects.filter(pk=job_id).first()
        if job is None:
            raise Http404
        try:
            photo = storage.read(job.clean_key) if job.clean_key else b""
        except FileNotFoundError:
            photo = b""
        if not photo:
            self.message_user(request, "The photo is not here (any more).", messages.WARNING)
            return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job_id]))
        faces.note(request, "photo_shown", str(job_id), {})
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": job,
            "title": "The photo",
            "subtitle": str(job),
            "picture": f"data:image/jpeg;base64,{base64.b64encode(photo).decode()}",
        }
        return TemplateResponse(request, "admin/jobs/job/photo.html", context)


def _film_url(job: Job, *, now: datetime) -> str:
    return storage.signed_url(job.video_key, filename=snapshots.film_name(job), now=now)


def _poster_url(job: Job, *, now: datetime) -> str:
    return storage.signed_url(job.poster_key or job.preview_key, filename="poster.jpg", now=now)

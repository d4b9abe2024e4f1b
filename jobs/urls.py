from django.urls import include, path

import jobs.intake.converters  # noqa: F401  <id:…>
from jobs.api.receipts import KeysView, VerifyView
from jobs.web import handover, media, mine, pages, sharing, site, status, verify, webhooks

from .api import docs

urlpatterns = [
    # An address is looked for from the top: first those that every hero asks for several times.
    path("webhooks/<str:provider>/<str:attempt_token>/", webhooks.webhook, name="webhook"),
    path("webhooks/<str:provider>/<str:attempt_token>", webhooks.webhook),
    path("api/v1/schema/", docs.SchemaView.as_view(), name="schema"),
    path("api/v1/", include("jobs.api.urls")),
    path("media/<int:expires>/<str:signature>/<path:key>/<str:filename>", media.media, name="media"),
    path("", pages.start, name="start"),
    path("shared/", pages.share_target, name="share_target"),
    path("wait/", pages.wait_shell, name="wait"),
    path("jobs/<id:job_id>/", pages.job, name="job"),
    path("jobs/<id:job_id>/receipt.txt", pages.receipt, name="job_receipt"),
    path("jobs/<id:job_id>/cancel/", pages.cancel, name="job_cancel"),
    path("jobs/<id:job_id>/erase/", pages.erase, name="job_erase"),
    path("jobs/<id:job_id>/link/", handover.link, name="job_link"),
    path("jobs/<id:job_id>/qr.svg", handover.qr, name="job_qr"),
    path("jobs/<id:job_id>/remix/", pages.remix, name="job_remix"),
    path("t/<str:token>/", pages.magic_link, name="magic_link"),
    path("me/", pages.heroes, name="heroes"),
    path("me/export/", mine.export, name="export"),
    path("me/erase/", mine.erase, name="erase_everything"),
    path("verify/", verify.verify, name="verify"),
    path("v/<slug:share_slug>/", sharing.share, name="share"),
    path("v/<slug:share_slug>/card.jpg", sharing.card, name="share_card"),
    path("v/<slug:share_slug>/embed/", sharing.embed, name="embed"),
    path("v/<slug:share_slug>/report/", sharing.report, name="report"),
    path("oembed", sharing.oembed, name="oembed"),
    path("v/<slug:share_slug>/film.mp4", media.shared_film, name="shared_film"),
    path("v/<slug:share_slug>/poster.jpg", media.shared_poster, name="shared_poster"),
    path("robots.txt", site.robots, name="robots"),
    path("favicon.ico", site.favicon, name="favicon"),
    path("apple-touch-icon.png", site.touch_icon, name="touch_icon"),
    path("apple-touch-icon-precomposed.png", site.touch_icon),
    path("status", status.status, name="status"),
    path("status.json", status.status_json, name="status_json"),
    path("styleguide/", pages.styleguide, name="styleguide"),
    path("privacy/", pages.privacy, name="privacy"),
    # A receipt's address is typed and mailed: it is the same with and without its last slash.
    path("receipts/verify", VerifyView.as_view(), name="verify_receipt"),
    path("receipts/verify/", VerifyView.as_view(schema=None)),
    path("receipts/keys", KeysView.as_view(), name="receipt_keys"),
    path("receipts/keys/", KeysView.as_view(schema=None)),
    path("api/docs/", docs.DocsView.as_view(), name="docs"),
]

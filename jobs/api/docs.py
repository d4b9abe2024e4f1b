"""The OpenAPI document and the page that shows it. Both are read only and work under our CSP."""

from __future__ import annotations

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

READ_ONLY = ["get", "head"]


class SchemaView(SpectacularAPIView):
    """The document."""

    http_method_names = READ_ONLY


class DocsView(SpectacularSwaggerSplitView):
    """The page; its script comes from an address of its own (`?script=`), because our CSP forbids inline ones."""

    http_method_names = READ_ONLY
    url_name = "schema"
    template_name = "docs.html"

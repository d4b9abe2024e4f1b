"""The product's addresses, and views that are slow, large or both, to see what the server makes of them."""

import hashlib
import io
import os
import threading
import time
from collections.abc import Iterator

from django.db import OperationalError
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition

from selfiehero.readiness import gateway
from selfiehero.server import protocols

BLOCK = b"\x2a" * 64 * 1024
# A test need not wait as long for a head that never comes as the product does.
protocols.HEAD_SECONDS = float(os.environ.get("SERVED_HEAD_SECONDS") or protocols.HEAD_SECONDS)
# Nor need it hold a silent socket for as long.
gateway.IDLE_SECONDS = 1.0
_streaming = 0


@csrf_exempt
def body(request: HttpRequest) -> JsonResponse:
    upload = request.FILES.get("selfie")
    data = upload.read() if upload else request.read()
    return JsonResponse(
        {
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "address": request.META["REMOTE_ADDR"],
            "path": request.path,
            "query": request.GET.dict(),
            "thread": threading.current_thread().name,
        }
    )


def slow(request: HttpRequest) -> HttpResponse:
    time.sleep(float(request.GET["seconds"]))
    return HttpResponse("done")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Blocks without end or up to ?blocks=."""
    return StreamingHttpResponse(blocks(int(request.GET.get("blocks", 10**9))))


def blocks(count: int) -> Iterator[bytes]:
    global _streaming
    _streaming += 1
    try:
        for _ in range(count):
            yield BLOCK
    finally:
        _streaming -= 1


def broken(request: HttpRequest) -> StreamingHttpResponse:
    def few() -> Iterator[bytes]:
        yield BLOCK * 8
        raise ZeroDivisionError

    return StreamingHttpResponse(few())


def streaming(request: HttpRequest) -> JsonResponse:
    names = [thread.name for thread in threading.enumerate()]
    return JsonResponse({"streaming": _streaming, "threads": sum(name.startswith("django") for name in names)})


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(io.BytesIO(BLOCK * 80), content_type="video/mp4")


def mistake(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


def no_database(request: HttpRequest) -> HttpResponse:
    raise OperationalError("the database is gone")


@condition(etag_func=lambda request: '"one"')
def unchanged(request: HttpRequest) -> HttpResponse:
    return HttpResponse("one")


urlpatterns = [
    *(
        path(f"try/{view.__name__}", view)
        for view in (body, slow, stream, broken, streaming, file, unchanged, mistake, no_database)
    ),
    path("", include("selfiehero.urls")),
]

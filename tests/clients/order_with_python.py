"""Orders a film and waits for it, with the client that openapi-python-client makes of our document.

PYTHONPATH=FOLDER_OF_THE_CLIENT python order_with_python.py ADDRESS TOKEN PHOTO
"""

import json
import sys
import time
import uuid
from io import BytesIO
from pathlib import Path

import httpx
from hero_client import AuthenticatedClient
from hero_client.api.api import create_job, list_looks, read_job
from hero_client.models import ConsentEnum, OrderRequest
from hero_client.types import File

address, token, photo = sys.argv[1:]
with AuthenticatedClient(base_url=address, token=token, prefix="Token") as client:
    look = list_looks.sync(client=client)[0].slug
    selfie = File(payload=BytesIO(Path(photo).read_bytes()), file_name="selfie.jpg", mime_type="image/jpeg")
    order = OrderRequest(selfie=selfie, look=look, consent=ConsentEnum.TRUE, hero_name="NOVA-7")
    job = create_job.sync(client=client, body=order, idempotency_key=str(uuid.uuid4()))
    end = time.monotonic() + 90
    while not job.finished_at and time.monotonic() < end:
        time.sleep(0.25)
        job = read_job.sync(job.id, client=client)
    film = httpx.get(httpx.URL(address).join(job.links.video), timeout=30).content if job.links.video else b""
    print(json.dumps({"status": job.status.value, "hero_name": job.hero_name, "film": len(film)}))

import json

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from jobs import snapshots
from jobs.api import identity


class JobConsumer(AsyncWebsocketConsumer):
    async def connect(self):
        i = self.scope["url_route"]["kwargs"]["job_id"]
        h = {k.decode().lower(): v.decode("latin1") for k, v in self.scope["headers"]}
        self.seq = 0
        await self.accept()
        await self.channel_layer.group_add(f"job.{i}", self.channel_name)
        b = await database_sync_to_async(lambda: snapshots.read(i, identity.owner_of_headers(h)))()
        if b is None:
            return await self.close(4404)
        self.seq = b["seq"]
        await self.send(text_data=json.dumps({"type": "job.snapshot", "job": b}))

    async def job_changed(self, m):
        if m["seq"] > self.seq:
            self.seq = m["seq"]
            await self.send(text_data=m["text"])

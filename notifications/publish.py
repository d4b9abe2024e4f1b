import json

import msgpack
import redis

from jobs import queues, snapshots


def on_change(sender, job_ids, **kw):
    try:
        p = queues.client().pipeline(transaction=False)
        for b in snapshots.snapshots_for(job_ids):
            m = {"type": "job.changed", "seq": b["seq"], "text": json.dumps({"type": "job.snapshot", "job": b})}
            p.execute_command("PUBLISH", f"asgi__group__job.{b['id']}", msgpack.packb(m))
        p.execute()
    except redis.RedisError:
        pass

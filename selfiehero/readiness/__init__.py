"""Whether this installation would stand the evening: each line measured, green, amber or red, with its mend.

lines     a line, and its three levels
evening   what such an evening breaks: concurrency, fallback
gateway   what stands at the public address: slow answers, uploads, sockets, webhooks, proxies
probe     where those calls arrive, and are told what came
machines  processes, versions, keys, database, Redis, indexes, the bucket's own settings, open files
stores    what things are kept in, tried: storage in time, the bucket for pages, Redis' disk, connections
people    erasures, the law, log-in, mail, alerts, Django's own checks
"""

from .lines import AMBER, GREEN, RED, Line
from .measure import measure

__all__ = ["AMBER", "GREEN", "RED", "Line", "measure"]

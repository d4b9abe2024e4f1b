"""How many connections one address may have at once."""

from __future__ import annotations

import logging
import resource
import time
from collections import Counter
from typing import Any

from django.conf import settings
from twisted.internet import reactor

from common.log_limiter import LogLimiter
from jobs.client_address import network_of

logger = logging.getLogger(__name__)

THIS_MACHINE = ("127.0.0.1", "::1")
COUNT_SECONDS, QUIET_SECONDS = 0.25, 10.0


class PeerLimit:
    """CONNECTIONS_PER_ADDRESS, for one address may be a whole mobile network's, but never more than half of `room`.

    Behind a proxy of ours every connection is the proxy's, which has limits of its own; and this machine's own programs
    are not counted. Open connections are counted anew at most four times a second.
    """

    def __init__(self, *, kept_files: int) -> None:
        self._kept_files = kept_files
        self._counted_at = float("-inf")
        self._peers: Counter[str] = Counter()
        self._log = LogLimiter(QUIET_SECONDS)

    def refuses(self, addr: Any) -> bool:
        """Count a new connection from an address (Twisted's), and tell whether it is one too many."""
        most, host = settings.CONNECTIONS_PER_ADDRESS, str(getattr(addr, "host", ""))
        if not most or settings.TRUSTED_PROXIES or host in ("", *THIS_MACHINE):
            return False
        if time.monotonic() - self._counted_at > COUNT_SECONDS:
            self._counted_at = time.monotonic()
            readers: Any = reactor
            clients = (getattr(reader, "client", None) for reader in readers.getReaders())
            self._peers = Counter(network_of(client[0]) for client in clients if isinstance(client, tuple))
        network = network_of(host)
        self._peers[network] += 1
        room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - self._kept_files
        if self._peers[network] <= min(most, room // 2):
            return False
        if self._log.may_log():
            logger.warning("connections_refused address=%s most=%s", network, most)
        return True

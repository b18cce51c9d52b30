"""The servers that a database URL names: one, or several of which one at a time takes writes."""

import socket
from collections.abc import Iterator, Mapping
from typing import Any, Final

import asyncpg
from sqlalchemy import URL

from application.shared.errors import Unavailable
from infrastructure.sql.failures import meaning

# Linux waits a quarter of an hour for a machine that has vanished; we wait ten seconds. A server
# that is only busy is safe, because its kernel answers for it.
_VIGILANCE: Final = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 1, "TCP_USER_TIMEOUT": 10_000}


def dsn_of(url: URL) -> str:
    """The URL as the driver itself knows it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


class Servers:
    def __init__(
        self, url: URL, *, settings: Mapping[str, str], patience: float, command_timeout: float
    ) -> None:
        self._dsn = dsn_of(url)
        self._places = [*_places(url)]
        self._settings = settings
        self._patience = patience
        self._command_timeout = command_timeout

    async def connect(self, **options: Any) -> asyncpg.Connection:
        """
        A connection to the first that is what the URL asks for, or StorageFailure.

        Each has its own time to answer, and the one that did is the first to be asked next time.
        """
        failure: Exception
        for place in [*self._places]:
            try:
                connection = await asyncpg.connect(
                    self._dsn,
                    **place,
                    timeout=self._patience,
                    command_timeout=self._command_timeout,
                    server_settings=self._settings,
                    **options,
                )
            except Exception as error:
                failure = meaning(error) or Unavailable("the database refused the connection")
                failure.__cause__ = error
                if not isinstance(failure, Unavailable):
                    break
            else:
                self._places.sort(key=lambda other: other != place)
                _watch(connection)
                return connection
        raise failure


def _places(url: URL) -> Iterator[dict[str, Any]]:
    """Where each server is that the URL names; {} for the only one."""
    hosts, ports = (str(url.query.get(name, "")).split(",") for name in ("host", "port"))
    if len(hosts) == 1:
        yield {}
        return
    for host, port in zip(hosts, ports, strict=True):
        yield {"host": host, "port": int(port)}


def _watch(connection: asyncpg.Connection) -> None:
    transport = connection._transport  # there is no other way to its socket
    stream = transport.get_extra_info("socket")
    if stream.family == socket.AF_UNIX:
        return
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _VIGILANCE.items():
        if option := getattr(socket, name, None):  # not every system has each
            stream.setsockopt(socket.IPPROTO_TCP, option, value)

"""Requests that no client library would send, written into the socket of the real server."""

import socket
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest

from tests.servers import running_server

PATIENCE: Final = 30.0  # seconds
JSON: Final = b"Content-Type: application/json\r\n"
HOST: Final = b"Host: shop\r\n"
POST: Final = b"POST /v1/users HTTP/1.1\r\n" + HOST + JSON
GET: Final = b"GET /v1/products HTTP/1.1\r\n"
REQUESTS: Final = {
    "no host": (GET + b"\r\n", 200),
    "two hosts": (GET + HOST + HOST + b"\r\n", 200),
    "a host that is none": (GET + b"Host: a?b=/c#[::1\r\n\r\n", 200),
    "both lengths": (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400),
    "two lengths": (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    "a negative length": (POST + b"Content-Length: -2\r\n\r\n", 400),
    "a length without end": (POST + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n", 400),
    "a huge length": (POST + b"Content-Length: 999999999999\r\n\r\n", 413),
    "no chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n", 400),
    # The parser has no limit; a proxy in front of it has.
    "a header of 200 kB": (GET + HOST + b"X: " + b"x" * 200_000 + b"\r\n\r\n", 200),
    "20000 headers": (GET + HOST + b"X: y\r\n" * 20_000 + b"\r\n", 200),
    "a path of 200 kB": (b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a header without a name": (GET + HOST + b": x\r\n\r\n", 400),
    "a folded header": (GET + HOST + b"X: y\r\n z\r\n\r\n", 400),
    "NUL in a header": (GET + HOST + b"X: a\0b\r\n\r\n", 400),
    "Latin-1 in a header": (GET + HOST + b"X-Request-Id: \xe4\r\n\r\n", 200),
    "a lone CR": (GET + HOST + b"X: a\rSet-Cookie: b\r\n\r\n", 400),
    "raw bytes in a query": (b"GET /v1/products?q=\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "raw bytes in a path": (b"GET /v1/\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a whole URL": (b"GET http://evil/v1/products HTTP/1.1\r\n" + HOST + b"\r\n", 200),
    "no path": (b"GET  HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "another protocol": (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", 400),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    "an unknown method": (b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "TRACE": (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "CONNECT": (b"CONNECT evil:443 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "an upgrade": (GET + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("raw") / "server.log"
    with running_server({}, log, "--memory") as url:
        yield url
    told = log.read_text()
    assert "unforeseen error" not in told


def status_of_answer(url: str, request: bytes) -> int:
    """What the server says to this."""
    with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), PATIENCE) as connection:
        connection.sendall(request)
        return int(connection.recv(65_536).split()[1])


@pytest.mark.parametrize("name", REQUESTS)
def test_whatever_comes_in_is_answered(served: str, name: str) -> None:
    request, status = REQUESTS[name]
    assert status_of_answer(served, request) == status
    assert httpx.get(f"{served}/livez").is_success

"""A client that costs little: HTTP/1.1 on connections that stay open, each sending in turn."""

import asyncio
import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final, Self, cast

import uvloop

PARSED_EVERY: Final = 20  # answers: the others are only looked through
MOST_COMPLAINTS: Final = 5


@dataclass(frozen=True, slots=True)
class Ask:
    """
    One request, and what its answer must be like.

    `holds`: what must be in the body, and how many times; that is looked for in every answer.
    `same` are members of the body that must have these values, `each` those of each of its `items`;
    for that some of the answers are parsed.
    """

    request: bytes
    status: int = 200
    holds: Sequence[tuple[bytes, int]] = ()
    same: Mapping[str, object] = field(default_factory=dict)
    each: Mapping[str, object] = field(default_factory=dict)
    is_keyed: bool = False  # each time it is sent with an Idempotency-Key of its own

    def wrong(self, status: int, body: bytes, *, parse: bool) -> str | None:
        """What is wrong with this answer, if anything is."""
        if status != self.status:
            return f"{status} instead of {self.status}: {body[:300]!r}"
        for part, times in self.holds:
            if body.count(part) != times:
                return f"{part!r} is not there {times} times: {body[:300]!r}"
        return self._unlike(body) if parse else None

    def _unlike(self, body: bytes) -> str | None:
        try:
            answer = json.loads(body)
            records = [(answer, self.same)]
            records += [(item, self.each) for item in answer["items"]] if self.each else []
            for record, members in records:
                for name, value in members.items():
                    if record[name] != value:
                        return f"{name} is {record[name]!r} instead of {value!r}"
        except (ValueError, KeyError, TypeError) as error:
            return f"{error!r} in {body[:300]!r}"
        return None


@dataclass(frozen=True, slots=True)
class Load:
    """So many clients that ask for `seconds`, each as soon as it has been answered."""

    port: int
    clients: int
    seconds: float
    asks: Sequence[Ask]
    name: str = ""  # in the idempotency keys, so that no two loads share one
    first: int = 0  # of the asks
    patience: float = 30.0  # seconds that an answer may take


@dataclass(slots=True)
class Answered:
    """
    What came of a load.

    `seconds` is how long the clients were busy, on average: each waits for its last answer, so no
    answer is missing, and a late one is late for one client only.
    """

    seconds: float
    answers: int = 0
    times: list[float] = field(default_factory=list)  # milliseconds of those that are measured
    complaints: list[str] = field(default_factory=list)
    cpu: float | None = None  # seconds of the server's process, where that is known

    @property
    def rate(self) -> float:
        return len(self.times) / self.seconds


def get(path: str, token: str | None = None) -> bytes:
    """A GET as it goes over the wire."""
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n".encode("ascii")


def post(path: str, body: object, token: str) -> bytes:
    """A POST of JSON as it goes over the wire."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode("ascii") + content


def keyed(request: bytes, key: str) -> bytes:
    """The same request with an Idempotency-Key."""
    line, _, rest = request.partition(b"\r\n")
    return b"%b\r\nIdempotency-Key: %b\r\n%b" % (line, key.encode("ascii"), rest)


def read_answer(received: bytearray) -> tuple[int, bytes] | None:
    """Take the first answer from what was received; None while it is not there as a whole."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(received[:end]).lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise ValueError(f"an answer of unknown length: {head[:300]!r}")
    length = int(head[at + 17 :].partition(b"\r\n")[0])
    whole = end + 4 + length
    if len(received) < whole:
        return None
    body = bytes(received[end + 4 : whole])
    del received[:whole]
    return int(head[9:12]), body


class _Client(asyncio.Protocol):
    """One connection, which asks again as soon as it has been answered."""

    _transport: asyncio.Transport
    _until = ended = 0.0

    def __init__(self, asks: Iterator[tuple[Ask, bytes]], answered: Answered) -> None:
        self._asks, self._answered = asks, answered
        self._received = bytearray()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def begin(self, until: float) -> None:
        self._until = until
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            answer = read_answer(self._received)
        except ValueError as error:
            self._complain(str(error))
            self._finish()
            return
        if answer is not None:
            self._take(*answer)

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self._complain(f"the connection was lost: {error}")
            self._finish()

    def _send(self) -> None:
        self._ask, request = next(self._asks)
        self._sent = time.perf_counter()
        self._transport.write(request)

    def _take(self, status: int, body: bytes) -> None:
        now, answered = time.perf_counter(), self._answered
        answered.times.append(1000 * (now - self._sent))
        answered.answers += 1
        parse = answered.answers % PARSED_EVERY == 1
        if complaint := self._ask.wrong(status, body, parse=parse):
            self._complain(complaint)
        if now < self._until:
            self._send()
        else:
            self._finish()

    def _complain(self, complaint: str) -> None:
        if len(self._answered.complaints) < MOST_COMPLAINTS:
            self._answered.complaints.append(complaint)

    def _finish(self) -> None:
        self.ended = time.perf_counter()
        if not self.done.done():
            self.done.set_result(None)
        self.close()


async def put(load: Load) -> Answered:
    """Let the clients loose; they begin together, once all are connected."""
    loop = asyncio.get_running_loop()
    answered = Answered(load.seconds)
    asks = _asks(load)
    clients = []
    for _ in range(load.clients):
        _, client = await loop.create_connection(
            lambda: _Client(asks, answered), "127.0.0.1", load.port
        )
        clients.append(client)
    begun = time.perf_counter()
    for client in clients:
        client.begin(begun + load.seconds)
    waiting = asyncio.gather(*(client.done for client in clients))
    try:
        await asyncio.wait_for(waiting, load.seconds + load.patience)
    except TimeoutError:
        answered.complaints.append(f"no answer within {load.patience:g} s")
        for client in clients:
            client.close()
        return answered
    answered.seconds = sum(client.ended - begun for client in clients) / len(clients)
    return answered


def _asks(load: Load) -> Iterator[tuple[Ask, bytes]]:
    for number in itertools.count(load.first):
        ask = load.asks[number % len(load.asks)]
        request = ask.request
        yield ask, keyed(request, f"{load.name}-{number}") if ask.is_keyed else request


class Loader:
    """A process of its own on these cores, which puts one load after the other."""

    def __init__(self, cores: Sequence[int]) -> None:
        self._process = ProcessPoolExecutor(1, get_context("spawn"), _stay_on, (cores,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.shutdown()

    def put(self, load: Load) -> Answered:
        return self._process.submit(_put, load).result()


def _put(load: Load) -> Answered:
    return uvloop.run(put(load))


def _stay_on(cores: Sequence[int]) -> None:
    os.sched_setaffinity(0, cores)

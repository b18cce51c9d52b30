"""Puts a service under pressure of every kind, one after the other, and sees how it bears it."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Final

import asyncpg
import httpx
from sqlalchemy import make_url

from tests.benchmarks.figures import Verdict, percentile
from tests.benchmarks.load import get, post
from tests.benchmarks.serving import OTHERS, Server, memory, ours, serving
from tests.overload.crowd import (
    Crowd,
    answer,
    buyer,
    crowding,
    silent,
    slow_beginner,
    slow_reader,
    slow_writer,
    visitor,
)
from tests.servers import NewShop

PATIENCE: Final = 60.0  # seconds
MOST_MEMORY: Final = 256.0  # MiB
MOST_OF_A_LIFE_SIGN: Final = 100.0  # milliseconds
MOST_TO_RECOVER: Final = 5.0  # seconds
PRODUCTS: Final = 100
_WELL: Final = 0.25  # seconds that an answer may take where all is well
_BETWEEN_LIFE_SIGNS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Pressure:
    """How many clients there are and for how long, and how the service is set."""

    connections: int
    seconds: float
    stalled: float
    max_requests: int
    request_timeout: float
    client_timeout: float

    @property
    def settings(self) -> dict[str, str]:
        return {
            "TRADEPOST_MAX_REQUESTS": str(self.max_requests),
            "TRADEPOST_REQUEST_TIMEOUT": str(self.request_timeout),
            "TRADEPOST_CLIENT_TIMEOUT": str(self.client_timeout),
            "TRADEPOST_LOG_FORMAT": "json",
        }


@dataclass(slots=True)
class Borne:
    """
    What was seen. Memory in MiB, all else in seconds, but life signs in milliseconds, and without
    those in which the machine was busy with others.
    """

    crowd: Crowd
    stall: Crowd
    stopping: Crowd
    memory: list[float] = field(default_factory=list)
    life: list[float] = field(default_factory=list)
    recovered: float = 0.0  # from the crowd
    revived: float = 0.0  # with the database
    unready: float = 0.0
    stopped: float = 0.0
    lost: int = 0  # orders that were answered and are not there
    unanswered: int = 0  # that are there, of those that were placed while it was stopped

    @property
    def mistakes(self) -> list[str]:
        """What may not be, however busy the machine is."""
        wrong = []
        for name, crowd, allowed in (
            ("in the crowd", self.crowd, {200, 201, 408, 503}),
            ("while the database stood still", self.stall, {503}),
            ("while it was stopped", self.stopping, {201, 503}),
        ):
            others = {*crowd.answers} - allowed
            wrong += [f"{crowd.answers[status]} answers {status} {name}" for status in others]
        if self.lost:
            wrong.append(f"{self.lost} orders that were answered are lost")
        if self.unanswered > self.stopping.answers[503]:
            wrong.append(f"{self.unanswered} orders were placed and not answered")
        return wrong

    def verdicts(self, pressure: Pressure) -> list[Verdict]:
        most = {
            "memory, MiB": (max(self.memory), MOST_MEMORY),
            "/livez, p99, ms": (percentile(self.life, 99), MOST_OF_A_LIFE_SIGN),
            "/livez, slowest, ms": (max(self.life), MOST_OF_A_LIFE_SIGN),
            "a refusal in the crowd, median, s": (median(self.crowd.seconds[503]), 0.1),
            "well after the crowd, s": (self.recovered, MOST_TO_RECOVER),
            "unready without a database, s": (self.unready, 2.5),
            "an answer without a database, slowest, s": (
                max(self.stall.seconds[503]),
                pressure.request_timeout + 1.0,
            ),
            "well with a database again, s": (self.revived, MOST_TO_RECOVER),
            "stopped, s": (self.stopped, 20.0),
        }
        return [Verdict(what, *values, at_most=True) for what, values in most.items()]


async def bear(shop: NewShop, pressure: Pressure) -> Borne:
    with ExitStack() as stack:
        environment = {**shop.environment, **pressure.settings}
        entering = serving(ours(), environment, shop.folder / "server.log")
        server = await asyncio.to_thread(stack.enter_context, entering)
        requests = await _opened(shop, server)
        crowd, stall, stopping = (Crowd(server.port, *requests) for _ in range(3))
        borne = Borne(crowd, stall, stopping)
        async with _watched(server, borne):
            each = pressure.connections // 5
            eager = pressure.connections - 4 * each
            async with crowding(
                crowd,
                *((kind, each) for kind in (silent, slow_beginner, slow_writer, slow_reader)),
                (visitor, eager // 2),
                (buyer, eager - eager // 2),
            ):
                await _lasting(pressure.seconds, lambda: crowd.has_seen(408, 503) and crowd.cut > 0)
            borne.recovered = await _recovery(crowd)
            with await _standing_still(shop):
                async with crowding(stall, (visitor, 50), (buyer, 50)):
                    borne.unready = await _until_unready(server)
                    await _lasting(pressure.stalled, lambda: stall.has_seen(503))
            borne.revived = await _recovery(stall)
        before = len(await _kept(shop))
        async with crowding(stopping, (buyer, 50)):
            await _lasting(1.0, lambda: stopping.has_seen(201))
            began = time.perf_counter()
            await asyncio.to_thread(stack.close)
            borne.stopped = time.perf_counter() - began
    kept = await _kept(shop)
    borne.lost = len({*crowd.placed, *stall.placed, *stopping.placed} - kept)
    borne.unanswered = len(kept) - before - len(stopping.placed)
    return borne


async def _lasting(seconds: float, has_happened: Callable[[], bool]) -> None:
    """So long, and longer if it takes longer to happen; nobody waits for ever."""
    await asyncio.sleep(seconds)
    async with asyncio.timeout(PATIENCE):
        while not has_happened():  # noqa: ASYNC110 (of many things none tells)
            await asyncio.sleep(0.1)


async def _opened(shop: NewShop, server: Server) -> tuple[list[bytes], list[bytes], bytes]:
    """A shop with a catalog and a customer, who reads, buys, and asks for a long list."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30.0) as http:

        async def token(name: str) -> str:
            form = {"grant_type": "password", "username": name, "password": shop.password}
            granted = await http.post("/v1/auth/token", data=form)
            return str(granted.raise_for_status().json()["access_token"])

        rows = [
            {
                "sku": f"SKU-{number}",
                "name": f"Product {number}",
                "description": "It is long. " * 200,
                "price": {"amount": "1.99", "currency": "USD"},
                "stock": 1_000_000,
            }
            for number in range(PRODUCTS)
        ]
        headers = {"Authorization": f"Bearer {await token('admin')}"}
        made = await http.post("/v1/products/bulk", json={"items": rows}, headers=headers)
        ids = [row["id"] for row in made.raise_for_status().json()["results"]]
        ada = {"username": "ada", "email": "ada@example.com", "password": shop.password}
        (await http.post("/v1/users", json=ada)).raise_for_status()
        customer = await token("ada")
    reading = [get(f"/v1/products/{id}") for id in ids]
    buying = [
        post("/v1/orders", {"items": [{"product_id": id, "quantity": 1}]}, customer) for id in ids
    ]
    return reading, buying, get("/v1/products?limit=100")


@asynccontextmanager
async def _watched(server: Server, borne: Borne) -> AsyncIterator[None]:
    """All the while its memory is measured, and somebody asks whether it lives."""
    spawn = get_context("spawn")
    here, there = spawn.Pipe()
    prober = spawn.Process(target=_probe, args=(server, there, OTHERS), daemon=True)
    prober.start()

    async def measure() -> None:
        while True:
            borne.memory.append(memory(server.process))
            await asyncio.sleep(0.1)

    measuring = asyncio.create_task(measure())
    try:
        yield
    finally:
        measuring.cancel()
        here.send(None)
        borne.life += await asyncio.to_thread(here.recv)
        await asyncio.to_thread(prober.join)


def _probe(server: Server, orders: Connection, cores: Sequence[int]) -> None:
    os.sched_setaffinity(0, cores)
    times = []
    while not orders.poll(_BETWEEN_LIFE_SIGNS):
        began, waited = time.perf_counter(), _waited(server.process) + _waited(os.getpid())
        connection = HTTPConnection("127.0.0.1", server.port, timeout=10.0)
        connection.request("GET", "/livez")
        connection.getresponse().read()
        connection.close()
        took = time.perf_counter() - began
        waited = _waited(server.process) + _waited(os.getpid()) - waited
        times.append(1000 * max(took - waited, 0.0))
    orders.send(times)


def _waited(process: int) -> float:
    """Seconds that it was ready to run, and the machine was busy with others."""
    statistics = Path(f"/proc/{process}/schedstat").read_text(encoding="ascii")
    return int(statistics.split()[1]) / 1e9


async def _recovery(crowd: Crowd) -> float:
    """Seconds until orders and reads are as quick as ever, five times in turn."""
    began = time.perf_counter()
    well_since, times = began, 0
    while times < 5 and time.perf_counter() < began + 30.0:
        if await _is_well(crowd):
            times += 1
        else:
            well_since, times = time.perf_counter(), 0
        await asyncio.sleep(0.1)
    return well_since - began if times else 30.0


async def _is_well(crowd: Crowd) -> bool:
    try:
        async with asyncio.timeout(_WELL):
            for request, wanted in ((crowd.read[0], 200), (crowd.bought[0], 201)):
                reader, writer = await asyncio.open_connection("127.0.0.1", crowd.port)
                try:
                    writer.write(request)
                    status, _, _ = await answer(reader)
                finally:
                    writer.close()
                if status != wanted:
                    return False
    except (OSError, asyncio.IncompleteReadError):  # a TimeoutError is an OSError
        return False
    return True


async def _until_unready(server: Server) -> float:
    began = time.perf_counter()
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30.0) as http:
        while (await http.get("/readyz")).status_code == 200:  # noqa: ASYNC110 (asked anew)
            await asyncio.sleep(0.1)
    return time.perf_counter() - began


async def _standing_still(shop: NewShop) -> AbstractContextManager[None]:
    """All processes of PostgreSQL stand still inside the block."""
    connection = await _connected(shop)
    try:
        (lines,) = await connection.fetchrow("SELECT pg_read_file('postmaster.pid')")
        rows = await connection.fetch(
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()
    return _stopped([int(lines.splitlines()[0]), *(row["pid"] for row in rows)])


@contextmanager
def _stopped(processes: Sequence[int]) -> Iterator[None]:
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


async def _connected(shop: NewShop) -> asyncpg.Connection:
    url = make_url(shop.environment["TRADEPOST_DATABASE_URL"]).set(drivername="postgresql")
    return await asyncpg.connect(url.render_as_string(hide_password=False))


async def _kept(shop: NewShop) -> set[str]:
    """The numbers of all orders that there are."""
    connection = await _connected(shop)
    try:
        return {row["number"] for row in await connection.fetch("SELECT number FROM orders")}
    finally:
        await connection.close()

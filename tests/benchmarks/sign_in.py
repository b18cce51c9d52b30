"""What signing in costs others, and what the time of its answer gives away."""

import argparse
import asyncio
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import httpx
from rich.console import Console
from rich.table import Table

from tests.servers import run_tradepost, running_server

ADMIN: Final = "admin"
SIGN_INS_AT_ONCE: Final = 8
MOST_SLOWER: Final = 3.0  # p99 of reading while others sign in, against p99 while nobody does
MOST_DIFFERENT: Final = 0.10  # median of an unknown user, against that of a wrong password
WARMING_UP: Final = 10  # tries


class UnexpectedAnswer(Exception):
    """The service answered with something that the measurement does not allow for."""


@dataclass(frozen=True, slots=True)
class Extent:
    slices: int  # of each kind
    seconds: float  # a slice
    tries: int  # of each kind


THOROUGH: Final = Extent(slices=5, seconds=3.0, tries=200)
QUICK: Final = Extent(slices=3, seconds=1.0, tries=50)


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured in two ways, and how the two may differ."""

    measured: Mapping[str, Sequence[float]]  # milliseconds
    result: str
    wanted: str
    is_reached: bool


@dataclass(slots=True)
class Shop:
    """The service, to which every request seems to come from another address."""

    http: httpx.AsyncClient
    password: str
    users: Sequence[str] = ()
    product: str = ""
    _addresses: Iterator[int] = field(default_factory=lambda: count(1))

    async def furnish(self, users: int) -> None:
        """Register so many users, who share one password, and make a product to look at."""
        granted = await self._token(ADMIN, self.password, expected=200)
        bearer = {"Authorization": f"Bearer {granted.json()['access_token']}"}
        names = [f"user_{number:04}" for number in range(users)]
        rows = [
            {"username": name, "email": f"{name}@example.com", "password": self.password}
            for name in names
        ]
        await self._post("/v1/users/bulk", {"items": rows}, bearer)
        price = {"amount": "9.99", "currency": "USD"}
        made = await self._post(
            "/v1/products",
            {"sku": "MUG-1", "name": "Mug", "price": price, "stock": 1},
            bearer,
        )
        self.users, self.product = names, f"/v1/products/{made['id']}"

    async def read(self) -> float:
        """Milliseconds until the product is there."""
        begun = time.perf_counter()
        answer = await self.http.get(self.product)
        taken = time.perf_counter() - begun
        _expect(answer, 200)
        return 1000 * taken

    async def sign_in(self, username: str) -> None:
        await self._token(username, self.password, expected=200)

    async def fail(self, username: str) -> float:
        """Milliseconds until a wrong password, or one of nobody, is refused."""
        begun = time.perf_counter()
        await self._token(username, "Wrong horse 9", expected=401)
        return 1000 * (time.perf_counter() - begun)

    async def _token(self, username: str, password: str, *, expected: int) -> httpx.Response:
        number = next(self._addresses)
        answer = await self.http.post(
            "/v1/auth/token",
            data={"grant_type": "password", "username": username, "password": password},
            headers={"X-Forwarded-For": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"},
        )
        return _expect(answer, expected)

    async def _post(self, path: str, body: object, headers: dict[str, str]) -> Any:
        answer = await self.http.post(path, json=body, headers=headers, timeout=120.0)
        return _expect(answer, 200, 201).json()


def _expect(answer: httpx.Response, *expected: int) -> httpx.Response:
    if answer.status_code not in expected:
        raise UnexpectedAnswer(f"{answer.request.url}: {answer.status_code} {answer.text[:500]}")
    return answer


async def measure_reading(shop: Shop, extent: Extent) -> Figure:
    """Reading a product, in turns while nobody and while many sign in."""
    quiet: list[float] = []
    busy: list[float] = []
    for _ in range(extent.slices):
        quiet += await _reading(shop, extent.seconds)
        async with _signing_in(shop):
            busy += await _reading(shop, extent.seconds)
    ratio = _percentile(busy, 99) / _percentile(quiet, 99)
    return Figure(
        {
            "reading a product while nobody signs in": quiet,
            f"reading a product while {SIGN_INS_AT_ONCE} sign in": busy,
        },
        f"p99 times {ratio:.2f}",
        f"at most {MOST_SLOWER:g}",
        ratio <= MOST_SLOWER,
    )


async def measure_failing(shop: Shop, extent: Extent) -> Figure:
    """Failing to sign in as nobody and as somebody, in turns."""
    unknown: list[float] = []
    wrong: list[float] = []
    for number, name in enumerate(shop.users[: extent.tries + WARMING_UP]):
        tries = [(unknown, f"nope_{number:04}"), (wrong, name)]
        # Each goes first as often as the other.
        for times, username in tries if number % 2 else reversed(tries):
            taken = await shop.fail(username)
            if number >= WARMING_UP:
                times.append(taken)
    difference = abs(median(unknown) - median(wrong)) / median(wrong)
    return Figure(
        {"signing in as nobody": unknown, "signing in with a wrong password": wrong},
        f"p50 differ by {difference:.1%}",
        f"less than {MOST_DIFFERENT:.0%}",
        difference < MOST_DIFFERENT,
    )


async def _reading(shop: Shop, seconds: float) -> list[float]:
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        times.append(await shop.read())
    return times


@asynccontextmanager
async def _signing_in(shop: Shop) -> AsyncIterator[None]:
    """Inside the block so many sign in at any time, none of them twice at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_sign_in_again_and_again(shop, shop.users[nth::SIGN_INS_AT_ONCE]))
            for nth in range(SIGN_INS_AT_ONCE)
        ]
        yield
        for task in tasks:
            task.cancel()


async def _sign_in_again_and_again(shop: Shop, users: Sequence[str]) -> None:
    for username in cycle(users):
        await shop.sign_in(username)


def _percentile(times: Sequence[float], nth: int) -> float:
    return quantiles(times, n=100, method="inclusive")[nth - 1]


def table_of(figures: Sequence[Figure]) -> Table:
    table = Table()
    table.add_column("")
    for column in ("tries", "p50 ms", "p99 ms"):
        table.add_column(column, justify="right")
    table.add_column("result")
    for figure in figures:
        style = "green" if figure.is_reached else "bold red"
        results = f"[{style}]{figure.result}[/{style}]", f"wanted: {figure.wanted}"
        for (what, times), result in zip(figure.measured.items(), results, strict=True):
            p50, p99 = _percentile(times, 50), _percentile(times, 99)
            table.add_row(what, f"{len(times)}", f"{p50:.1f}", f"{p99:.1f}", result)
        table.add_section()
    return table


async def _measure(url: str, password: str, extent: Extent) -> list[Figure]:
    async with httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False) as http:
        shop = Shop(http, password)
        await shop.furnish(extent.tries + WARMING_UP)
        return [await measure_failing(shop, extent), await measure_reading(shop, extent)]


@contextmanager
def _served() -> Iterator[tuple[str, str]]:
    """The real server on a new SQLite file: its URL, and the password of its administrator."""
    password = f"Aa1-{secrets.token_urlsafe(24)}"
    with tempfile.TemporaryDirectory(prefix="tradepost-sign-in-") as name:
        folder = Path(name)
        environment = {
            "TRADEPOST_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'shop.db'}",
            "TRADEPOST_SECRET_KEY": secrets.token_urlsafe(48),
            "TRADEPOST_PASSWORD": password,
            "TRADEPOST_LOG_LEVEL": "warning",
            # So that no address fails so often that it is refused without being compared.
            "TRADEPOST_TRUSTED_PROXIES": "*",
        }
        run_tradepost("db", "upgrade", environment=environment, folder=folder)
        run_tradepost(
            *("users", "create-admin", "--username", ADMIN, "--email", "admin@example.com"),
            environment=environment,
            folder=folder,
        )
        with running_server(environment, folder / "server.log") as url:
            yield url, password


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every figure is as wanted; 1: one is not."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sign_in", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less exact, in a quarter of the time")
    extent = QUICK if parser.parse_args(arguments).quick else THOROUGH
    with _served() as (url, password):
        figures = asyncio.run(_measure(url, password, extent))
    Console().print(table_of(figures))
    return 0 if all(figure.is_reached for figure in figures) else 1


if __name__ == "__main__":
    # Ended from outside it still stops the server that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())

"""A shop with a catalog, customers and orders, which our own service has made."""

import asyncio
import csv
import random
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx
from sqlalchemy import make_url

from tests.benchmarks.books import ASTRAY, COUNTED, NOTIFICATIONS, Books
from tests.benchmarks.load import Ask, Load, Loader, get, post
from tests.benchmarks.serving import Server, ours, serving
from tests.servers import run_tradepost

CUSTOMERS: Final = 32
ROWS_OF_A_FILE: Final = 100_000
ORDERED_FROM: Final = 10_000  # products: those that come first
IN_A_CATEGORY: Final = 250
WITH_A_WORD: Final = 50  # products that share a rare word
PLENTY: Final = 1_000_000  # in stock of each, and a thousand times that of the first
HOT: Final = 0  # the number of the product that everybody wants
BASKETS: Final = 500

_SYLLABLES: Final = "ba be bo da de do fa fe ka ke ko la le lo ma me mo na ne no ra re ro".split()
_WORDS: Final = (
    "white black mug cup plate bowl garden lamp red green heart hanging light holder metal sign"
    " retro spot bag lunch box set paper craft glass"
).split()


class FillingFailed(Exception):
    """The shop could not be made as the measurement needs it."""


@dataclass(slots=True)
class Shop:
    """Where everything is, and what it is called."""

    folder: Path
    url: str
    products: int
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    password: str = field(default_factory=lambda: f"Aa1-{secrets.token_urlsafe(12)}")
    customers: list[tuple[UUID, str]] = field(default_factory=list)  # with their tokens

    @property
    def environment(self) -> dict[str, str]:
        """What the service is told, as in production."""
        return {
            "TRADEPOST_DATABASE_URL": self.url,
            "TRADEPOST_SECRET_KEY": self.secret,
            "TRADEPOST_PASSWORD": self.password,
            "TRADEPOST_LOG_FORMAT": "json",
            "TRADEPOST_ACCESS_TOKEN_MINUTES": "1440",
        }

    @property
    def is_embedded(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def dsn(self) -> str:
        """For drivers that know nothing of SQLAlchemy."""
        made = make_url(self.url)
        if self.is_embedded:
            return made.database or ""
        return made.set(drivername="postgresql").render_as_string(hide_password=False)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """What the database answers to it, on a connection of its own."""
        if self.is_embedded:
            with closing(sqlite3.connect(self.dsn, timeout=60.0)) as connection:
                connection.row_factory = sqlite3.Row
                found = [dict(row) for row in connection.execute(statement)]
                connection.commit()
                return found
        return asyncio.run(self._rows(statement))

    async def _rows(self, statement: str) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return [dict(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    def number(self, statement: str) -> int:
        [row] = self.rows(statement)
        [value] = row.values()
        return int(value)

    def has_notifications(self) -> bool:
        if self.is_embedded:
            there = "SELECT count(*) FROM sqlite_master WHERE name = 'notifications'"
        else:
            there = "SELECT count(*) FROM pg_class WHERE relname = 'notifications'"
        return self.number(there) > 0

    def books(self) -> Books:
        [row] = self.rows(COUNTED)
        return Books.of(row, self.number(NOTIFICATIONS) if self.has_notifications() else None)

    def astray(self) -> int:
        """Products whose stock is not what their movements add up to."""
        return self.number(ASTRAY)

    def settle(self) -> None:
        """Statistics as they are now, and nothing left to write."""
        if self.is_embedded:
            self.rows("ANALYZE")
            self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            self.rows("VACUUM ANALYZE")
            self.rows("CHECKPOINT")

    def sku(self, number: int) -> str:
        return f"P-{number:07}"

    def word(self, number: int) -> str:
        """A word that WITH_A_WORD products have, unlike that of any other."""
        kind = number % max(1, self.products // WITH_A_WORD)
        letters = []
        for _ in range(4):
            kind, syllable = divmod(kind, len(_SYLLABLES))
            letters.append(_SYLLABLES[syllable])
        return "zu" + "".join(letters)

    def category(self, number: int) -> int:
        return number % max(1, self.products // IN_A_CATEGORY)


def fill(shop: Shop, loader: Loader, *, orders: int) -> None:
    """Everything through the service: its import, its registration, its orders."""
    folder, environment = shop.folder, shop.environment
    run_tradepost("db", "upgrade", environment=environment, folder=folder)
    for file in _files(shop):
        run_tradepost("catalog", "import", str(file), environment=environment, folder=folder)
        file.unlink()
    run_tradepost(
        *("users", "create-admin", "--username", "admin", "--email", "admin@example.com"),
        environment=environment,
        folder=folder,
    )
    shop.settle()
    with serving(ours(), environment, folder / "filling.log") as server:
        shop.customers = _customers(server, shop.password)
        if orders:
            _place(shop, server, loader, orders)
    shop.settle()


def _files(shop: Shop) -> Iterator[Path]:
    chance = random.Random(3)
    for first in range(0, shop.products, ROWS_OF_A_FILE):
        path = shop.folder / f"products-{first}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["sku", "name", "price", "stock", "description", "category", "tags"])
            for number in range(first, min(first + ROWS_OF_A_FILE, shop.products)):
                words = " ".join(chance.sample(_WORDS, 4)).title()
                price = chance.randint(1, 99_999)
                table.writerow(
                    [
                        shop.sku(number),
                        f"{words} {shop.word(number)} {number}",
                        f"{price // 100}.{price % 100:02}",
                        PLENTY * 1000 if number == HOT else PLENTY,
                        " ".join(chance.choices(_WORDS, k=15)),
                        f"Home > Sub {shop.category(number)}",
                        f"t{number % 7} u{number % 31}",
                    ]
                )
        yield path


def _customers(server: Server, password: str) -> list[tuple[UUID, str]]:
    with httpx.Client(base_url=server.url, timeout=60.0, trust_env=False) as http:

        def token(username: str) -> str:
            form = {"grant_type": "password", "username": username, "password": password}
            return str(_expected(http.post("/v1/auth/token", data=form), 200)["access_token"])

        names = [f"customer_{number:02}" for number in range(CUSTOMERS)]
        users = [
            {"username": name, "email": f"{name}@example.com", "password": password}
            for name in names
        ]
        bearer = {"Authorization": f"Bearer {token('admin')}"}
        _expected(http.post("/v1/users/bulk", json={"items": users}, headers=bearer), 200, 201)
        customers = []
        for name in names:
            granted = token(name)
            own = {"Authorization": f"Bearer {granted}"}
            me = _expected(http.get("/v1/users/me", headers=own), 200)
            customers.append((UUID(me["id"]), granted))
        return customers


def _expected(answer: httpx.Response, *statuses: int) -> Any:
    if answer.status_code not in statuses:
        raise FillingFailed(f"{answer.request.url}: {answer.status_code} {answer.text[:500]}")
    return answer.json()


def _place(shop: Shop, server: Server, loader: Loader, orders: int) -> None:
    asks, first = ordering(shop, lines=3), 0
    while (missing := orders - shop.number("SELECT count(*) FROM orders")) > 0:
        seconds = 0.2 if missing < 200 else 2.0
        load = Load(server.port, 16, seconds, asks, "past", first)
        answered = loader.put(load)
        if answered.complaints:
            raise FillingFailed(answered.complaints[0])
        first += answered.answers


def ordering(shop: Shop, *, lines: int) -> list[Ask]:
    """Orders of so many products, one of each; of one line: the product that everybody wants."""
    chance = random.Random(5)
    last = min(ORDERED_FROM, shop.products)
    asks = []
    for number in range(BASKETS):
        id, token = shop.customers[number % len(shop.customers)]
        chosen = [HOT] if lines == 1 else sorted(chance.sample(range(1, last), lines))
        items = [{"sku": shop.sku(product), "quantity": 1} for product in chosen]
        asks.append(
            Ask(
                post("/v1/orders", {"items": items}, token),
                status=201,
                holds=[
                    (b'"product_id":', lines),
                    (b'"status":"pending"', 1),
                    *((f'"sku":"{item["sku"]}"'.encode(), 1) for item in items),
                ],
                same={"customer_id": str(id), "status": "pending"},
                is_keyed=True,
            )
        )
    return asks


def reading_products(shop: Shop) -> list[Ask]:
    found = shop.rows(f"SELECT id, sku FROM products WHERE sku IN ({_some_skus(shop)})")
    return [
        Ask(
            get(f"/v1/products/{_uuid(row['id'])}"),
            holds=[(f'"id":"{_uuid(row["id"])}"'.encode(), 1), (b'"sku":', 1)],
            same={"id": str(_uuid(row["id"])), "sku": row["sku"]},
        )
        for row in found
    ]


def listing_categories(shop: Shop) -> list[Ask]:
    found = shop.rows(
        "SELECT id, slug FROM categories WHERE parent_id IS NOT NULL AND slug LIKE 'sub-%'"
    )
    chosen = random.Random(7).sample(found, min(100, len(found)))
    return [
        Ask(
            get(f"/v1/products?category={row['slug']}&limit=20"),
            holds=[(b'"sku":', 20)],
            each={"category_id": str(_uuid(row["id"])), "is_active": True},
        )
        for row in chosen
    ]


def searching(shop: Shop) -> list[Ask]:
    words = sorted({shop.word(number) for number in range(min(shop.products, 20_000))})
    chosen = random.Random(11).sample(words, min(100, len(words)))
    return [
        Ask(
            get(f"/v1/products?q={word}&limit=20"),
            holds=[(b'"sku":', 20), (f" {word} ".encode(), 20)],
            each={"is_active": True},
        )
        for word in chosen
    ]


def reading_orders(shop: Shop) -> list[Ask]:
    tokens = dict(shop.customers)
    found = shop.rows("SELECT id, number, customer_id FROM orders ORDER BY number LIMIT 500")
    return [
        Ask(
            get(f"/v1/orders/{_uuid(row['id'])}", tokens[_uuid(row["customer_id"])]),
            holds=[(f'"id":"{_uuid(row["id"])}"'.encode(), 1), (b'"product_id":', 3)],
            same={"id": str(_uuid(row["id"])), "number": row["number"]},
        )
        for row in found
    ]


def _some_skus(shop: Shop) -> str:
    chance = random.Random(13)
    numbers = chance.sample(range(shop.products), min(500, shop.products))
    return ", ".join(f"'{shop.sku(number)}'" for number in numbers)


def _uuid(id: UUID | str) -> UUID:
    return UUID(str(id))


def thirds(count: int) -> Sequence[range]:
    """The numbers of products that may be ordered, but the hot one, in three ranges."""
    marks = [1 + (count - 1) * third // 3 for third in range(4)]
    return [range(first, end) for first, end in pairwise(marks)]

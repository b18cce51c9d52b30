"""What the log says of each request, and what it never says."""

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx
import pytest
from dependency_injector import providers
from sqlalchemy import text

from infrastructure.sql.mapping import TABLES
from interfaces.logs import Lines
from interfaces.settings import LogFormat
from tests.builders import PASSWORD
from tests.http.api import (
    Api,
    Caller,
    Json,
    a_product,
    a_registration,
    an_address,
    content,
    in_memory,
    problem,
)
from tests.http.storages import MemoryStorage
from tests.http.test_access import TABLE, Row, ask, filled, operations, prepared

CANARY: Final = "canary7"
CARD: Final = "4111111111111111"
SECRET: Final = f"{CANARY} {CARD}"
STATEMENTS: Final = {"memory": 0, "sqlite": 2, "postgresql": 1}  # SQLite is asked to begin as well


@contextmanager
def listening(
    format: LogFormat = LogFormat.JSON, level: int = logging.INFO
) -> Iterator[io.StringIO]:
    """What the service writes to its log meanwhile."""
    written, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(written)
    handler.setFormatter(Lines(format))
    # Whoever sends the requests of a test is no part of the service.
    handler.addFilter(lambda record: not record.name.startswith(("httpx", "httpcore")))
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("aiosqlite").setLevel(logging.INFO)  # as it is set for the service
    try:
        yield written
    finally:
        root.setLevel(before)
        root.removeHandler(handler)


def lines(written: io.StringIO) -> list[Json]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


async def test_each_request_is_one_line(api: Api) -> None:
    product = await api.product()
    path = f"/v1/products/{product['id']}"
    with listening() as written:
        await api.nobody.get(path, headers={"X-Request-Id": "mine"})
    [line] = lines(written)
    assert line.pop("milliseconds") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "interfaces.http.access",
        "request_id": "mine",
        "actor_id": None,
        "method": "GET",
        "route": "/v1/products/{id}",
        "path": path,
        "status": 200,
        "problem": None,
        "statements": STATEMENTS[api.backend],
    }


@in_memory
async def test_a_line_says_who_asked_and_what_was_wrong(api: Api) -> None:
    with listening() as written:
        await api.customer.get("/v1/users")
        await api.nobody.get("/nowhere")
    told = ("actor_id", "route", "status", "problem")
    assert [[line[name] for name in told] for line in lines(written)] == [
        [api.customer.id, "/v1/users", 403, "forbidden"],
        [None, "", 404, "not-found"],
    ]


@in_memory
@pytest.mark.parametrize("format", LogFormat)
async def test_whatever_the_path_a_request_is_one_line(api: Api, format: LogFormat) -> None:
    with listening(format) as written:
        await api.nobody.get("/a%0D%0Arequest%0A[error]%1B[31m", headers={"X-Request-Id": "a\tb"})
    assert written.getvalue().count("\n") == 1
    assert "\r" not in written.getvalue()
    assert "\x1b[31m" not in written.getvalue()


class Mishap(Exception):
    """Something that nobody foresaw."""


@in_memory
@pytest.mark.parametrize("format", LogFormat)
async def test_what_nobody_foresaw_is_told_by_its_place_and_not_by_its_values(
    api: Api, format: LogFormat
) -> None:
    def fail() -> None:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise Mishap(f"it broke at {CARD}: {CANARY!r} and so on\n{CANARY}") from error

    with (
        listening(format) as written,
        api.container.browsing.override(providers.Callable(fail)),
    ):
        refused = await api.nobody.get("/v1/products", headers={"X-Request-Id": "mishap-1"})
    problem(refused, 500, "internal-error")
    told = written.getvalue()
    assert told.count("mishap-1") == 2  # in the line of the failure, and in that of the request
    assert "in fail" in told
    assert "Mishap: it broke at " in told
    assert "KeyError: " in told
    assert of_nobody(written)


# What is personal or secret in a body, by its operation; bodies of bulk have it in each item.
MARKED: Final[Json] = {
    "register_user": {
        "email": f"{CANARY}@example.com",
        "password": f"{PASSWORD}-{CANARY}",
        "full_name": CANARY,
    },
    "update_own_profile": {"bio": SECRET, "full_name": CANARY, "email": f"{CANARY}1@example.com"},
    "change_own_password": {"new_password": f"{PASSWORD}-{CANARY}"},
    "update_user": {"bio": SECRET, "email": f"{CANARY}2@example.com"},
    "replace_user": {"full_name": CANARY, "email": f"{CANARY}3@example.com"},
    "create_users": {"items": [a_registration(full_name=CANARY, email=f"{CANARY}4@example.com")]},
    "place_order": {
        "note": SECRET,
        "shipping_address": an_address(name=CANARY, line1=SECRET, postal_code=CANARY),
    },
    "move_order": {"reason": SECRET},
    "pay_order": {"reference": SECRET},
    "refund_order": {"reason": SECRET},
    "make_deposit": {"reference": SECRET},
    "make_transfer": {"memo": SECRET},
    "change_stock": {"reason": SECRET},
    "create_product": {"description": SECRET, "metadata": {"of": CANARY}},
    "update_product": {"description": SECRET},
    "create_products": {"items": [a_product(description=SECRET)]},
    "create_post": {"content": SECRET},
    "update_post": {"content": SECRET},
    "create_category": {"description": SECRET},
    "update_category": {"description": SECRET},
}
LISTS: Final = (
    f"/v1/users?q={CANARY}&email={CANARY}@example.com",
    f"/v1/products?q={CANARY}",
    f"/v1/posts?q={CANARY}",
    f"/v1/products?cursor={CANARY}",
    f"/v1/orders?colour={CANARY}",
)


def marked(row: Row) -> Row:
    """The row with something personal or secret wherever its operation takes that."""
    if row.operation == "import_products":
        return replace(row, file=json.dumps(a_product(description=SECRET, stock=1)).encode())
    return replace(row, body={**(row.body or {}), **MARKED[row.operation]})


# After these there is less to ask for.
LAST: Final = (
    "move_order",
    "replace_product",
    "delete_product",
    "change_own_password",
    "end_own_sessions",
    "end_own_session",
)


async def everything(api: Api) -> dict[str, list[int]]:
    """What an administrator gets who asks for each operation, with marks on all that is sent."""
    things = await prepared(api)
    places = await operations(api)
    answers: dict[str, list[int]] = {}
    for n, row in enumerate(
        sorted(TABLE, key=lambda row: row.operation in LAST and LAST.index(row.operation) + 1)
    ):
        row = marked(row) if row.operation in {*MARKED, "import_products"} else row
        sender = Keyed(api.admin.http, token=api.admin.token, key=f"{CANARY}-{n}")
        method = places[row.operation].method
        answer = await ask(sender, method, filled(row.path, things), row, things)
        answers.setdefault(row.operation, []).append(answer.status_code)
    return answers


@dataclass(frozen=True)
class Keyed(Caller):
    """Whose requests have an Idempotency-Key."""

    key: str | None = None

    async def send(self, method: str, path: str, *body: Any, **options: Any) -> httpx.Response:
        return await super().send(method, path, *body, **{**options, "key": self.key})


def of_nobody(written: io.StringIO, *secrets: str | None) -> bool:
    """Whether a log gives nothing of anybody away."""
    told = written.getvalue().lower()
    return not [secret for secret in (CANARY, CARD, *secrets) if str(secret).lower() in told]


async def test_nothing_secret_or_personal_is_in_the_log(api: Api) -> None:
    with listening(level=logging.DEBUG) as written:
        grant = await api.grant("other")
        again = content(await api.refresh(grant["refresh_token"]), 200)
        answers = await everything(api)
        await api.sign_in(f"{CANARY}@example.com", CANARY)
        await api.refresh(CANARY)
        await api.revoke(CANARY)
        for path in LISTS:
            await api.admin.get(path)
    assert [name for name in MARKED if min(answers[name]) >= 300] == []
    assert len(lines(written)) > len(TABLE)
    tokens = [each[name] for each in (grant, again) for name in ("access_token", "refresh_token")]
    assert of_nobody(written, *tokens, api.admin.token, PASSWORD)


@asynccontextmanager
async def broken(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Nothing can be stored, and what refuses it says what it was."""
    if isinstance(api.storage, MemoryStorage):

        def refuse(*_: object, **__: object) -> None:
            raise KeyError(SECRET)

        with monkeypatch.context() as patch:
            patch.setattr(api.storage.database, "apply", refuse)
            yield
        return
    # SQLite knows no trigger on what it searches.
    names = [table.name for table in TABLES if not table.name.endswith("_search")]
    if api.backend == "postgresql":
        breaking = ["ALTER TABLE {0} ADD CONSTRAINT broken CHECK (false) NOT VALID"]
        mending = ["ALTER TABLE {0} DROP CONSTRAINT IF EXISTS broken"]
    else:
        breaking = [
            f"CREATE TRIGGER broken_{event}_{{0}} BEFORE {event} ON {{0}}"
            " BEGIN SELECT RAISE(ABORT, 'broken'); END"
            for event in ("INSERT", "UPDATE")
        ]
        mending = [f"DROP TRIGGER IF EXISTS broken_{event}_{{0}}" for event in ("INSERT", "UPDATE")]
    engine = api.container.engine()
    try:
        async with engine.begin() as connection:
            for name in names:
                for statement in breaking:
                    await connection.execute(text(statement.format(name)))
        yield
    finally:
        async with engine.begin() as connection:
            for name in names:
                for statement in mending:
                    await connection.execute(text(statement.format(name)))


BROKEN: Final = {"memory": "KeyError", "sqlite": "IntegrityError", "postgresql": "23514"}


async def test_nor_is_it_when_the_database_is_broken(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = await prepared(api)
    places = await operations(api)
    async with broken(api, monkeypatch):
        with listening(level=logging.DEBUG) as written:
            for n, row in enumerate(row for row in TABLE if row.operation in MARKED):
                key = f"{CANARY}-{n}" if n % 2 else None
                sender = Keyed(api.admin.http, token=api.admin.token, key=key)
                method = places[row.operation].method
                failed = await ask(sender, method, filled(row.path, things), marked(row), things)
                problem(failed, 500, "internal-error")
    told = lines(written)
    assert BROKEN[api.backend] in str(told)
    assert len([line for line in told if line["event"] == "unforeseen error"]) > len(MARKED)
    assert of_nobody(written, api.admin.token, PASSWORD)

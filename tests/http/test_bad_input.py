"""
Whatever is wrong with a request, every operation says so in the same words, and does nothing.

What is wrong with one field alone is in test_values.py and test_strict_json.py. Here every
operation of the document is sent each mistake that it can be sent.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import pytest

from tests.http.api import (
    FORM,
    JSON,
    NDJSON,
    NOWHERE,
    Api,
    Caller,
    Json,
    Opened,
    api_of,
    place_of,
    problem,
)
from tests.http.test_access import CALLERS, TABLE, Row, filled, prepared
from tests.http.test_openapi import schema

NO_IDS: Final = (
    "abc", "1", "0", "-1", "1.0", "+1", "1_0", " 1", "99999999999999999999", "null", "undefined",
    "mine", "*", "\0", "..;", "\u200b", "a" * 5_000, NOWHERE.replace("-", ""), f"{{{NOWHERE}}}",
    f"urn:uuid:{NOWHERE}", f"{NOWHERE} ", f" {NOWHERE}", f"{NOWHERE}\n", f"{NOWHERE}.json",
    NOWHERE[:-1], NOWHERE + "0", NOWHERE[:-1] + "g", NOWHERE.replace("-", "_"), "' OR 1=1--",
    "０" * 36,
)  # fmt: skip
NO_INTEGERS: Final = (
    "-1", "3000000000", "1e3", "5.0", "+5", " 5", "5 ", "0x5", "5_0", "٥", "five", "", "\0", "5\n",
    "true", "9" * 30, "NaN",
)  # fmt: skip
NO_BOOLEANS: Final = ("1", "0", "yes", "on", "True", "TRUE", "t", "null", "", " true", "\0")
NO_WORDS: Final = (
    "id", "-id", "password_hash", "-__class__", "name;drop", "--name", "NAME", "", "-", "\0", "1",
    "name,price", "name ", "'", "%",
)  # fmt: skip
NO_MOMENTS: Final = (
    "", "0", "1e11", "1767225600", "2026-01-01", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z",
    "0000-01-01T00:00:00Z", "2026-01-01T24:00:01Z", "2026-12-31T23:59:61Z", "now", "\0",
    "2026-01-01T00:00:00 00:00", "９９９９-01-01T00:00:00Z",
)  # fmt: skip
NO_VALUES: Final = {
    "uuid": NO_IDS,
    "integer": NO_INTEGERS,
    "boolean": NO_BOOLEANS,
    "enum": NO_WORDS,
    "date-time": NO_MOMENTS,
}
NO_KEYS: Final = ("", " ", '""', "a b", "a\tb", "ä", "😀", "\x7f", "k" * 256, '"a b"', '"ä"')
NO_ETAGS: Final = ("", "3", '"3', "W/3", '"3" "4"', '"3",', 'w/"3"', "\x7f", '"a b"', "*, *")
NO_TOKENS: Final = ("Bearer", "Bearer x", "Bearer a.b.c", "Basic c3RhZmY6cGFzc3dvcmQ=", "x" * 9_000)
NO_JSON: Final = (
    b"{", b"{} {}", b"[" * 100_000, b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1, "a": 1}',
    b'{"a": 01}', b'{"a": "\xff"}', b'{"a": "\n"}', b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}", b"' '",
)  # fmt: skip
NO_OBJECTS: Final = (b"", b"null", b"[]", b"5", b'"text"', b"true")
NO_TYPES: Final = (
    "", "*/*", "text/plain", "text/json", "application/xml", "application/json; charset=latin1",
    "application/vnd.shop+json", "multipart/form-data; boundary=x",
)  # fmt: skip
# What no member of any body may be; as JSON has it, because Python would not send it.
NO_MEMBERS: Final = (
    r'"a\u0000b"', r'"\ud800"', '{"a": [{}]}', "[[]]", "1e400", "9" * 400, "-1.5e-9",
    f'"{"x" * 200_000}"',
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is sent in the place of what is right, and the refusal of it."""

    status: int
    code: str
    place: str = ""  # what is blamed, or the beginning of it
    path: str | None = None
    content: bytes | None = None
    content_type: str | None = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Shop:
    api: Api
    things: Json
    operations: Mapping[str, tuple[str, str, Json]]  # method, path and declaration, by their ids


@pytest.fixture(scope="module")
async def shop(memory: Opened) -> AsyncIterator[Shop]:
    """One for all: nothing in it ever changes."""
    api = await api_of(memory)
    paths = memory.app.openapi()["paths"]
    operations = {
        declared["operationId"]: (method.upper(), path, declared)
        for path, methods in paths.items()
        for method, declared in methods.items()
    }
    shop = Shop(api, await prepared(api), operations)
    before = await api.contents()
    yield shop
    assert await api.contents() == before


def mistakes(shop: Shop, row: Row) -> Iterator[Mistake]:
    _, template, declared = shop.operations[row.operation]
    path = filled(row.path, shop.things)
    bare = path.partition("?")[0]
    yield Mistake(404, "not-found", path=f"{bare}/x/y")
    if bare != "/":
        yield Mistake(404, "not-found", path=f"{bare}/")
    yield Mistake(422, "validation-error", "query colour", path=f"{bare}?colour=red")
    for parameter in declared.get("parameters", ()):
        name, where, kind = parameter["name"], parameter["in"], parameter["schema"]
        sort = "enum" if "enum" in kind else kind.get("format", kind.get("type"))
        values = NO_VALUES.get(sort, ())
        place = f"{where} {name}"
        for value in values if where == "query" else ():
            there = f"{bare}?{name}={quote(value, safe='')}"
            yield Mistake(422, "validation-error", place, path=there)
        if where == "query" and kind.get("type") != "array":
            there = f"{bare}?{name}=x&{name}=x"
            yield Mistake(422, "validation-error", place, path=there)
        for value in values if where == "path" else ():
            thing = bare.split("/")[template.split("/").index(f"{{{name}}}")]
            yield Mistake(404, "not-found", path=bare.replace(thing, quote(value, safe="")))
    headers = {each["name"] for each in declared.get("parameters", ()) if each["in"] == "header"}
    for name, values in (("Idempotency-Key", NO_KEYS), ("If-Match", NO_ETAGS)):
        for value in values if name in headers else ():
            yield Mistake(400, "invalid-header", f"header {name}", headers={name: value})
    for value in NO_TOKENS if "security" in declared else ():
        yield Mistake(401, "unauthenticated", headers={"Authorization": value})
    yield from mistakes_in_the_body(shop, declared, row)


def mistakes_in_the_body(shop: Shop, declared: Json, row: Row) -> Iterator[Mistake]:
    taken = declared.get("requestBody", {}).get("content", {})
    for media_type in NO_TYPES if taken else ():
        yield Mistake(415, "unsupported-media-type", content=b"x", content_type=media_type)
    if taken:
        much = {"Content-Length": "99999999999"}
        yield Mistake(413, "payload-too-large", content=b"x", headers=much)
        packed = {"Content-Encoding": "gzip"}
        yield Mistake(415, "unsupported-media-type", content=b"x", headers=packed)
    if JSON not in taken:
        return
    for content in NO_JSON:
        yield Mistake(400, "malformed-json", content=content)
    for content in NO_OBJECTS:
        yield Mistake(422, "validation-error", "", content=content)
    right = filled(row.body, shop.things)
    unknown = json.dumps(right | {"colour": 1}).encode()
    yield Mistake(422, "validation-error", "/colour", content=unknown)
    for name in schema(shop.api.app.openapi(), taken[JSON]["schema"])["properties"]:
        for value in NO_MEMBERS:
            content = json.dumps(right | {name: "$"}).replace('"$"', value).encode()
            yield Mistake(422, "validation-error", f"/{name}", content=content)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.operation}-{row.path[-12:]}")
async def test_every_mistake_is_told_and_nothing_comes_of_it(shop: Shop, row: Row) -> None:
    method, _, _ = shop.operations[row.operation]
    may = [who for who, status in zip(CALLERS, row.statuses, strict=True) if status < 400]
    caller: Caller = getattr(shop.api, may[-1])
    content, content_type = None, JSON
    if row.form is not None:
        content, content_type = row.form.encode(), FORM
    elif row.body is not None:
        content = json.dumps(filled(row.body, shop.things)).encode()
    elif row.file is not None:
        content, content_type = row.file, NDJSON
    for mistake in mistakes(shop, row):
        raw = {name: value.encode() for name, value in (mistake.headers or {}).items()}
        refused = await caller.send(
            method,
            mistake.path or filled(row.path, shop.things),
            content=content if mistake.content is None else mistake.content,
            content_type=content_type if mistake.content_type is None else mistake.content_type,
            headers=raw,
        )
        blamed = [place_of(error) for error in refused.json().get("errors", ())]
        problem(refused, mistake.status, mistake.code, *blamed)
        if mistake.place:
            assert any(place.startswith(mistake.place) for place in blamed), (mistake, blamed)

"""Becoming a customer."""

import asyncio
from collections import Counter
from typing import Final
from uuid import UUID

import pytest
from dependency_injector import providers

from domain.identity.user import UserId
from infrastructure.security import Argon2Hasher
from tests.http.api import (
    Api,
    Opened,
    a_registration,
    api_of,
    content,
    in_memory,
    problem,
)

MEMBERS: Final = {
    "id", "username", "email", "full_name", "bio", "role", "is_active", "created_at", "updated_at",
    "last_login_at", "version",
}  # fmt: skip


async def test_whoever_registers_becomes_a_customer(api: Api) -> None:
    body = a_registration(full_name="Ada Lovelace")
    registered = await api.nobody.post("/v1/users", body)
    user = content(registered, 201)
    assert set(user) == MEMBERS
    assert (user["username"], user["email"]) == (body["username"], body["email"])
    assert (user["role"], user["is_active"], user["full_name"]) == (
        "customer",
        True,
        "Ada Lovelace",
    )
    assert (user["bio"], user["last_login_at"], user["version"]) == (None, None, 1)
    assert registered.headers["Location"] == f"/v1/users/{user['id']}"
    assert registered.headers["ETag"] == '"1"'
    assert body["password"] not in registered.text


@pytest.mark.parametrize(
    ("first", "second", "field"),
    [
        ({"username": "ada"}, {"username": "ada"}, "username"),
        ({"username": "ada"}, {"username": "ADA"}, "username"),
        ({"username": "ada"}, {"username": "ａｄａ"}, "username"),
        ({"username": "adk"}, {"username": "ad\u212a"}, "username"),
        ({"email": "ada@example.com"}, {"email": "ada@example.com"}, "email"),
        ({"email": "ada@example.com"}, {"email": "Ada@EXAMPLE.com"}, "email"),
        ({"email": "straße@example.com"}, {"email": "STRASSE@example.com"}, "email"),
        ({"email": "r\u00e9mi@example.com"}, {"email": "re\u0301mi@example.com"}, "email"),
        ({"email": "ａｄａ@example.com"}, {"email": "ada@example.com"}, "email"),
    ],
)
async def test_a_name_in_another_spelling_is_the_same_name(
    api: Api, first: dict[str, str], second: dict[str, str], field: str
) -> None:
    content(await api.nobody.post("/v1/users", a_registration(**first)), 201)
    async with api.unchanged():
        refused = await api.nobody.post("/v1/users", a_registration(**second))
    assert problem(refused, 409, "duplicate")["field"] == field


async def test_an_address_is_kept_as_it_was_written_but_composed(api: Api) -> None:
    body = a_registration(email="Ze\u0301@EXAMPLE.com")
    user = content(await api.nobody.post("/v1/users", body), 201)
    assert user["email"] == "Z\u00e9@example.com"


@pytest.mark.parametrize("field", ["username", "email"])
async def test_of_twenty_who_want_one_name_one_gets_it(api: Api, field: str) -> None:
    name = {"username": "ada", "email": "ada@example.com"}[field]
    answers = await asyncio.gather(
        *(api.nobody.post("/v1/users", a_registration(**{field: name})) for _ in range(20))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    late = [answer for answer in answers if answer.status_code == 409]
    assert {problem(answer, 409, "duplicate")["field"] for answer in late} == {field}


@pytest.mark.parametrize("extra", ["role", "is_active", "id", "version", "bio"])
async def test_nobody_chooses_what_they_are(api: Api, extra: str) -> None:
    async with api.unchanged():
        refused = await api.nobody.post("/v1/users", a_registration() | {extra: "admin"})
    problem(refused, 422, "validation-error", f"/{extra}")


@in_memory
@pytest.mark.parametrize(
    "password",
    ["Aa345678", "A1" + "x" * 126, "Ünïcode-№-1", "correct horse Battery 5", "😀" * 6 + "A1"],
)
async def test_a_password_is_of_any_letters(api: Api, password: str) -> None:
    user = content(await api.nobody.post("/v1/users", a_registration(password=password)), 201)
    assert (await api.sign_in(user["username"], password)).status_code == 200


@in_memory
async def test_a_password_is_the_same_however_it_was_composed(api: Api) -> None:
    body = a_registration(password="Caf\u00e9-au-lait-1")
    user = content(await api.nobody.post("/v1/users", body), 201)
    assert (await api.sign_in(user["username"], "Cafe\u0301-au-lait-1")).status_code == 200
    assert (await api.sign_in(user["username"], "Cafe-au-lait-1")).status_code == 401


async def test_passwords_are_kept_as_argon2id(memory: Opened) -> None:
    hasher = Argon2Hasher(threads=2)
    with memory.container.hasher.override(providers.Object(hasher)):
        api = await api_of(memory)
        user = content(await api.nobody.post("/v1/users", a_registration()), 201)
        assert (await api.sign_in(user["username"])).status_code == 200
        problem(await api.sign_in(user["username"], "Wrong horse 9"), 401, "invalid-credentials")
        async with api.container.work() as work:
            hashed = (await work.users.get(UserId(UUID(user["id"])))).password_hash
    hasher.close()
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")

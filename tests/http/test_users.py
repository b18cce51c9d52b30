"""Becoming a customer, and signing in."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import jwt
import pytest
from dependency_injector import providers

from application.shared.clock import utc_now
from domain.identity.user import Role, UserId
from infrastructure.security import Argon2Hasher
from tests.builders import PASSWORD
from tests.http.api import (
    FORM,
    SECRET,
    Api,
    Caller,
    Opened,
    QuickHasher,
    a_product,
    a_registration,
    api_of,
    at,
    content,
    in_memory,
    problem,
    rows,
)

MEMBERS: Final = {
    "id", "username", "email", "full_name", "bio", "role", "is_active", "created_at", "updated_at",
    "last_login_at", "version",
}  # fmt: skip


async def ask(api: Api, **form: str) -> Any:
    """For a token."""
    return await api.nobody.post(
        "/v1/auth/token", content=urlencode(form).encode(), content_type=FORM
    )


async def sign_in(api: Api, username: str, password: str = PASSWORD) -> Any:
    return await ask(api, grant_type="password", username=username, password=password)


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


async def test_of_twenty_who_want_one_name_one_gets_it(api: Api) -> None:
    answers = await asyncio.gather(
        *(api.nobody.post("/v1/users", a_registration(username="ada")) for _ in range(20))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}


@in_memory
@pytest.mark.parametrize(
    "password",
    ["Aa345678", "A1" + "x" * 126, "Ünïcode-№-1", "correct horse Battery 5", "😀" * 6 + "A1"],
)
async def test_a_password_is_of_any_letters(api: Api, password: str) -> None:
    user = content(await api.nobody.post("/v1/users", a_registration(password=password)), 201)
    assert (await sign_in(api, user["username"], password)).status_code == 200


@in_memory
async def test_a_password_is_the_same_however_it_was_composed(api: Api) -> None:
    body = a_registration(password="Caf\u00e9-au-lait-1")
    user = content(await api.nobody.post("/v1/users", body), 201)
    assert (await sign_in(api, user["username"], "Cafe\u0301-au-lait-1")).status_code == 200
    assert (await sign_in(api, user["username"], "Cafe-au-lait-1")).status_code == 401


async def test_with_a_token_one_is_who_one_is(api: Api) -> None:
    user = content(await api.nobody.post("/v1/users", a_registration(username="ada")), 201)
    answered = await sign_in(api, "ada")
    token = content(answered, 200)
    assert (token["token_type"], token["expires_in"]) == ("bearer", 900)
    assert answered.headers["Cache-Control"] == "no-store"
    ada = Caller(api.nobody.http, user["id"], "ada", token["access_token"])
    order = await api.order(by=ada)
    assert order["customer_id"] == user["id"]


@pytest.mark.parametrize("login", ["ada", "ADA", "ada@example.com", "Ada@Example.COM"])
async def test_one_signs_in_by_name_or_address_in_any_case(api: Api, login: str) -> None:
    body = a_registration(username="ada", email="ada@example.com")
    content(await api.nobody.post("/v1/users", body), 201)
    assert (await sign_in(api, login)).status_code == 200


async def test_the_last_sign_in_is_remembered(api: Api) -> None:
    user = content(await api.nobody.post("/v1/users", a_registration()), 201)
    await sign_in(api, user["username"])
    async with api.container.work() as work:
        signed_in = (await work.users.get(UserId(UUID(user["id"])))).last_login_at
    assert signed_in is not None
    assert signed_in >= at(user["created_at"])


async def deactivate(api: Api, who: Caller) -> None:
    async with api.container.work() as work:
        user = await work.users.get(UserId(UUID(who.id)))
        user.is_active = False
        await work.commit()


async def test_unknown_wrong_and_deactivated_are_told_the_same(api: Api) -> None:
    await deactivate(api, api.other)
    refusals = []
    async with api.unchanged():
        for login, password in (
            ("nobody", PASSWORD),
            ("customer", "Wrong horse 9"),
            ("customer", PASSWORD.lower()),
            ("other", PASSWORD),
            ("other", "Wrong horse 9"),
            ("%", PASSWORD),
            ("' OR 1=1 --", "x"),
        ):
            refused = await sign_in(api, login, password)
            problem(refused, 401, "invalid-credentials")
            refusals.append(refused)
    bodies = [{**refused.json(), "request_id": ""} for refused in refusals]
    assert all(body == bodies[0] for body in bodies)
    headers = [{**refused.headers, "x-request-id": ""} for refused in refusals]
    assert all(header == headers[0] for header in headers)
    assert headers[0]["www-authenticate"] == "Bearer"


async def test_an_unknown_user_costs_a_password_check_as_well(api: Api) -> None:
    hasher = QuickHasher()
    with api.container.hasher.override(providers.Object(hasher)):
        await sign_in(api, "nobody")
    assert hasher.asked == [None]


async def test_the_token_of_a_deactivated_user_stops_working_at_once(api: Api) -> None:
    assert rows(await api.other.get("/v1/orders")) == []
    await deactivate(api, api.other)
    problem(await api.other.get("/v1/orders"), 401, "unauthenticated")


async def test_a_role_that_was_taken_away_is_gone_at_once(api: Api) -> None:
    content(await api.staff.post("/v1/products", a_product()), 201)
    async with api.container.work() as work:
        user = await work.users.get(UserId(UUID(api.staff.id)))
        user.promote(Role.CUSTOMER, at=utc_now())
        await work.commit()
    problem(await api.staff.post("/v1/products", a_product()), 403, "forbidden")


@pytest.mark.parametrize("username", ["a\0b", "\0", "a\x01b", "a\x7fb", "a\x85b"])
async def test_a_control_character_in_a_name_is_refused_and_not_looked_up(
    api: Api, username: str
) -> None:
    async with api.unchanged():
        refused = await sign_in(api, username)
    problem(refused, 422, "validation-error", "/username")


@in_memory
async def test_and_so_it_is_in_a_password(api: Api) -> None:
    problem(await sign_in(api, "customer", "a\0b"), 422, "validation-error", "/password")


@in_memory
@pytest.mark.parametrize(
    ("form", "pointers"),
    [
        ("", ["/grant_type", "/username", "/password"]),
        ("grant_type=password&username=customer", ["/password"]),
        ("grant_type=client_credentials&username=a&password=b", ["/grant_type"]),
        ("grant_type=&username=a&password=b", ["/grant_type"]),
        ("grant_type=password&username=a&password=b&role=admin", ["/role"]),
        ("grant_type=password&username=" + "a" * 255 + "&password=b", ["/username"]),
        ("grant_type=password&username=a&password=" + "b" * 129, ["/password"]),
        ("username=a;password=b", None),
    ],
)
async def test_a_form_that_is_not_as_it_should_be_is_refused(
    api: Api, form: str, pointers: list[str] | None
) -> None:
    async with api.unchanged():
        refused = await api.nobody.post("/v1/auth/token", content=form.encode(), content_type=FORM)
    blamed = pointers or [error["pointer"] for error in refused.json()["errors"]]
    problem(refused, 422, "validation-error", *blamed)


@in_memory
@pytest.mark.parametrize(
    "form", [b"username=%ff%fe&grant_type=password&password=%zz", b"\xff\xfe=\x80"]
)
async def test_bytes_that_are_no_text_do_no_harm(api: Api, form: bytes) -> None:
    async with api.unchanged():
        refused = await api.nobody.post("/v1/auth/token", content=form, content_type=FORM)
    assert refused.status_code in (400, 401, 422), refused.text


@in_memory
async def test_thousands_of_form_fields_do_no_harm(api: Api) -> None:
    form = "&".join(f"f{n}=x" for n in range(20_000)).encode()
    refused = await api.nobody.post("/v1/auth/token", content=form, content_type=FORM)
    assert refused.status_code in (400, 422)
    assert len(refused.content) < 20_000


async def test_a_token_expires(api: Api) -> None:
    expired = _token(api, {"exp": utc_now() - timedelta(seconds=1)})
    problem(await api.nobody.get("/v1/orders", headers=expired), 401, "unauthenticated")


def _token(
    api: Api,
    claims: dict[str, Any],
    *,
    key: str | None = None,
    algorithm: str = "HS256",
    typ: str = "at+jwt",
) -> dict[str, str]:
    """The header of the staff's own token, but with these claims; a claim of None is left out."""
    own = {
        "iss": "tradepost",
        "aud": "tradepost",
        "sub": api.staff.id,
        "iat": utc_now(),
        "exp": utc_now() + timedelta(minutes=5),
        "jti": "1",
    }
    merged = {name: value for name, value in {**own, **claims}.items() if value is not None}
    secret = api.container.settings().secret if key is None else key
    token = jwt.encode(merged, secret, algorithm=algorithm, headers={"typ": typ})
    return {"Authorization": f"Bearer {token}"}


@in_memory
async def test_a_token_of_our_making_is_taken(api: Api) -> None:
    assert rows(await api.nobody.get("/v1/orders", headers=_token(api, {}))) == []


HOUR: Final = timedelta(hours=1)
FORGED: Final[dict[str, Any]] = {
    "no expiry": {"claims": {"exp": None}},
    "no subject": {"claims": {"sub": None}},
    "no issuer": {"claims": {"iss": None}},
    "no audience": {"claims": {"aud": None}},
    "no time": {"claims": {"iat": None}},
    "another issuer": {"claims": {"iss": "evil"}},
    "another audience": {"claims": {"aud": "evil"}},
    "from the future": {"claims": {"iat": utc_now() + HOUR}},
    "not yet valid": {"claims": {"nbf": utc_now() + HOUR}},
    "a subject that is no id": {"claims": {"sub": "staff"}},
    "a subject that is nobody": {"claims": {"sub": "01a19467-e800-7000-8000-00000000dead"}},
    "another key": {"claims": {}, "key": SECRET.upper()},
    "no signature": {"claims": {}, "key": "", "algorithm": "none"},
    "another algorithm": {"claims": {}, "algorithm": "HS512"},
    "another kind of token": {"claims": {}, "typ": "rt+jwt"},
    "a plain kind of token": {"claims": {}, "typ": "JWT"},
}


@in_memory
@pytest.mark.parametrize("forgery", FORGED.values(), ids=FORGED)
@pytest.mark.filterwarnings("ignore:The HMAC key is:jwt.warnings.InsecureKeyLengthWarning")
async def test_a_forged_token_is_none(api: Api, forgery: dict[str, Any]) -> None:
    refused = await api.nobody.get("/v1/orders", headers=_token(api, **forgery))
    problem(refused, 401, "unauthenticated")
    assert refused.headers["WWW-Authenticate"] == "Bearer"


async def test_passwords_are_kept_as_argon2id(memory: Opened) -> None:
    hasher = Argon2Hasher(threads=2)
    with memory.container.hasher.override(providers.Object(hasher)):
        api = await api_of(memory)
        user = content(await api.nobody.post("/v1/users", a_registration()), 201)
        assert (await sign_in(api, user["username"])).status_code == 200
        problem(await sign_in(api, user["username"], "Wrong horse 9"), 401, "invalid-credentials")
        async with api.container.work() as work:
            hashed = (await work.users.get(UserId(UUID(user["id"])))).password_hash
    hasher.close()
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")

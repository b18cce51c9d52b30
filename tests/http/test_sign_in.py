"""From a password to tokens, from a token to the next, and out again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import httpx
import jwt
import pytest
from dependency_injector import providers

from application.shared.clock import utc_now
from domain.identity.user import Role, UserId
from tests.builders import PASSWORD, Ticking
from tests.http.api import (
    ATTEMPTS,
    FORM,
    NOWHERE,
    SECRET,
    Api,
    Caller,
    Json,
    QuickHasher,
    a_product,
    api_of,
    at,
    content,
    in_memory,
    opened_memory,
    problem,
    rows,
)

TOKEN: Final = "/v1/auth/token"
REVOKE: Final = "/v1/auth/revoke"
ME: Final = "/v1/users/me"
WRONG: Final = "Wrong horse 9"
HOUR: Final = timedelta(hours=1)
SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Timed:
    """A service whose time passes when it is told to."""

    api: Api
    clock: Ticking

    def later(self, by: timedelta) -> None:
        self.clock.now += by


@pytest.fixture
async def timed() -> AsyncIterator[Timed]:
    clock = Ticking(utc_now(), step=timedelta())
    async with opened_memory() as opened:
        with opened.container.clock.override(providers.Object(clock)):
            yield Timed(await api_of(opened), clock)


def is_over(answer: httpx.Response) -> bool:
    """Whether the caller's token counts no more; else they are let in."""
    if answer.status_code == 200:
        return False
    problem(answer, 401, "unauthenticated")
    return True


async def test_with_a_token_one_is_who_one_is(api: Api) -> None:
    user = await api.user(username="ada")
    answered = await api.sign_in("ada")
    token = content(answered, 200)
    assert set(token) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (token["token_type"], token["expires_in"]) == ("bearer", 900)
    assert answered.headers["Cache-Control"] == "no-store"
    assert content(await api.holder(token).get(ME), 200)["id"] == user["id"]
    assert (await api.order(by=api.holder(token)))["customer_id"] == user["id"]


@pytest.mark.parametrize("login", ["ada", "ADA", "ａｄａ", "ada@example.com", "Ada@Example.COM"])
async def test_one_signs_in_by_name_or_address_in_any_case(api: Api, login: str) -> None:
    user = await api.user(username="ada", email="ada@example.com")
    ada = await api.signed_in(login)
    assert content(await ada.get(ME), 200)["id"] == user["id"]


async def test_the_last_sign_in_is_remembered(api: Api) -> None:
    user = await api.user()
    ada = await api.signed_in(user["username"])
    found = content(await ada.get(ME), 200)
    assert at(found["last_login_at"]) >= at(user["created_at"])


async def test_what_cannot_be_used_to_sign_in_is_told_the_same(api: Api) -> None:
    used = (await api.grant("customer"))["refresh_token"]
    content(await api.refresh(used), 200)
    ended = (await api.grant("customer"))["refresh_token"]
    await api.revoke(ended)
    deactivated = (await api.grant("other"))["refresh_token"]
    content(await api.staff.post(f"/v1/users/{api.other.id}/deactivate"), 200)
    refusals = []
    for login, password in (
        ("nobody", PASSWORD),
        ("customer", WRONG),
        ("customer", PASSWORD.lower()),
        ("other", PASSWORD),
        ("other", WRONG),
        ("%", PASSWORD),
        ("' OR 1=1 --", "x"),
    ):
        async with api.unchanged(but=ATTEMPTS):
            refusals.append(await api.sign_in(login, password))
    unknown = f"{UUID(NOWHERE).hex}.{used.partition('.')[2]}"
    refusals += [
        await api.refresh(token) for token in (used, ended, deactivated, unknown, "x", ".", "x.y")
    ]
    for refused in refusals:
        problem(refused, 401, "invalid-credentials")
    bodies = [{**refused.json(), "request_id": ""} for refused in refusals]
    assert all(body == bodies[0] for body in bodies)
    headers = [{**refused.headers, "x-request-id": ""} for refused in refusals]
    assert all(header == headers[0] for header in headers)
    assert headers[0]["www-authenticate"] == "Bearer"


async def test_an_unknown_user_costs_a_password_check_as_well(api: Api) -> None:
    hasher = QuickHasher()
    with api.container.hasher.override(providers.Object(hasher)):
        await api.sign_in("nobody")
    assert hasher.asked == [None]


async def test_a_refresh_token_leads_to_the_next_and_that_to_the_next(api: Api) -> None:
    grant = await api.grant("customer")
    seen = {grant["refresh_token"]}
    for _ in range(20):
        answered = await api.refresh(grant["refresh_token"])
        grant = content(answered, 200)
        assert answered.headers["Cache-Control"] == "no-store"
        assert grant["refresh_token"] not in seen
        seen.add(grant["refresh_token"])
        assert content(await api.holder(grant).get(ME), 200)["id"] == api.customer.id
    [current] = [session for session in await sessions(api.holder(grant)) if session["current"]]
    assert at(current["last_used_at"]) > at(current["created_at"])


async def sessions(who: Caller) -> list[Json]:
    found: list[Json] = content(await who.get(f"{ME}/sessions"), 200)["items"]
    return found


async def test_a_refresh_token_that_is_used_twice_ends_its_whole_family(api: Api) -> None:
    first = await api.grant("customer")
    second = content(await api.refresh(first["refresh_token"]), 200)
    elsewhere = await api.grant("customer")
    assert not is_over(await api.holder(second).get(ME))
    problem(await api.refresh(first["refresh_token"]), 401, "invalid-credentials")
    problem(await api.refresh(second["refresh_token"]), 401, "invalid-credentials")
    for grant in (first, second):
        assert is_over(await api.holder(grant).get(ME))
    assert not is_over(await api.holder(elsewhere).get(ME))
    content(await api.refresh(elsewhere["refresh_token"]), 200)


async def test_of_twenty_who_use_one_refresh_token_one_gets_the_next(api: Api) -> None:
    grant = await api.grant("customer")
    answers = await asyncio.gather(*(api.refresh(grant["refresh_token"]) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 19}
    [taken] = [answer.json() for answer in answers if answer.status_code == 200]
    problem(await api.refresh(taken["refresh_token"]), 401, "invalid-credentials")
    assert is_over(await api.holder(taken).get(ME))


async def test_an_access_token_expires_and_a_refresh_token_later(timed: Timed) -> None:
    api = timed.api
    grant = await api.grant("customer")
    timed.later(timedelta(seconds=899))
    assert not is_over(await api.holder(grant).get(ME))
    timed.later(SECOND)
    assert is_over(await api.holder(grant).get(ME))
    timed.later(timedelta(days=29))
    grant = content(await api.refresh(grant["refresh_token"]), 200)
    assert not is_over(await api.holder(grant).get(ME))
    timed.later(timedelta(days=30))
    problem(await api.refresh(grant["refresh_token"]), 401, "invalid-credentials")


@pytest.mark.parametrize("which", ["refresh_token", "access_token"])
async def test_either_token_ends_its_session_and_no_other(api: Api, which: str) -> None:
    grant, elsewhere = await api.grant("customer"), await api.grant("customer")
    revoked = await api.revoke(grant[which])
    assert (revoked.status_code, revoked.content) == (204, b"")
    assert is_over(await api.holder(grant).get(ME))
    problem(await api.refresh(grant["refresh_token"]), 401, "invalid-credentials")
    assert not is_over(await api.holder(elsewhere).get(ME))
    async with api.unchanged():
        assert (await api.revoke(grant[which])).status_code == 204


async def test_a_token_of_none_ends_nothing(api: Api) -> None:
    grant = await api.grant("customer")
    id, _, secret = grant["refresh_token"].partition(".")
    async with api.unchanged():
        for token in (
            "x", ".", id, f"{id}.", f"{id}.{secret[:-1]}", f"{UUID(NOWHERE).hex}.{secret}",
            grant["access_token"][:-1], "a.b.c", "' OR 1=1 --", "é", "a\0b", "x" * 5_000,
        ):  # fmt: skip
            revoked = await api.revoke(token)
            assert (revoked.status_code, revoked.content) == (204, b""), token
    assert not is_over(await api.holder(grant).get(ME))


async def test_a_hint_or_a_client_that_names_itself_does_no_harm(api: Api) -> None:
    grant = await api.grant("customer")
    form = {"token": grant["access_token"], "token_type_hint": "refresh_token", "client_id": "app"}
    assert (await api.form(REVOKE, form)).status_code == 204
    assert is_over(await api.holder(grant).get(ME))


async def test_after_five_failures_each_further_one_costs_twice_the_time(timed: Timed) -> None:
    api = timed.api
    for _ in range(4):
        problem(await api.sign_in("customer", WRONG), 401, "invalid-credentials")
    for delay in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
        problem(await api.sign_in("customer", WRONG), 401, "invalid-credentials")
        for login in ("customer", "CUSTOMER"):
            refused = await api.sign_in(login)  # the right password makes no difference
            assert problem(refused, 429, "too-many-attempts")["retry_after"] == delay
            assert refused.headers["Retry-After"] == str(delay)
        timed.later(timedelta(seconds=delay) - timedelta(microseconds=1))
        assert (await api.sign_in("customer")).headers["Retry-After"] == "1"
        timed.later(timedelta(microseconds=1))
    content(await api.sign_in("customer"), 200)
    problem(await api.sign_in("customer", WRONG), 401, "invalid-credentials")
    content(await api.sign_in("customer"), 200)


async def test_somebody_elses_failures_are_not_mine(timed: Timed) -> None:
    for _ in range(5):
        problem(await timed.api.sign_in("other", WRONG), 401, "invalid-credentials")
    problem(await timed.api.sign_in("other"), 429, "too-many-attempts")
    content(await timed.api.sign_in("customer"), 200)


async def test_an_unknown_name_is_throttled_like_a_known_one(timed: Timed) -> None:
    answers = [
        [(await timed.api.sign_in(login, WRONG)).status_code for _ in range(7)]
        for login in ("customer", "unknown")
    ]
    assert answers == [[401] * 5 + [429] * 2] * 2


async def test_an_hour_without_failure_forgets_them_all(timed: Timed) -> None:
    for _ in range(5):
        await timed.api.sign_in("customer", WRONG)
    timed.later(HOUR)
    for _ in range(5):
        problem(await timed.api.sign_in("customer", WRONG), 401, "invalid-credentials")
    problem(await timed.api.sign_in("customer", WRONG), 429, "too-many-attempts")


async def test_one_address_has_a_hundred_failures_over_all_names(timed: Timed) -> None:
    api = timed.api
    for n in range(100):
        problem(await api.sign_in(f"name_{n}", WRONG), 401, "invalid-credentials")
    refused = await api.sign_in("customer")
    problem(refused, 429, "too-many-attempts")
    assert refused.headers["Retry-After"] == "1"
    timed.later(SECOND)
    problem(await api.sign_in("name_100", WRONG), 401, "invalid-credentials")
    assert (await api.sign_in("customer")).headers["Retry-After"] == "2"
    timed.later(2 * SECOND)
    content(await api.sign_in("customer"), 200)


async def test_to_guess_all_at_once_is_no_way_around_the_count(api: Api) -> None:
    answers = await asyncio.gather(*(api.sign_in("customer", f"Guess-{n}") for n in range(20)))
    found = Counter(answer.status_code for answer in answers)
    assert found == {401: 5, 429: 15}


async def test_the_token_of_a_deactivated_user_stops_working_at_once(api: Api) -> None:
    assert rows(await api.other.get("/v1/orders")) == []
    content(await api.staff.post(f"/v1/users/{api.other.id}/deactivate"), 200)
    assert is_over(await api.other.get("/v1/orders"))


async def test_a_role_that_was_taken_away_is_gone_at_once(api: Api) -> None:
    content(await api.staff.post("/v1/products", a_product()), 201)
    await api.change(api.staff, lambda user: user.promote(Role.CUSTOMER, at=utc_now()))
    problem(await api.staff.post("/v1/products", a_product()), 403, "forbidden")


@pytest.mark.parametrize("username", ["a\0b", "\0", "a\x01b", "a\x7fb", "a\x85b"])
async def test_a_control_character_in_a_name_is_refused_and_not_looked_up(
    api: Api, username: str
) -> None:
    async with api.unchanged():
        refused = await api.sign_in(username)
    problem(refused, 422, "validation-error", "/username")


@in_memory
async def test_and_so_it_is_in_a_password_and_a_token(api: Api) -> None:
    problem(await api.sign_in("customer", "a\0b"), 422, "validation-error", "/password")
    problem(await api.refresh("a\0b"), 422, "validation-error", "/refresh_token")


@in_memory
@pytest.mark.parametrize(
    ("form", "pointers"),
    [
        ("", ["/grant_type"]),
        ("username=customer&password=b", ["/grant_type"]),
        ("grant_type=password", [""]),
        ("grant_type=password&username=customer", [""]),
        ("grant_type=password&password=b", [""]),
        ("grant_type=refresh_token", [""]),
        ("grant_type=refresh_token&username=a&password=b", [""]),
        ("grant_type=client_credentials&username=a&password=b", ["/grant_type"]),
        ("grant_type=&username=a&password=b", ["/grant_type"]),
        ("grant_type=password&username=a&password=b&role=admin", ["/role"]),
        ("grant_type=refresh_token&refresh_token=a&colour=red", ["/colour"]),
        ("grant_type=password&username=" + "a" * 255 + "&password=b", ["/username"]),
        ("grant_type=password&username=a&password=" + "b" * 129, ["/password"]),
        ("grant_type=refresh_token&refresh_token=" + "b" * 201, ["/refresh_token"]),
        ("username=a;password=b", None),
    ],
)
async def test_a_form_that_is_not_as_it_should_be_is_refused(
    api: Api, form: str, pointers: list[str] | None
) -> None:
    async with api.unchanged():
        refused = await api.nobody.post(TOKEN, content=form.encode(), content_type=FORM)
    blamed = (
        [error["pointer"] for error in refused.json()["errors"]] if pointers is None else pointers
    )
    problem(refused, 422, "validation-error", *blamed)


@in_memory
@pytest.mark.parametrize("form", ["", "colour=red", "token=a&colour=red"])
async def test_and_so_is_one_that_revokes(api: Api, form: str) -> None:
    refused = await api.nobody.post(REVOKE, content=form.encode(), content_type=FORM)
    assert refused.json()["code"] == "validation-error"
    assert refused.status_code == 422


@in_memory
@pytest.mark.parametrize("path", [TOKEN, REVOKE])
async def test_a_form_is_no_json(api: Api, path: str) -> None:
    async with api.unchanged():
        refused = await api.nobody.post(path, {"grant_type": "password", "token": "x"})
    problem(refused, 415, "unsupported-media-type")


@in_memory
@pytest.mark.parametrize(
    "form", [b"username=%ff%fe&grant_type=password&password=%zz", b"\xff\xfe=\x80"]
)
async def test_bytes_that_are_no_text_do_no_harm(api: Api, form: bytes) -> None:
    async with api.unchanged(but=ATTEMPTS):
        refused = await api.nobody.post(TOKEN, content=form, content_type=FORM)
    assert refused.status_code in (400, 401, 422), refused.text


@in_memory
async def test_thousands_of_form_fields_do_no_harm(api: Api) -> None:
    form = "&".join(f"f{n}=x" for n in range(20_000)).encode()
    refused = await api.nobody.post(TOKEN, content=form, content_type=FORM)
    assert refused.status_code in (400, 422)
    assert len(refused.content) < 20_000


def _token(
    api: Api,
    claims: dict[str, Any],
    *,
    key: str | None = None,
    algorithm: str = "HS256",
    typ: str = "at+jwt",
) -> Caller:
    """Whoever has the staff's own token, but with these claims; a claim of None is left out."""
    issued = jwt.decode(api.staff.token or "", options={"verify_signature": False})
    merged = {name: value for name, value in {**issued, **claims}.items() if value is not None}
    secret = api.container.settings().secrets[0] if key is None else key
    token = jwt.encode(merged, secret, algorithm=algorithm, headers={"typ": typ})
    return Caller(api.nobody.http, token=token)


@in_memory
async def test_a_token_of_our_making_is_taken(api: Api) -> None:
    assert rows(await _token(api, {"jti": "1"}).get("/v1/orders")) == []


FORGED: Final[dict[str, Any]] = {
    "expired": {"claims": {"exp": utc_now() - SECOND}},
    "no expiry": {"claims": {"exp": None}},
    "no subject": {"claims": {"sub": None}},
    "no session": {"claims": {"sid": None}},
    "no issuer": {"claims": {"iss": None}},
    "no audience": {"claims": {"aud": None}},
    "no time": {"claims": {"iat": None}},
    "no name": {"claims": {"jti": None}},
    "another issuer": {"claims": {"iss": "evil"}},
    "another audience": {"claims": {"aud": "evil"}},
    "from the future": {"claims": {"iat": utc_now() + HOUR}},
    "not yet valid": {"claims": {"nbf": utc_now() + HOUR}},
    "a subject that is no id": {"claims": {"sub": "staff"}},
    "a subject that is nobody": {"claims": {"sub": NOWHERE}},
    "a session that is no id": {"claims": {"sid": "x"}},
    "a session that is none": {"claims": {"sid": NOWHERE}},
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
    refused = await _token(api, **forgery).get("/v1/orders")
    assert is_over(refused)
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    plain = await api.nobody.get("/v1/orders")
    assert {**refused.json(), "request_id": ""} == {**plain.json(), "request_id": ""}


@in_memory
async def test_the_session_of_one_is_no_proof_for_another(api: Api) -> None:
    assert is_over(await _token(api, {"sub": api.admin.id}).get("/v1/orders"))


async def test_a_password_by_older_parameters_is_hashed_again(api: Api) -> None:
    class Stricter(QuickHasher):
        async def hash(self, password: str) -> str:
            return f"new:{password}"

        async def verify(self, password: str, hash: str | None) -> bool:
            return hash in (f"plain:{password}", f"new:{password}")

        def is_outdated(self, hash: str) -> bool:
            return hash.startswith("plain:")

    with api.container.hasher.override(providers.Object(Stricter())):
        for _ in range(2):
            await api.grant("customer")
    async with api.container.work() as work:
        user = await work.users.get(UserId(UUID(api.customer.id)))
    assert user.password_hash == f"new:{PASSWORD}"

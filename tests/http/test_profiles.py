"""What users do with themselves: their profile, their password, where they are signed in."""

from typing import Any, Final

import httpx
import pytest

from tests.builders import PASSWORD
from tests.http.api import (
    ATTEMPTS,
    NOWHERE,
    Api,
    Caller,
    Json,
    at,
    content,
    in_memory,
    is_uuid7,
    problem,
)

ME: Final = "/v1/users/me"
SESSIONS: Final = f"{ME}/sessions"
PASSWORD_OF: Final = f"{ME}/password"
ANOTHER: Final = "Another horse 9"


async def ada(api: Api, **profile: Any) -> Caller:
    """Somebody with this profile, signed in."""
    user = await api.user(**{"username": "ada", "email": "ada@example.com", **profile})
    return await api.signed_in(user["username"])


async def me(who: Caller) -> Json:
    return content(await who.get(ME), 200)


async def change_password(
    who: Caller, old: str = PASSWORD, new: str = ANOTHER, **options: Any
) -> httpx.Response:
    return await who.post(PASSWORD_OF, {"old_password": old, "new_password": new}, **options)


async def sessions(who: Caller) -> list[Json]:
    found: list[Json] = content(await who.get(SESSIONS), 200)["items"]
    return found


def is_over(answer: httpx.Response) -> bool:
    if answer.status_code == 200:
        return False
    problem(answer, 401, "unauthenticated")
    return True


async def test_what_is_absent_from_a_patch_stays_and_null_clears(api: Api) -> None:
    caller = await ada(api, full_name="Ada Lovelace")
    before = await me(caller)
    changed = await caller.patch(ME, {"bio": "Counts.\nReckons."})
    user = content(changed, 200)
    assert at(user["updated_at"]) > at(before["updated_at"])
    assert user == before | {
        "bio": "Counts.\nReckons.",
        "version": before["version"] + 1,
        "updated_at": user["updated_at"],
    }
    assert changed.headers["ETag"] == f'"{user["version"]}"'
    cleared = content(
        await caller.patch(
            ME,
            {"full_name": None, "bio": None, "username": "countess", "email": "a@Example.ORG"},
            content_type="application/merge-patch+json",
        ),
        200,
    )
    assert (cleared["full_name"], cleared["bio"]) == (None, None)
    assert (cleared["username"], cleared["email"]) == ("countess", "a@example.org")
    assert cleared == await me(caller)
    for login in ("countess", "A@example.org"):
        assert content(await api.sign_in(login), 200)["token_type"] == "bearer"
    assert (await api.sign_in("ada")).status_code == 401


async def test_a_patch_that_changes_nothing_makes_no_new_version(api: Api) -> None:
    caller = await ada(api, full_name="Ada Lovelace")
    before = await me(caller)
    async with api.unchanged():
        for patch in ({}, {"full_name": "Ada Lovelace"}, {"username": "ada", "bio": None}):
            assert content(await caller.patch(ME, patch), 200) == before


async def test_of_two_who_change_one_profile_the_second_is_told(api: Api) -> None:
    caller = await ada(api)
    read = await caller.get(ME)
    etag = read.headers["ETag"]
    assert etag == f'"{content(read, 200)["version"]}"'
    assert (await caller.get(ME, headers={"If-None-Match": etag})).status_code == 304
    first = content(await caller.patch(ME, {"bio": "first"}, if_match=etag), 200)
    async with api.unchanged():
        stale = await caller.patch(ME, {"bio": "second"}, if_match=etag)
    assert problem(stale, 412, "stale-version")["version"] == first["version"]
    assert stale.headers["ETag"] == f'"{first["version"]}"'
    assert (await caller.get(ME, headers={"If-None-Match": etag})).status_code == 200


@in_memory
@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"role": "admin"}, "/role"),
        ({"is_active": False}, "/is_active"),
        ({"password": ANOTHER}, "/password"),
        ({"id": NOWHERE}, "/id"),
        ({"version": 7}, "/version"),
        ({"username": None}, "/username"),
        ({"email": None}, "/email"),
        ({"username": "a b"}, "/username"),
        ({"email": "ada@"}, "/email"),
        ({"full_name": ""}, "/full_name"),
        ({"full_name": "a\nb"}, "/full_name"),
        ({"bio": "x" * 2_001}, "/bio"),
        ({"bio": "\0"}, "/bio"),
    ],
    ids=lambda each: str(each)[:40],
)
async def test_what_does_not_fit_is_pointed_at(api: Api, patch: Json, pointer: str) -> None:
    async with api.unchanged():
        problem(await api.customer.patch(ME, patch), 422, "validation-error", pointer)


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"username": "OTHER"}, "username"),
        ({"username": "ｏｔｈｅｒ"}, "username"),
        ({"email": "Other@Example.COM"}, "email"),
        ({"email": "ｏｔｈｅｒ@example.com"}, "email"),
    ],
)
async def test_a_name_that_is_somebody_elses_is_taken_in_any_spelling(
    api: Api, patch: Json, field: str
) -> None:
    async with api.unchanged():
        refused = await api.customer.patch(ME, patch)
    assert problem(refused, 409, "duplicate")["field"] == field


async def test_ones_own_name_can_be_spelled_otherwise(api: Api) -> None:
    changed = await api.customer.patch(ME, {"username": "Customer"})
    assert content(changed, 200)["username"] == "Customer"


async def test_a_new_password_ends_every_session(api: Api) -> None:
    grants = [await api.grant("customer") for _ in range(3)]
    others = await api.signed_in("other")
    changed = await change_password(api.holder(grants[0]))
    assert (changed.status_code, changed.content) == (204, b"")
    for caller in (api.customer, *map(api.holder, grants)):
        assert is_over(await caller.get(ME))
    for grant in grants:
        problem(await api.refresh(grant["refresh_token"]), 401, "invalid-credentials")
    assert not is_over(await others.get(ME))
    problem(await api.sign_in("customer"), 401, "invalid-credentials")
    assert len(await sessions(await api.signed_in("customer", ANOTHER))) == 1


async def test_without_the_old_password_there_is_no_new_one(api: Api) -> None:
    async with api.unchanged(but=ATTEMPTS):
        for old in ("Wrong horse 9", PASSWORD.lower(), ""):
            problem(await change_password(api.customer, old), 401, "invalid-credentials")
    assert not is_over(await api.customer.get(ME))
    content(await api.sign_in("customer"), 200)


async def test_the_old_password_is_not_to_be_guessed(api: Api) -> None:
    for _ in range(5):
        refused = await change_password(api.customer, "Wrong horse 9")
        problem(refused, 401, "invalid-credentials")
    async with api.unchanged():
        refused = await change_password(api.customer)
    problem(refused, 429, "too-many-attempts")
    assert int(refused.headers["Retry-After"]) >= 1
    # Whoever has the token cannot lock its owner out of signing in.
    content(await api.sign_in("customer"), 200)


@in_memory
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"new_password": ANOTHER}, ["/old_password"]),
        ({"old_password": PASSWORD}, ["/new_password"]),
        ({"old_password": PASSWORD, "new_password": "short-7A"[:7]}, ["/new_password"]),
        ({"old_password": PASSWORD, "new_password": "no-capital-9"}, ["/new_password"]),
        ({"old_password": PASSWORD, "new_password": "No-digit-here"}, ["/new_password"]),
        ({"old_password": PASSWORD, "new_password": None}, ["/new_password"]),
        ({"old_password": PASSWORD, "new_password": ANOTHER, "id": "x"}, ["/id"]),
    ],
    ids=str,
)
async def test_a_password_that_will_not_do_is_pointed_at(
    api: Api, body: Json, pointers: list[str]
) -> None:
    async with api.unchanged():
        refused = await api.customer.post(PASSWORD_OF, body)
    problem(refused, 422, "validation-error", *pointers)
    assert PASSWORD not in refused.text


@in_memory
async def test_a_change_of_password_is_never_kept_for_a_key(api: Api) -> None:
    before = set((await api.contents())["keys"])
    assert (await change_password(api.customer, key="key")).status_code == 204
    assert set((await api.contents())["keys"]) == before


async def test_one_sees_where_one_is_signed_in(api: Api) -> None:
    await api.user(username="ada")
    phone = api.holder(await api.grant("ada", **{"User-Agent": "Phone/1.0 " + "x" * 300}))
    desk = api.holder(await api.grant("ada", **{"User-Agent": "Desk/2.0"}))
    for who, here in ((phone, "Phone"), (desk, "Desk")):
        found = await sessions(who)
        assert [session["client"][:5].strip("/") for session in found] == ["Desk", "Phone"]
        [current] = [session for session in found if session["current"]]
        assert current["client"].startswith(here)
        assert len(current["client"]) <= 200
        for session in found:
            assert set(session) == {"id", "client", "created_at", "last_used_at", "current"}
            assert is_uuid7(session["id"])
            assert at(session["last_used_at"]) >= at(session["created_at"])


async def test_what_was_used_last_is_shown_first(api: Api) -> None:
    await api.user(username="ada")
    first = await api.grant("ada", **{"User-Agent": "first"})
    second = api.holder(await api.grant("ada", **{"User-Agent": "second"}))
    content(await api.refresh(first["refresh_token"]), 200)
    assert [session["client"] for session in await sessions(second)] == ["first", "second"]


async def test_one_session_can_be_ended_from_another(api: Api) -> None:
    await api.user(username="ada")
    lost, here = await api.grant("ada"), await api.signed_in("ada")
    [there] = [session["id"] for session in await sessions(here) if not session["current"]]
    ended = await here.delete(f"{SESSIONS}/{there}")
    assert (ended.status_code, ended.content) == (204, b"")
    assert is_over(await api.holder(lost).get(ME))
    problem(await api.refresh(lost["refresh_token"]), 401, "invalid-credentials")
    [current] = await sessions(here)
    assert current["current"]
    async with api.unchanged():
        problem(await here.delete(f"{SESSIONS}/{there}"), 404, "session-not-found")
    assert (await here.delete(f"{SESSIONS}/{current['id']}")).status_code == 204
    assert is_over(await here.get(ME))


async def test_a_session_of_somebody_else_is_none(api: Api) -> None:
    [mine] = await sessions(api.customer)
    async with api.unchanged():
        foreign = await api.other.delete(f"{SESSIONS}/{mine['id']}")
        missing = await api.other.delete(f"{SESSIONS}/{NOWHERE}")
        # Not even an administrator ends it here.
        problem(await api.admin.delete(f"{SESSIONS}/{mine['id']}"), 404, "session-not-found")
    for refused in (foreign, missing):
        problem(refused, 404, "session-not-found")
    assert foreign.json()["detail"] == missing.json()["detail"]
    assert not is_over(await api.customer.get(ME))


async def test_one_signs_out_everywhere_at_once(api: Api) -> None:
    grants = [await api.grant("customer") for _ in range(3)]
    ended = await api.customer.delete(SESSIONS)
    assert (ended.status_code, ended.content) == (204, b"")
    for caller in (api.customer, *map(api.holder, grants)):
        assert is_over(await caller.get(ME))
    assert not is_over(await api.other.get(ME))
    content(await api.sign_in("customer"), 200)

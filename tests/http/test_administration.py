"""What staff and administrators do with users."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest
from dependency_injector import providers

from application.shared.clock import utc_now
from domain.identity.user import Role, User
from tests.builders import PASSWORD
from tests.http.api import (
    NOWHERE,
    Api,
    Caller,
    Json,
    QuickHasher,
    a_registration,
    content,
    in_memory,
    problem,
    rows,
)

USERS: Final = "/v1/users"
ME: Final = "/v1/users/me"
BULK: Final = f"{USERS}/bulk"
IDLE: Final = f"{BULK}/deactivate"
INACTIVE: Final = f"{BULK}/inactive"


def path(user: Caller | Json, step: str = "") -> str:
    id = user.id if isinstance(user, Caller) else user["id"]
    return f"{USERS}/{id}{step}"


async def found(api: Api, **params: Any) -> list[str]:
    """The names of the users that staff find, in their order."""
    return [user["username"] for user in rows(await api.staff.get(USERS, params=params))]


async def user_now(api: Api, user: Caller | Json) -> Json:
    return content(await api.admin.get(path(user)), 200)


def is_over(answer: httpx.Response) -> bool:
    if answer.status_code == 200:
        return False
    problem(answer, 401, "unauthenticated")
    return True


async def test_users_are_found_by_what_they_are(api: Api) -> None:
    content(await api.staff.post(path(api.other, "/deactivate")), 200)
    assert await found(api, sort="username") == ["admin", "customer", "other", "staff"]
    assert await found(api, sort="-username") == ["staff", "other", "customer", "admin"]
    assert await found(api, role="customer", sort="username") == ["customer", "other"]
    assert await found(api, role="admin") == ["admin"]
    assert await found(api, is_active="false") == ["other"]
    assert await found(api, is_active="true", role="customer") == ["customer"]
    assert await found(api, email="CUSTOMER@Example.com") == ["customer"]
    assert await found(api, email="custome@example.com") == []
    assert await found(api, email="customer@example.com", role="staff") == []


async def test_the_newest_users_come_first(api: Api) -> None:
    users = [await api.user() for _ in range(3)]
    newest = await found(api, limit=3)
    assert newest == [user["username"] for user in reversed(users)]
    assert (await found(api, sort="created_at"))[-3:] == newest[::-1]


async def test_a_walk_meets_everybody_once_and_knows_how_many_they_are(api: Api) -> None:
    for n in range(5):
        await api.user(full_name=f"Walker {n}")
    met: list[str] = []
    params = {"q": "walk", "limit": "2", "sort": "username", "with_total": "true"}
    page = content(await api.staff.get(USERS, params=params), 200)
    assert page["total"] == 5
    while True:
        met += [user["username"] for user in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
        page = content(await api.staff.get(USERS, params=params), 200)
    assert met == sorted(met)
    assert len({*met}) == 5


SEARCHES: Final[list[tuple[str, list[str]]]] = [
    ("grace", ["grace_h"]),
    ("GRA", ["grace_h"]),
    ("ｇｒａ", ["grace_h"]),
    ("hop", ["grace_h"]),
    ("opper", []),
    ("hopper grace", ["grace_h"]),
    ("grace x", []),
    ("navy", ["grace_h"]),
    ("mil", ["grace_h"]),
    ("grace@navy", ["grace_h"]),
    ("é", ["emile"]),
    ("e\u0301mi", ["emile"]),
    ("STRASS", ["emile"]),
    ("%", []),
    ("_", []),
    ("gr%", ["grace_h"]),
    ("g%e", []),
    ("g_ace", []),
    ("\\", []),
    ("'", []),
    ("   ", []),
    ("grace_h", ["grace_h"]),
]


async def test_words_are_found_by_their_beginnings(api: Api) -> None:
    await api.user(username="grace_h", email="amazing@navy.mil", full_name="Grace Hopper")
    await api.user(username="emile", full_name="Émile von der Straße")
    for q, names in SEARCHES:
        assert await found(api, q=q) == names, q


@in_memory
@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("role", "boss"),
        ("is_active", "1"),
        ("email", "ada@"),
        ("q", ""),
        ("q", "x" * 101),
        ("sort", "email"),
        ("sort", "password_hash"),
        ("username", "ada"),
    ],
)
async def test_a_filter_that_does_not_fit_is_refused(api: Api, parameter: str, value: str) -> None:
    refused = await api.staff.get(USERS, params={parameter: value})
    assert (refused.status_code, refused.json()["code"]) == (422, "validation-error")
    assert [error["name"] for error in refused.json()["errors"]] == [parameter]


async def test_a_changed_user_is_who_they_were_but_for_the_change(api: Api) -> None:
    before = await user_now(api, api.customer)
    answered = await api.staff.patch(path(api.customer), {"full_name": "Ada", "bio": "x"})
    changed = content(answered, 200)
    assert changed == before | {
        "full_name": "Ada",
        "bio": "x",
        "version": before["version"] + 1,
        "updated_at": changed["updated_at"],
    }
    assert answered.headers["ETag"] == f'"{changed["version"]}"'
    cleared = content(await api.staff.patch(path(api.customer), {"bio": None}), 200)
    assert (cleared["full_name"], cleared["bio"]) == ("Ada", None)
    assert cleared == await user_now(api, api.customer)


async def test_to_replace_a_user_clears_what_is_left_out_but_not_the_role(api: Api) -> None:
    content(await api.staff.patch(path(api.staff), {"full_name": "S", "bio": "x"}), 200)
    whole = {"username": "staff_2", "email": "staff-2@example.com"}
    replaced = content(await api.staff.send("PUT", path(api.staff), whole), 200)
    assert (replaced["username"], replaced["email"]) == ("staff_2", "staff-2@example.com")
    assert (replaced["full_name"], replaced["bio"], replaced["role"]) == (None, None, "staff")
    for missing in whole:
        rest = {name: value for name, value in whole.items() if name != missing}
        async with api.unchanged():
            refused = await api.staff.send("PUT", path(api.staff), rest)
        problem(refused, 422, "validation-error", f"/{missing}")


@pytest.mark.parametrize(
    ("method", "step", "body"),
    [
        ("PATCH", "", {"bio": "second"}),
        ("PUT", "", {"username": "customer", "email": "customer@example.com", "bio": "second"}),
        ("DELETE", "", None),
        ("POST", "/deactivate", None),
        ("POST", "/activate", None),
    ],
)
async def test_whoever_saw_an_older_version_is_told(
    api: Api, method: str, step: str, body: Json | None
) -> None:
    content(await api.staff.patch(path(api.customer), {"bio": "first"}), 200)
    async with api.unchanged():
        stale = await api.admin.send(method, path(api.customer, step), body, if_match='"1"')
    assert problem(stale, 412, "stale-version")["version"] == 2
    assert stale.headers["ETag"] == '"2"'
    done = await api.admin.send(method, path(api.customer, step), body, if_match='"2"')
    assert done.is_success


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize(
    "extra", ["id", "is_active", "version", "created_at", "password_hash", "password"]
)
@in_memory
async def test_what_is_nobodys_to_change_is_refused(api: Api, method: str, extra: str) -> None:
    profile = {"username": "customer", "email": "customer@example.com", extra: "x"}
    async with api.unchanged():
        refused = await api.admin.send(method, path(api.customer), profile)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation-error")
    assert [error["pointer"] for error in refused.json()["errors"]] == [f"/{extra}"]


@pytest.mark.parametrize("field", ["username", "email"])
async def test_a_name_that_is_taken_cannot_be_given(api: Api, field: str) -> None:
    taken = {"username": "Other", "email": "OTHER@example.com"}[field]
    async with api.unchanged():
        refused = await api.staff.patch(path(api.customer), {field: taken})
    assert problem(refused, 409, "duplicate")["field"] == field


async def test_only_administrators_give_roles(api: Api) -> None:
    for role in ("staff", "admin"):
        async with api.unchanged():
            refused = await api.staff.patch(path(api.customer), {"role": role, "bio": "x"})
            problem(refused, 403, "forbidden")
    # To name the role that somebody has changes nothing.
    content(await api.staff.patch(path(api.customer), {"role": "customer"}), 200)
    for role in ("staff", "admin", "customer"):
        changed = await api.admin.patch(path(api.customer), {"role": role})
        assert content(changed, 200)["role"] == role
        listed = await api.customer.get(USERS)
        assert listed.status_code == (403 if role == "customer" else 200)


@pytest.mark.parametrize(
    ("method", "step", "body"),
    [
        ("PATCH", "", {"bio": "x"}),
        ("PATCH", "", {"role": "customer"}),
        ("PUT", "", {"username": "eve", "email": "eve@example.com"}),
        ("POST", "/deactivate", None),
        ("POST", "/activate", None),
    ],
)
async def test_nobody_touches_somebody_above_them(
    api: Api, method: str, step: str, body: Json | None
) -> None:
    async with api.unchanged():
        refused = await api.staff.send(method, path(api.admin, step), body)
    problem(refused, 403, "forbidden")


@pytest.mark.parametrize(
    ("method", "step", "body"),
    [
        ("PATCH", "", {"role": "staff"}),
        ("PUT", "", {"username": "admin", "email": "a@example.com", "role": "customer"}),
        ("POST", "/deactivate", None),
        ("DELETE", "", None),
    ],
)
async def test_one_administrator_remains(
    api: Api, method: str, step: str, body: Json | None
) -> None:
    async with api.unchanged():
        refused = await api.admin.send(method, path(api.admin, step), body)
        problem(refused, 409, "last-admin")
    content(await api.admin.patch(path(api.other), {"role": "admin"}), 200)
    assert (await api.admin.send(method, path(api.admin, step), body)).is_success
    problem(await api.other.post(path(api.other, "/deactivate")), 409, "last-admin")


async def test_two_administrators_who_retire_each_other_leave_one(api: Api) -> None:
    content(await api.admin.patch(path(api.other), {"role": "admin"}), 200)
    answers = await asyncio.gather(
        api.admin.post(path(api.other, "/deactivate")),
        api.other.post(path(api.admin, "/deactivate")),
    )
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses in ({200: 1, 409: 1}, {200: 1, 401: 1})
    async with api.container.work() as work:
        assert len(await work.users.active_admins()) == 1


async def test_a_deactivated_user_is_out_at_once_and_may_come_back(api: Api) -> None:
    grant = await api.grant("customer")
    answered = await api.staff.post(path(api.customer, "/deactivate"))
    deactivated = content(answered, 200)
    assert (deactivated["is_active"], deactivated["role"]) == (False, "customer")
    assert answered.headers["ETag"] == f'"{deactivated["version"]}"'
    for caller in (api.customer, api.holder(grant)):
        assert is_over(await caller.get(ME))
    problem(await api.refresh(grant["refresh_token"]), 401, "invalid-credentials")
    problem(await api.sign_in("customer"), 401, "invalid-credentials")
    async with api.unchanged():
        again = content(await api.staff.post(path(api.customer, "/deactivate")), 200)
        assert again == deactivated
    activated = content(await api.staff.post(path(api.customer, "/activate")), 200)
    assert activated["is_active"]
    assert is_over(await api.holder(grant).get(ME)), "what is over stays over"
    content(await api.sign_in("customer"), 200)


async def test_who_was_deleted_is_gone_and_their_name_is_free(api: Api) -> None:
    grant = await api.grant("other")
    deleted = await api.admin.delete(path(api.other))
    assert (deleted.status_code, deleted.content) == (204, b"")
    problem(await api.admin.get(path(api.other)), 404, "user-not-found")
    problem(await api.admin.delete(path(api.other)), 404, "user-not-found")
    for caller in (api.other, api.holder(grant)):
        assert is_over(await caller.get(ME))
    problem(await api.refresh(grant["refresh_token"]), 401, "invalid-credentials")
    assert (await api.user(username="other", email="other@example.com"))["role"] == "customer"


async def test_who_has_ordered_stays_for_the_order(api: Api) -> None:
    order = await api.order()
    async with api.unchanged():
        problem(await api.admin.delete(path(api.customer)), 409, "in-use")
    assert not is_over(await api.customer.get(f"/v1/orders/{order['id']}"))


async def test_many_are_registered_in_one_request(api: Api) -> None:
    items = [
        a_registration(full_name="Ada", role="staff"),
        a_registration(),
        {"username": "silent", "email": "silent@example.com"},
    ]
    answer = content(await api.admin.post(BULK, {"items": items}), 200)
    assert (answer["succeeded"], answer["failed"]) == (3, 0)
    assert [row["status"] for row in answer["results"]] == ["created"] * 3
    users = [await user_now(api, row) for row in answer["results"]]
    assert [user["username"] for user in users] == [item["username"] for item in items]
    assert [user["role"] for user in users] == ["staff", "customer", "customer"]
    assert users[0]["full_name"] == "Ada"
    content(await api.sign_in(users[0]["username"]), 200)
    for password in ("!", PASSWORD):
        problem(await api.sign_in("silent", password), 401, "invalid-credentials")


BAD_ROWS: Final[list[tuple[Json, str, str]]] = [
    ({"username": "a b"}, "validation-error", "/items/1/username"),
    ({"email": "x"}, "validation-error", "/items/1/email"),
    ({"password": "short"}, "validation-error", "/items/1/password"),
    ({"role": "boss"}, "validation-error", "/items/1/role"),
    ({"colour": "red"}, "validation-error", "/items/1/colour"),
    ({"username": "Other"}, "duplicate", "/items/1/username"),
    ({"email": "OTHER@example.com"}, "duplicate", "/items/1/email"),
    ({"username": "first"}, "duplicate", "/items/1/username"),
]


@pytest.mark.parametrize(("fault", "code", "pointer"), BAD_ROWS)
async def test_one_bad_row_stops_all_or_is_skipped(
    api: Api, fault: Json, code: str, pointer: str
) -> None:
    items = [a_registration(username="first"), a_registration(**fault), a_registration()]
    async with api.unchanged():
        refused = await api.admin.post(BULK, {"items": items})
        problem(refused, 409 if code == "duplicate" else 422, code, pointer)
    answer = content(await api.admin.post(BULK, {"items": items, "on_error": "skip"}), 200)
    assert (answer["succeeded"], answer["failed"]) == (2, 1)
    assert [row["status"] for row in answer["results"]] == ["created", "failed", "created"]
    bad = answer["results"][1]
    assert (bad["id"], bad["problem"]["code"]) == (None, code)
    assert [error["pointer"] for error in bad["problem"]["errors"]] == [pointer]
    assert len(await found(api)) == 6


@in_memory
@pytest.mark.parametrize("body", [{"items": []}, {}, {"items": [{}] * 1_001}])
async def test_a_bulk_has_1_to_1000_rows(api: Api, body: Json) -> None:
    async with api.unchanged():
        problem(await api.admin.post(BULK, body), 422, "validation-error", "/items")


async def seen_ago(api: Api, who: Caller, days: int) -> None:
    def change(user: User) -> None:
        user.last_login_at = utc_now() - timedelta(days=days)

    await api.change(who, change)


async def test_who_was_not_there_for_long_is_deactivated_but_no_administrator(api: Api) -> None:
    for who, days in ((api.admin, 500), (api.staff, 91), (api.customer, 89), (api.other, 91)):
        await seen_ago(api, who, days)
    await api.user()  # never signed in, but registered just now
    answer = await api.admin.post(IDLE, {"inactive_days": 90})
    assert content(answer, 200) == {"deactivated": 2}
    for who, active in ((api.admin, True), (api.staff, False), (api.customer, True)):
        assert (await user_now(api, who))["is_active"] is active
    assert is_over(await api.staff.get(ME))
    assert is_over(await api.other.get(ME))
    assert not is_over(await api.customer.get(ME))
    again = content(await api.admin.post(IDLE, {"inactive_days": 90}), 200)
    assert again == {"deactivated": 0}


@in_memory
@pytest.mark.parametrize("days", [0, -1, "90", 1.5, None, True, 36_501])
async def test_so_many_days_are_none(api: Api, days: Any) -> None:
    async with api.unchanged():
        refused = await api.admin.post(IDLE, {"inactive_days": days})
    problem(refused, 422, "validation-error", "/inactive_days")


async def test_deactivated_users_go_unless_something_refers_to_them(api: Api) -> None:
    await api.order()
    gone = await api.user()
    for user in (api.customer, api.other, gone):
        content(await api.staff.post(path(user, "/deactivate")), 200)
    assert content(await api.admin.delete(INACTIVE), 200) == {"deleted": 2, "kept": 1}
    assert sorted(await found(api)) == ["admin", "customer", "staff"]
    assert content(await api.admin.delete(INACTIVE), 200) == {"deleted": 0, "kept": 1}


@pytest.mark.parametrize(
    ("to", "body"),
    [
        ("{other}/deactivate", None),
        ("{other}/activate", None),
        ("bulk", {"items": [a_registration(), a_registration()]}),
        ("bulk", {"items": [a_registration(username="OTHER")]}),
        ("bulk/deactivate", {"inactive_days": 30}),
    ],
)
async def test_a_key_makes_it_happen_once(api: Api, to: str, body: Json | None) -> None:
    await seen_ago(api, api.other, 31)
    where = f"{USERS}/{to.format(other=api.other.id)}"
    first = await api.admin.post(where, body, key="key")
    assert first.status_code in (200, 409)
    async with api.unchanged():
        again = await api.admin.post(where, body, key="key")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert PASSWORD not in str(await api.contents()).replace(f"plain:{PASSWORD}", "")


async def test_while_passwords_are_hashed_under_a_key_others_write(api: Api) -> None:
    class Slow(QuickHasher):
        async def hash(self, password: str) -> str:
            # If a transaction were open, SQLite's only writer would be waited for in vain.
            async with asyncio.timeout(5):
                await api.product()
            return await super().hash(password)

    many = [
        {"username": f"new_{n}", "email": f"new_{n}@example.com", "password": PASSWORD}
        for n in range(3)
    ]
    with api.container.hasher.override(providers.Object(Slow())):
        done = content(await api.admin.post(BULK, {"items": many}, key="key"), 200)
    assert done["succeeded"] == 3
    again = await api.admin.post(BULK, {"items": many}, key="key")
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_what_a_key_did_is_undone_by_nobody(api: Api) -> None:
    first = content(await api.staff.post(path(api.other, "/deactivate"), key="key"), 200)
    content(await api.staff.post(path(api.other, "/activate")), 200)
    again = content(await api.staff.post(path(api.other, "/deactivate"), key="key"), 200)
    assert again == first
    assert (await user_now(api, api.other))["is_active"]


async def test_a_missing_user_is_found_by_nobody(api: Api) -> None:
    async with api.unchanged():
        for method, step, body in (
            ("GET", "", None),
            ("PATCH", "", {"role": "staff"}),
            ("DELETE", "", None),
            ("POST", "/deactivate", None),
            ("POST", "/activate", None),
        ):
            refused = await api.admin.send(method, f"{USERS}/{NOWHERE}{step}", body)
            problem(refused, 404, "user-not-found")


async def test_a_promotion_counts_from_the_next_request_on(api: Api) -> None:
    problem(await api.customer.get(USERS), 403, "forbidden")
    await api.change(api.customer, lambda user: user.promote(Role.STAFF, at=utc_now()))
    assert len(rows(await api.customer.get(USERS))) == 4

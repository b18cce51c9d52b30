from asyncio import create_task
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import uuid4

import pytest

from application.ordering.ports import OrderingWork
from application.shared.errors import InUse
from domain.identity.session import SessionId
from domain.identity.user import (
    FULL_NAME_LENGTH,
    USERNAME_LENGTH,
    Role,
    User,
    UserId,
    UserNotFound,
)
from infrastructure.memory.copying import state_of
from tests.builders import NOON, a_product, a_session, a_user, an_order
from tests.contract.backends import Backend
from tests.contract.steps import failing, session_in, user_in, waits

SOON: Final = timedelta(microseconds=1)
DAY: Final = timedelta(days=1)

Search = Callable[[OrderingWork], Awaitable[Sequence[User]]]


async def active_admins(work: OrderingWork) -> Sequence[User]:
    return await work.users.active_admins()


async def idle_since_noon(work: OrderingWork) -> Sequence[User]:
    return await work.users.idle_since(NOON)


async def deactivated(work: OrderingWork) -> Sequence[User]:
    return await work.users.deactivated()


async def found_by(backend: Backend, search: Search) -> list[User]:
    async with backend.begin() as work:
        return [*await search(work)]


async def one(work: OrderingWork, user: User) -> Sequence[User]:
    return [await user_in(work, user, lock=True)]


def ids(users: Sequence[User]) -> list[object]:
    return [user.id for user in users]


async def test_a_user_comes_back_as_they_were(backend: Backend) -> None:
    ada = a_user(
        username="A" * USERNAME_LENGTH,
        email="ada.lovelace+shop@" + "ß" * 190 + ".example",
        full_name="Ö" * FULL_NAME_LENGTH,
        role=Role.ADMIN,
        is_active=False,
    )
    bob = a_user()
    await backend.keep(ada, bob)

    async with backend.begin() as work:
        assert state_of(await user_in(work, ada)) == state_of(ada)
        assert state_of(await user_in(work, bob)) == state_of(bob)


async def test_what_changes_about_a_user_is_kept(backend: Backend) -> None:
    ada = a_user()
    await backend.keep(ada)

    async with backend.begin() as work:
        user = await user_in(work, ada, lock=True)
        user.promote(Role.STAFF, at=NOON)
        user.sign_in(at=NOON + timedelta(microseconds=1))
        await work.commit()
    async with backend.begin() as work:
        assert state_of(await user_in(work, ada)) == state_of(user)


async def test_who_looks_for_nobody_is_told_so(backend: Backend) -> None:
    async with backend.begin() as work:
        for lock in (False, True):
            with pytest.raises(UserNotFound):
                await work.users.get(UserId(uuid4()), lock=lock)
        assert await work.users.by_login("nobody") is None
        assert await work.users.by_login("") is None


@pytest.mark.parametrize(
    "login", ["Ada_L", "ada_l", "ＡＤＡ_Ｌ", "Ada@Straße.example", "ADA@STRASSE.EXAMPLE"]
)
async def test_a_user_signs_in_under_any_spelling_of_name_and_address(
    backend: Backend, login: str
) -> None:
    ada = a_user(username="Ada_L", email="ada@straße.example")
    await backend.keep(ada, a_user())

    async with backend.begin() as work:
        found = await work.users.by_login(login)
        assert found is not None
        assert found is await user_in(work, ada)


async def test_active_administrators_are_found_in_the_order_of_their_ids(backend: Backend) -> None:
    admins = [a_user(role=Role.ADMIN, at=NOON - number * DAY) for number in range(4)]
    others = [a_user(), a_user(role=Role.STAFF), a_user(role=Role.ADMIN, is_active=False)]
    await backend.keep(*admins, *others)

    assert ids(await found_by(backend, active_admins)) == sorted(admin.id for admin in admins)


async def test_deactivated_users_are_found_in_the_order_of_their_ids(backend: Backend) -> None:
    gone = [a_user(role=role, is_active=False, at=NOON - role.rank * DAY) for role in Role]
    await backend.keep(*gone, *(a_user(role=role) for role in Role))

    assert ids(await found_by(backend, deactivated)) == sorted(user.id for user in gone)


async def test_users_are_idle_by_their_last_sign_in_or_else_their_registration(
    backend: Backend,
) -> None:
    def someone(
        *, registered: timedelta, signed_in: timedelta | None, role: Role = Role.CUSTOMER
    ) -> User:
        user = a_user(role=role, at=NOON + registered)
        if signed_in is not None:
            user.sign_in(at=NOON + signed_in)
        return user

    idle = [
        someone(registered=-SOON, signed_in=None),
        someone(registered=-DAY, signed_in=-SOON),
        someone(registered=-2 * DAY, signed_in=-DAY, role=Role.STAFF),
        # Whose clock went backwards: the last sign-in counts.
        someone(registered=DAY, signed_in=-DAY),
    ]
    busy = [
        someone(registered=timedelta(), signed_in=None),
        someone(registered=DAY, signed_in=None),
        someone(registered=-DAY, signed_in=timedelta()),
        someone(registered=-DAY, signed_in=SOON),
    ]
    admin = someone(registered=-DAY, signed_in=None, role=Role.ADMIN)
    gone = a_user(is_active=False, at=NOON - DAY)
    await backend.keep(*idle, *busy, admin, gone)

    assert ids(await found_by(backend, idle_since_noon)) == sorted(user.id for user in idle)


async def test_where_there_are_no_users_none_are_found(backend: Backend) -> None:
    for search in (active_admins, idle_since_noon, deactivated):
        assert [*await found_by(backend, search)] == []


def an_admin() -> User:
    return a_user(role=Role.ADMIN)


def an_idle_user() -> User:
    return a_user(at=NOON - DAY)


def a_deactivated_user() -> User:
    return a_user(is_active=False)


def demote(user: User) -> None:
    user.promote(Role.STAFF, at=NOON)


def sign_in(user: User) -> None:
    user.sign_in(at=NOON)


def activate(user: User) -> None:
    user.activate(at=NOON)


each_search = pytest.mark.parametrize(
    ("search", "make", "change"),
    [
        (active_admins, an_admin, demote),
        (idle_since_noon, an_idle_user, sign_in),
        (deactivated, a_deactivated_user, activate),
    ],
    ids=["active admins", "idle users", "deactivated users"],
)


@each_search
async def test_whoever_is_no_longer_meant_when_the_wait_is_over_is_not_found(
    backend: Backend, search: Search, make: Callable[[], User], change: Callable[[User], None]
) -> None:
    ada, bob = make(), make()
    await backend.keep(ada, bob)

    async with backend.begin() as work:
        change(await user_in(work, ada, lock=True))
        await work.flush()
        others = create_task(found_by(backend, search))
        assert await waits(others)
        await work.commit()

    assert ids(await others) == [bob.id]


@each_search
async def test_whoever_is_found_is_locked(
    backend: Backend, search: Search, make: Callable[[], User], change: Callable[[User], None]
) -> None:
    users = [make() for _ in range(3)]
    await backend.keep(*users)

    for user in users:
        async with backend.begin() as work:
            assert len(await search(work)) == len(users)
            second = create_task(found_by(backend, partial(one, user=user)))
            assert await waits(second)
        assert ids(await second) == [user.id]


@each_search
async def test_what_was_done_to_a_user_counts_at_once(
    backend: Backend, search: Search, make: Callable[[], User], change: Callable[[User], None]
) -> None:
    ada = make()
    await backend.keep(ada)

    async with backend.begin() as work:
        work.users.add(bob := make())
        change(await user_in(work, ada))
        assert [*await search(work)] == [bob]


async def test_a_removed_user_is_gone_with_their_sessions_and_nobody_elses(
    backend: Backend,
) -> None:
    ada, bob = a_user(username="ada"), a_user()
    of_ada, of_bob = [a_session(ada)[0] for _ in range(3)], a_session(bob)[0]
    await backend.keep(ada, bob, *of_ada, of_bob)

    async with backend.begin() as work:
        await session_in(work, of_ada[0])
        await work.users.remove(await user_in(work, ada, lock=True))
        assert await work.users.by_login("ada") is None
        await work.commit()

    assert await backend.users.find(UserId(ada.id)) is None
    assert await backend.users.credentials("ada") is None
    async with backend.begin() as work:
        for session in of_ada:
            assert await work.sessions.find(SessionId(session.id)) is None
        await session_in(work, of_bob)
        with pytest.raises(UserNotFound):
            await user_in(work, ada, lock=True)


async def test_a_session_that_was_just_opened_goes_with_the_user(backend: Backend) -> None:
    ada = a_user()
    await backend.keep(ada)

    async with backend.begin() as work:
        user = await user_in(work, ada, lock=True)
        work.sessions.add(a_session(user)[0])
        await work.users.remove(user)
        await work.commit()

    assert await backend.users.find(UserId(ada.id)) is None


async def test_a_removed_user_leaves_name_and_address_to_others(backend: Backend) -> None:
    ada = a_user(username="ada", email="ada@example.com")
    await backend.keep(ada)

    async with backend.begin() as work:
        await work.users.remove(await user_in(work, ada))
        await work.flush()
        work.users.add(new := a_user(username="ADA", email="ADA@example.com"))
        await work.commit()

    found = await backend.users.credentials("ada")
    assert found is not None
    assert found.id == new.id


async def test_a_customer_with_an_order_cannot_be_removed(backend: Backend) -> None:
    ada, mug = a_user(), a_product()
    session, _ = a_session(ada)
    await backend.keep(ada, mug, session, an_order(mug, customer=ada))

    async with backend.begin() as work:
        await work.users.remove(await user_in(work, ada, lock=True))
        with pytest.raises(InUse):
            await work.flush()

    assert await backend.users.find(UserId(ada.id))
    async with backend.begin() as work:
        await session_in(work, session)


async def test_where_one_cannot_be_removed_the_others_still_can(backend: Backend) -> None:
    users, mug = [a_user(is_active=False) for _ in range(5)], a_product()
    sessions = [a_session(user)[0] for user in users]
    buyers = users[1], users[3]
    orders = [an_order(mug, customer=buyer) for buyer in buyers]
    await backend.keep(*users, mug, *sessions, *orders)

    kept = []
    async with backend.begin() as work:
        for user in await work.users.deactivated():
            try:
                async with work.savepoint():
                    user.delete(at=NOON)
                    await work.users.remove(user)
            except InUse:
                kept.append(user)
                assert user.sequence == 1
                assert [*await work.sessions.open_of(UserId(user.id))] != []
        kept[0].activate(at=NOON)
        await work.commit()

    assert ids(kept) == sorted(buyer.id for buyer in buyers)
    left = [user for user in users if await backend.users.find(UserId(user.id))]
    assert left == [*buyers]
    heard = [entry.type for entry in await backend.outbox()]
    assert sorted(heard) == ["user.activated", *3 * ["user.deleted"]]


async def test_a_removal_in_a_failed_savepoint_is_undone(backend: Backend) -> None:
    ada = a_user()
    session, _ = a_session(ada)
    await backend.keep(ada, session)

    async with backend.begin() as work:
        user = await user_in(work, ada)
        async with failing(work.savepoint()):
            await work.users.remove(user)
            await work.flush()
        assert await user_in(work, ada) is user
        demote(user)
        await work.commit()

    async with backend.begin() as work:
        assert (await user_in(work, ada)).role is Role.STAFF
        assert [found.id for found in await work.sessions.open_of(UserId(ada.id))] == [session.id]


async def test_a_failed_savepoint_does_not_miss_whom_somebody_else_removed(
    overlapping: Backend,
) -> None:
    ada = a_user()
    await overlapping.keep(ada)

    async with overlapping.begin() as work:
        in_hand = await user_in(work, ada)
        async with overlapping.begin() as other:
            await other.users.remove(await user_in(other, ada, lock=True))
            await other.commit()
        async with failing(work.savepoint()):
            demote(in_hand)
        work.users.add(bob := a_user())
        await work.commit()

    assert await overlapping.users.find(UserId(bob.id))
    assert await overlapping.users.find(UserId(ada.id)) is None

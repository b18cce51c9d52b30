import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from application.identity.actor import OPERATOR, Actor
from application.identity.queries import UserDetails, UserFilter
from application.identity.signing_in import InvalidCredentials
from application.shared.errors import InUse, StaleVersion
from application.shared.pages import PageRequest, Sort
from domain.identity.session import Session
from domain.identity.user import (
    EmailTaken,
    LastAdmin,
    Role,
    User,
    UserId,
    UsernameTaken,
    UserNotFound,
)
from domain.shared.errors import Conflict, Forbidden, InvalidValue
from infrastructure.memory.copying import state_of
from tests.builders import PASSWORD, a_product, a_session, a_user, actor_of, an_actor, an_order
from tests.unit.identity.desk import Desk

STAFF = an_actor(Role.STAFF)
ADMIN = an_actor(Role.ADMIN)
NOBODY = UserId(an_actor().id)

Act = Callable[[Desk, Actor, UserId], Awaitable[object]]


def revise(desk: Desk, actor: Actor, id: UserId) -> Awaitable[object]:
    return desk.administration.revise(actor, id, {"full_name": "Somebody Else"})


def demote(desk: Desk, actor: Actor, id: UserId) -> Awaitable[object]:
    return desk.administration.revise(actor, id, {}, role=Role.CUSTOMER)


def promote(desk: Desk, actor: Actor, id: UserId) -> Awaitable[object]:
    return desk.administration.revise(actor, id, {}, role=Role.ADMIN)


def activate(desk: Desk, actor: Actor, id: UserId) -> Awaitable[object]:
    return desk.administration.activate(actor, id)


def deactivate(desk: Desk, actor: Actor, id: UserId) -> Awaitable[object]:
    return desk.administration.deactivate(actor, id)


def delete(desk: Desk, actor: Actor, id: UserId) -> Awaitable[object]:
    return desk.administration.delete(actor, id)


def set_password(desk: Desk, actor: Actor, id: UserId) -> Awaitable[object]:
    return desk.administration.set_password(actor, id, "Another horse 9")


EVERYTHING: list[Act] = [revise, demote, promote, activate, deactivate, delete, set_password]
FOR_ADMINS: list[Act] = [demote, delete, set_password]


async def make_admin(desk: Desk, username: str = "root", email: str | None = None) -> User:
    user, _ = await desk.administration.create_admin(
        OPERATOR, username=username, email=email or f"{username}@example.com", password=PASSWORD
    )
    return user


async def test_the_first_administrator_is_made_at_the_machine(desk: Desk) -> None:
    admin, is_new = await desk.administration.create_admin(
        OPERATOR, username="root", email="root@example.com", password=PASSWORD
    )
    assert is_new
    assert desk.shop.now(admin).role is Role.ADMIN
    await desk.sign_in("root", PASSWORD)


async def test_making_an_administrator_twice_changes_nothing(desk: Desk) -> None:
    first = await make_admin(desk)
    second, is_new = await desk.administration.create_admin(
        OPERATOR, username="ROOT", email="other@example.com", password="Another horse 9"
    )
    assert not is_new
    assert second.id == first.id
    assert desk.shop.count(User) == 1
    assert desk.shop.now(first).password_hash == f"plain:{PASSWORD}"
    assert desk.shop.now(first).version == 1
    assert desk.shop.events == ["user.registered"]


async def test_a_customer_of_that_name_is_not_promoted_by_it(desk: Desk) -> None:
    customer = await desk.user("root")
    found, is_new = await desk.administration.create_admin(
        OPERATOR, username="root", email="root@example.com", password=PASSWORD
    )
    assert (found.id, found.role, is_new) == (customer.id, Role.CUSTOMER, False)


async def test_an_administrator_needs_an_address_of_their_own(desk: Desk) -> None:
    await desk.shop.keep(a_user(email="root@example.com"))
    with pytest.raises(EmailTaken):
        await make_admin(desk)
    assert desk.shop.count(User) == 1


async def test_nobody_but_an_administrator_makes_another(desk: Desk) -> None:
    for actor in (an_actor(), STAFF):
        with pytest.raises(Forbidden):
            await desk.administration.create_admin(
                actor, username="root", email="root@example.com", password=PASSWORD
            )
    assert desk.shop.count(User) == 0


@pytest.mark.parametrize("act", EVERYTHING)
async def test_customers_do_nothing_to_others_or_themselves(desk: Desk, act: Act) -> None:
    ada, bob = await desk.user("ada"), await desk.user("bob")
    for user in (ada, bob):
        with pytest.raises(Forbidden):
            await act(desk, actor_of(ada), UserId(user.id))
        assert state_of(desk.shop.now(user)) == state_of(user)
    assert desk.shop.events == []


async def test_customers_look_at_nobody(desk: Desk) -> None:
    ada = await desk.user("ada")
    with pytest.raises(Forbidden):
        await desk.administration.user(actor_of(ada), UserId(ada.id))
    with pytest.raises(Forbidden):
        await desk.administration.id_of(actor_of(ada), "ada")
    with pytest.raises(Forbidden):
        await desk.administration.list(
            actor_of(ada), PageRequest(sort=Sort("username"), limit=10), UserFilter()
        )


async def test_staff_finds_users_and_sees_no_hash(desk: Desk) -> None:
    ada, _ = await desk.user("ada"), await desk.user("bob", is_active=False)
    assert await desk.administration.user(STAFF, UserId(ada.id)) == UserDetails.of(ada)
    assert await desk.administration.id_of(STAFF, "ADA@example.com") == ada.id
    page = await desk.administration.list(
        STAFF, PageRequest(sort=Sort("username"), limit=10), UserFilter(is_active=True)
    )
    assert page.items == [UserDetails.of(ada)]
    assert "plain:" not in repr(page)


async def test_who_is_not_there_is_not_found(desk: Desk) -> None:
    with pytest.raises(UserNotFound):
        await desk.administration.user(STAFF, NOBODY)
    with pytest.raises(UserNotFound):
        await desk.administration.id_of(STAFF, "nobody")


@pytest.mark.parametrize("act", EVERYTHING)
async def test_nothing_is_done_to_nobody(desk: Desk, act: Act) -> None:
    with pytest.raises(UserNotFound):
        await act(desk, ADMIN, NOBODY)


@pytest.mark.parametrize("act", EVERYTHING)
async def test_staff_does_not_touch_an_administrator(desk: Desk, act: Act) -> None:
    admin, _ = await desk.user("root", role=Role.ADMIN), await desk.user("toor", role=Role.ADMIN)
    if act is promote:  # to what they are already
        act = revise
    with pytest.raises(Forbidden):
        await act(desk, STAFF, UserId(admin.id))
    assert state_of(desk.shop.now(admin)) == state_of(admin)
    assert desk.shop.events == []


@pytest.mark.parametrize("act", FOR_ADMINS)
async def test_roles_passwords_and_deletions_are_for_administrators(desk: Desk, act: Act) -> None:
    colleague = await desk.user("grace", role=Role.STAFF)
    with pytest.raises(Forbidden):
        await act(desk, STAFF, UserId(colleague.id))
    assert state_of(desk.shop.now(colleague)) == state_of(colleague)
    await act(desk, ADMIN, UserId(colleague.id))
    assert len(desk.shop.events) == 1


async def test_staff_does_not_promote_itself(desk: Desk) -> None:
    grace = await desk.user("grace", role=Role.STAFF)
    with pytest.raises(Forbidden):
        await promote(desk, actor_of(grace), UserId(grace.id))
    assert desk.shop.now(grace).role is Role.STAFF


async def test_a_refused_role_takes_the_rest_of_the_revision_with_it(desk: Desk) -> None:
    ada = await desk.user("ada")
    with pytest.raises(Forbidden):
        await desk.administration.revise(
            STAFF, UserId(ada.id), {"full_name": "Ada Lovelace"}, role=Role.STAFF
        )
    assert desk.shop.now(ada).full_name is None
    assert desk.shop.events == []


async def test_staff_may_name_the_role_that_somebody_has(desk: Desk) -> None:
    ada = await desk.user("ada")
    await desk.administration.revise(STAFF, UserId(ada.id), {"bio": "Poet"}, role=Role.CUSTOMER)
    assert desk.shop.now(ada).bio == "Poet"
    assert desk.shop.events == ["user.changed"]


async def test_an_administrator_revises_and_promotes_in_one_go(desk: Desk) -> None:
    ada = await desk.user("ada")
    desk.clock.move(minutes=1)
    user = await desk.administration.revise(
        ADMIN, UserId(ada.id), {"full_name": "Ada Lovelace"}, role=Role.STAFF, expected={1}
    )
    stored = desk.shop.now(ada)
    assert (stored.full_name, stored.role, stored.version) == ("Ada Lovelace", Role.STAFF, 2)
    assert stored.updated_at == desk.clock()
    assert UserDetails.of(user) == UserDetails.of(stored)
    assert desk.shop.events == ["user.changed", "user.promoted"]


async def test_a_name_that_somebody_else_has_is_not_given_again(desk: Desk) -> None:
    ada, _ = await desk.user("ada"), await desk.user("bob")
    with pytest.raises(UsernameTaken):
        await desk.administration.revise(STAFF, UserId(ada.id), {"username": "BOB"})
    with pytest.raises(EmailTaken):
        await desk.administration.revise(STAFF, UserId(ada.id), {"email": "BOB@example.com"})
    assert state_of(desk.shop.now(ada)) == state_of(ada)


@pytest.mark.parametrize("act", ["activate", "deactivate", "delete", "revise"])
async def test_who_knows_an_old_version_decides_nothing(desk: Desk, act: str) -> None:
    ada = await desk.user("ada")
    revision = {"changes": {"bio": "Poet"}} if act == "revise" else {}
    with pytest.raises(StaleVersion) as stale:
        await getattr(desk.administration, act)(ADMIN, UserId(ada.id), **revision, expected={7})
    assert stale.value.details == {"version": 1}
    assert state_of(desk.shop.now(ada)) == state_of(ada)


async def test_a_deactivated_user_is_signed_out_everywhere_until_activated(desk: Desk) -> None:
    ada = await desk.user("ada")
    await desk.user("bob")
    first, second, bobs = await desk.sign_in(), await desk.sign_in(), await desk.sign_in("bob")
    desk.shop.database.outbox.clear()

    await desk.administration.deactivate(STAFF, UserId(ada.id))
    assert desk.session_of(first).ended_at == desk.session_of(second).ended_at == desk.clock()
    assert desk.session_of(bobs).ended_at is None
    assert sorted(desk.shop.events) == ["session.ended", "session.ended", "user.deactivated"]
    reasons = {entry.payload.get("reason") for entry in desk.shop.database.outbox}
    assert reasons == {None, "user deactivated"}
    with pytest.raises(InvalidCredentials):
        await desk.signing_in.with_refresh_token(first.refresh_token)
    with pytest.raises(InvalidCredentials):
        await desk.sign_in("ada", PASSWORD)

    await desk.administration.activate(STAFF, UserId(ada.id))
    await desk.sign_in("ada", PASSWORD)
    with pytest.raises(InvalidCredentials):
        await desk.signing_in.with_refresh_token(second.refresh_token)


async def test_deactivating_twice_tells_nothing_twice(desk: Desk) -> None:
    ada = await desk.user("ada")
    await desk.administration.deactivate(STAFF, UserId(ada.id))
    await desk.administration.deactivate(STAFF, UserId(ada.id))
    assert desk.shop.events == ["user.deactivated"]
    assert desk.shop.now(ada).version == 2


@pytest.mark.parametrize("act", [demote, deactivate, delete])
async def test_the_last_active_administrator_stays(desk: Desk, act: Act) -> None:
    root = await desk.user("root", role=Role.ADMIN)
    await desk.user("toor", role=Role.ADMIN, is_active=False)
    await desk.user("grace", role=Role.STAFF)
    for actor in (actor_of(root), ADMIN, OPERATOR):
        with pytest.raises(LastAdmin) as refused:
            await act(desk, actor, UserId(root.id))
        assert isinstance(refused.value, Conflict)
        assert refused.value.code == "last-admin"
    assert state_of(desk.shop.now(root)) == state_of(root)
    assert desk.shop.events == []


@pytest.mark.parametrize("act", [demote, deactivate, delete])
async def test_one_administrator_of_two_may_go(desk: Desk, act: Act) -> None:
    root, toor = (
        await desk.user("root", role=Role.ADMIN),
        await desk.user("toor", role=Role.ADMIN),
    )
    await act(desk, actor_of(root), UserId(root.id))
    with pytest.raises(LastAdmin):
        await act(desk, OPERATOR, UserId(toor.id))


@pytest.mark.parametrize("act", [demote, deactivate, delete])
async def test_two_administrators_cannot_be_rid_of_each_other_at_once(desk: Desk, act: Act) -> None:
    root, toor = (
        await desk.user("root", role=Role.ADMIN),
        await desk.user("toor", role=Role.ADMIN),
    )
    outcomes = await asyncio.gather(
        act(desk, actor_of(root), UserId(toor.id)),
        act(desk, actor_of(toor), UserId(root.id)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, LastAdmin) for outcome in outcomes) == 1
    admins = [
        user for user in desk.shop.database.all(User) if user.role is Role.ADMIN and user.is_active
    ]
    assert len(admins) == 1


@pytest.mark.parametrize("act", [demote, delete])
async def test_an_administrator_who_is_deactivated_is_not_the_last(desk: Desk, act: Act) -> None:
    await desk.user("root", role=Role.ADMIN)
    gone = await desk.user("gone", role=Role.ADMIN, is_active=False)
    await act(desk, ADMIN, UserId(gone.id))
    assert len(desk.shop.events) == 1


async def test_a_user_who_was_deleted_is_gone_with_their_sessions(desk: Desk) -> None:
    ada, bob = await desk.user("ada"), await desk.user("bob")
    hers, his = a_session(ada)[0], a_session(bob)[0]
    await desk.shop.keep(hers, his)
    await desk.administration.delete(ADMIN, UserId(ada.id))
    assert not desk.shop.is_there(ada)
    assert not desk.shop.is_there(hers)
    assert desk.shop.is_there(his)
    assert desk.shop.events == ["user.deleted"]
    # The name is free again.
    await desk.user("ada")


async def test_a_customer_with_orders_stays_in_the_books(desk: Desk) -> None:
    ada, product = await desk.user("ada"), a_product()
    session, _ = a_session(ada)
    await desk.shop.keep(product, an_order(product, customer=ada), session)
    with pytest.raises(InUse):
        await desk.administration.delete(ADMIN, UserId(ada.id))
    assert state_of(desk.shop.now(ada)) == state_of(ada)
    assert desk.shop.is_there(session)
    assert desk.shop.events == []


async def test_another_password_ends_every_session(desk: Desk) -> None:
    ada = await desk.user("ada")
    grant = await desk.sign_in()
    desk.shop.database.outbox.clear()
    desk.clock.move(minutes=1)
    await desk.administration.set_password(ADMIN, UserId(ada.id), "Another horse 9")
    assert desk.session_of(grant).ended_at == desk.clock()
    assert desk.shop.now(ada).password_hash == "plain:Another horse 9"
    assert sorted(desk.shop.events) == ["session.ended", "user.password_changed"]
    reasons = {entry.payload.get("reason") for entry in desk.shop.database.outbox}
    assert reasons == {None, "password changed"}
    with pytest.raises(InvalidCredentials):
        await desk.sign_in("ada", PASSWORD)
    await desk.sign_in("ada", "Another horse 9")


async def test_a_weak_password_is_given_to_nobody(desk: Desk) -> None:
    ada = await desk.user("ada")
    with pytest.raises(InvalidValue):
        await desk.administration.set_password(ADMIN, UserId(ada.id), "weak")
    assert state_of(desk.shop.now(ada)) == state_of(ada)


async def test_somebody_registered_without_a_password_gets_one(desk: Desk) -> None:
    ada = a_user(username="ada")
    ada.password_hash = "!"
    await desk.shop.keep(ada)
    await desk.administration.set_password(ADMIN, UserId(ada.id), PASSWORD)
    await desk.sign_in("ada", PASSWORD)
    assert desk.shop.count(Session) == 1


async def test_deactivation_and_a_sign_in_at_once_leave_no_session_open(desk: Desk) -> None:
    ada = await desk.user("ada")
    outcomes = await asyncio.gather(
        desk.sign_in(),
        desk.administration.deactivate(STAFF, UserId(ada.id)),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], User)
    later = desk.clock() + timedelta(seconds=1)
    assert not [session for session in desk.shop.database.all(Session) if session.is_open(at=later)]

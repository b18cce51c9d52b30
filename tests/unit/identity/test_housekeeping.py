from datetime import timedelta

import pytest

from application.identity.housekeeping import Cleared, Tidied
from application.identity.signing_in import InvalidCredentials
from domain.identity.session import Session
from domain.identity.user import Role, User
from domain.shared.errors import Forbidden
from tests.builders import (
    NOON,
    a_product,
    a_session,
    a_user,
    an_actor,
    an_order,
)
from tests.unit.identity.desk import Desk

ADMIN = an_actor(Role.ADMIN)
IDLE = timedelta(days=90)


def a_user_seen(
    *,
    registered: int,
    signed_in: int | None = None,
    role: Role = Role.CUSTOMER,
    is_active: bool = True,
) -> User:
    """Registered, and last signed in, so many days before noon."""
    user = a_user(role=role, is_active=is_active, at=NOON - timedelta(days=registered))
    if signed_in is not None:
        user.sign_in(at=NOON - timedelta(days=signed_in))
    return user


async def test_whoever_has_not_signed_in_for_so_long_is_deactivated(desk: Desk) -> None:
    regular = a_user_seen(registered=500, signed_in=1)
    lapsed = a_user_seen(registered=500, signed_in=91)
    newcomer = a_user_seen(registered=89)
    never = a_user_seen(registered=91)
    staff = a_user_seen(registered=500, signed_in=400, role=Role.STAFF)
    await desk.shop.keep(regular, lapsed, newcomer, never, staff)
    assert await desk.housekeeping.deactivate_idle(ADMIN, IDLE) == 3
    everybody = (regular, lapsed, newcomer, never, staff)
    assert [desk.shop.now(user).is_active for user in everybody] == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert desk.shop.events == ["user.deactivated"] * 3
    assert desk.shop.now(lapsed).updated_at == NOON


async def test_a_day_short_of_it_is_not_so_long(desk: Desk) -> None:
    just = a_user_seen(registered=90)
    await desk.shop.keep(just)
    assert await desk.housekeeping.deactivate_idle(ADMIN, IDLE) == 0
    desk.clock.move(seconds=0.000001)
    assert await desk.housekeeping.deactivate_idle(ADMIN, IDLE) == 1


async def test_administrators_and_the_deactivated_are_left_alone(desk: Desk) -> None:
    admin = a_user_seen(registered=500, role=Role.ADMIN)
    gone = a_user_seen(registered=500, is_active=False)
    await desk.shop.keep(admin, gone)
    assert await desk.housekeeping.deactivate_idle(ADMIN, IDLE) == 0
    assert desk.shop.now(admin).is_active
    assert desk.shop.now(gone).version == 1
    assert desk.shop.events == []


async def test_the_idle_are_signed_out_everywhere(desk: Desk) -> None:
    lapsed = a_user_seen(registered=500, signed_in=91)
    session, token = a_session(lapsed, lifetime=timedelta(days=365))
    await desk.shop.keep(lapsed, session)
    await desk.housekeeping.deactivate_idle(ADMIN, IDLE)
    assert desk.shop.now(session).ended_at == NOON
    assert sorted(desk.shop.events) == ["session.ended", "user.deactivated"]
    with pytest.raises(InvalidCredentials):
        await desk.signing_in.with_refresh_token(str(token))


async def test_the_deactivated_are_deleted_unless_the_books_need_them(desk: Desk) -> None:
    buyer, stranger, third = (a_user(is_active=False) for _ in range(3))
    active, product = a_user(), a_product()
    sessions = [a_session(user)[0] for user in (buyer, stranger)]
    order = an_order(product, customer=buyer)
    await desk.shop.keep(buyer, stranger, third, active, product, order, *sessions)
    assert await desk.housekeeping.delete_deactivated(ADMIN) == Cleared(deleted=2, kept=1)
    assert [desk.shop.is_there(user) for user in (buyer, stranger, third, active)] == [
        True,
        False,
        False,
        True,
    ]
    assert [desk.shop.is_there(session) for session in sessions] == [True, False]
    assert desk.shop.events == ["user.deleted", "user.deleted"]
    told = {entry.aggregate_id for entry in desk.shop.database.outbox}
    assert told == {stranger.id, third.id}


async def test_a_clean_house_stays_as_it_is(desk: Desk) -> None:
    assert await desk.housekeeping.delete_deactivated(ADMIN) == Cleared(deleted=0, kept=0)
    assert await desk.housekeeping.deactivate_idle(ADMIN, IDLE) == 0


async def test_what_is_over_and_forgotten_is_tidied_away(desk: Desk) -> None:
    await desk.user("ada")
    await desk.sign_in("ada")
    await desk.guess("somebody")
    assert await desk.housekeeping.tidy(ADMIN) == Tidied(sessions=0, attempts=0)
    desk.clock.move(days=365)
    assert await desk.housekeeping.tidy(ADMIN) == Tidied(sessions=1, attempts=2)
    assert desk.shop.count(Session) == 0


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.STAFF])
async def test_only_administrators_keep_house(desk: Desk, role: Role) -> None:
    gone = a_user_seen(registered=500, is_active=False)
    lapsed = a_user_seen(registered=500)
    await desk.shop.keep(gone, lapsed)
    with pytest.raises(Forbidden):
        await desk.housekeeping.delete_deactivated(an_actor(role))
    with pytest.raises(Forbidden):
        await desk.housekeeping.deactivate_idle(an_actor(role), IDLE)
    with pytest.raises(Forbidden):
        await desk.housekeeping.tidy(an_actor(role))
    assert desk.shop.is_there(gone)
    assert desk.shop.now(lapsed).is_active

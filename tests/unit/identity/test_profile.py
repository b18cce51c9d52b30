from collections.abc import Awaitable, Callable

import pytest

from application.identity.actor import OPERATOR, Unauthenticated
from application.identity.queries import UserDetails
from application.identity.signing_in import InvalidCredentials
from application.shared.errors import StaleVersion
from domain.identity.attempts import TooManyAttempts
from domain.identity.user import EmailTaken, Role, User, UserId, UsernameTaken
from domain.shared.errors import InvalidValue
from infrastructure.memory.copying import state_of
from tests.builders import PASSWORD, actor_of, an_actor
from tests.unit.identity.desk import WRONG, Desk

ANOTHER = "Another horse 9"


async def test_everybody_sees_themselves(desk: Desk) -> None:
    ada = await desk.user("ada")
    assert await desk.profile.own(actor_of(ada)) == UserDetails.of(ada)


async def test_who_was_deleted_a_moment_ago_is_nobody(desk: Desk) -> None:
    nobody = an_actor()
    with pytest.raises(Unauthenticated):
        await desk.profile.own(nobody)
    with pytest.raises(Unauthenticated):
        await desk.profile.revise(nobody, {"bio": "Poet"})
    with pytest.raises(Unauthenticated):
        await desk.profile.change_password(nobody, old=PASSWORD, new=ANOTHER)


async def test_everybody_revises_themselves(desk: Desk) -> None:
    ada = await desk.user("ada")
    desk.clock.move(minutes=1)
    user = await desk.profile.revise(
        actor_of(ada), {"username": "Ada_1815", "bio": "Poet"}, expected={1}
    )
    stored = desk.shop.now(ada)
    assert (stored.username, stored.username_key, stored.bio) == ("Ada_1815", "ada_1815", "Poet")
    assert (stored.updated_at, stored.version) == (desk.clock(), 2)
    assert UserDetails.of(user) == UserDetails.of(stored)
    assert desk.shop.events == ["user.changed"]


async def test_nobody_takes_the_name_of_somebody_else(desk: Desk) -> None:
    ada, _ = await desk.user("ada"), await desk.user("bob")
    with pytest.raises(UsernameTaken):
        await desk.profile.revise(actor_of(ada), {"username": "BOB"})
    with pytest.raises(EmailTaken):
        await desk.profile.revise(actor_of(ada), {"email": "BOB@example.com"})
    assert state_of(desk.shop.now(ada)) == state_of(ada)


async def test_who_knows_an_old_version_of_themselves_changes_nothing(desk: Desk) -> None:
    ada = await desk.user("ada")
    with pytest.raises(StaleVersion):
        await desk.profile.revise(actor_of(ada), {"bio": "Poet"}, expected={7})
    assert state_of(desk.shop.now(ada)) == state_of(ada)


async def test_one_sees_where_one_is_signed_in_the_last_used_first(desk: Desk) -> None:
    ada = await desk.user("ada")
    await desk.user("bob")
    await desk.sign_in("bob", client="bob's phone")
    phone = await desk.sign_in("ada", client="phone")
    desk.clock.move(minutes=1)
    laptop = await desk.sign_in("ada", client="laptop")
    desk.clock.move(minutes=1)
    ended = await desk.sign_in("ada", client="library")
    await desk.signing_in.revoke(ended.refresh_token)

    async def clients() -> list[str | None]:
        return [session.client for session in await desk.profile.own_sessions(actor_of(ada))]

    assert await clients() == ["laptop", "phone"]
    await desk.signing_in.with_refresh_token(phone.refresh_token)
    assert await clients() == ["phone", "laptop"]
    desk.clock.move(days=29)
    await desk.signing_in.with_refresh_token(laptop.refresh_token)
    desk.clock.move(days=2)
    assert await clients() == ["laptop"]


async def test_another_password_ends_every_session_this_one_included(desk: Desk) -> None:
    ada = await desk.user("ada")
    await desk.user("bob")
    here, there, bobs = await desk.sign_in(), await desk.sign_in(), await desk.sign_in("bob")
    desk.shop.database.outbox.clear()
    desk.clock.move(minutes=1)
    await desk.profile.change_password(desk.session_actor(ada, here), old=PASSWORD, new=ANOTHER)
    assert desk.session_of(here).ended_at == desk.session_of(there).ended_at == desk.clock()
    assert desk.session_of(bobs).ended_at is None
    assert sorted(desk.shop.events) == ["session.ended"] * 2 + ["user.password_changed"]
    with pytest.raises(InvalidCredentials):
        await desk.sign_in("ada", PASSWORD)
    await desk.sign_in("ada", ANOTHER)


async def test_nobody_changes_a_password_without_knowing_the_old_one(desk: Desk) -> None:
    ada = await desk.user("ada")
    grant = await desk.sign_in()
    before = state_of(desk.shop.now(ada))
    with pytest.raises(InvalidCredentials):
        await desk.profile.change_password(actor_of(ada), old=WRONG, new=ANOTHER)
    assert state_of(desk.shop.now(ada)) == before
    assert desk.session_of(grant).is_open(at=desk.clock())


async def test_passwords_may_be_typed_on_another_keyboard(desk: Desk) -> None:
    ada = await desk.user("ada")
    actor = actor_of(ada)
    await desk.profile.change_password(actor, old=PASSWORD, new="Cafe\u0301 1234")
    assert desk.shop.now(ada).password_hash == "plain:Caf\u00e9 1234"
    await desk.profile.change_password(actor, old="Cafe\u0301 1234", new=ANOTHER)
    await desk.sign_in("ada", ANOTHER)


async def test_guesses_at_the_old_password_are_counted(desk: Desk) -> None:
    ada = await desk.user("ada")
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await desk.profile.change_password(actor_of(ada), old=WRONG, new=ANOTHER)
    with pytest.raises(TooManyAttempts):
        await desk.profile.change_password(actor_of(ada), old=PASSWORD, new=ANOTHER)
    assert len(desk.hasher.asked) == 5
    assert desk.shop.now(ada).password_hash == f"plain:{PASSWORD}"

    desk.clock.move(seconds=1)
    await desk.profile.change_password(actor_of(ada), old=PASSWORD, new=ANOTHER)
    for _ in range(4):
        with pytest.raises(InvalidCredentials):
            await desk.profile.change_password(actor_of(ada), old=WRONG, new=PASSWORD)
    await desk.profile.change_password(actor_of(ada), old=ANOTHER, new=PASSWORD)


async def test_a_new_password_that_is_too_weak_costs_no_attempt(desk: Desk) -> None:
    ada = await desk.user("ada")
    for _ in range(10):
        with pytest.raises(InvalidValue) as refused:
            await desk.profile.change_password(actor_of(ada), old=PASSWORD, new="weak")
        assert refused.value.details["field"] == "new_password"
    await desk.profile.change_password(actor_of(ada), old=PASSWORD, new=ANOTHER)


async def set_password(desk: Desk, ada: User) -> None:
    await desk.administration.set_password(OPERATOR, UserId(ada.id), "Third horse 9")


async def delete(desk: Desk, ada: User) -> None:
    await desk.administration.delete(OPERATOR, UserId(ada.id))


@pytest.mark.parametrize(
    ("happens", "refusal"), [(set_password, InvalidCredentials), (delete, Unauthenticated)]
)
async def test_what_happens_while_the_old_password_is_hashed_counts(
    desk: Desk,
    happens: Callable[[Desk, User], Awaitable[None]],
    refusal: type[Exception],
) -> None:
    ada = await desk.user("ada", role=Role.STAFF)

    async def meanwhile() -> None:
        desk.hasher.meanwhile = None
        await happens(desk, ada)

    desk.hasher.meanwhile = meanwhile
    with pytest.raises(refusal):
        await desk.profile.change_password(actor_of(ada), old=PASSWORD, new=ANOTHER)
    with pytest.raises(InvalidCredentials):
        await desk.sign_in("ada", ANOTHER)

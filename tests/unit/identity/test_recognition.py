import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

import pytest

from application.identity import recognition
from application.identity.actor import OPERATOR, Actor, Unauthenticated
from application.identity.ports import Holder
from application.identity.queries import SessionQueries, Standing
from application.identity.recognition import BELIEVED, Recognition
from application.identity.signing_in import Grant
from domain.identity.session import SessionId
from domain.identity.user import Role, User, UserId
from infrastructure.memory.identity import MemorySessionQueries
from tests.builders import PASSWORD, actor_of
from tests.unit.identity.desk import Desk
from tests.unit.shop import Shop


class Counting(MemorySessionQueries):
    """Counts how often it is asked, and gives its answers when it is let to."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop.database)
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()

    async def standing(self, id: SessionId, *, at: datetime) -> Standing | None:
        self.asked += 1
        found = await super().standing(id, at=at)
        self.was_asked.set()
        await self.answering.wait()
        return found


@dataclass(slots=True)
class Door:
    """Where tokens are shown, in a process that hears of what it commits itself."""

    desk: Desk
    sessions: Counting
    seconds: float = 0
    recognition: Recognition = field(init=False)

    def __post_init__(self) -> None:
        self.recognition = Recognition(
            self.desk.tokens, self.ask, self.desk.clock, lambda: self.seconds
        )
        self.desk.shop.listener = self.recognition.heard

    def ask(self) -> SessionQueries:
        return self.sessions

    async def recognise(self, grant: Grant) -> Actor:
        return await self.recognition.actor(grant.access_token)

    async def turn_away(self, grant: Grant) -> None:
        with pytest.raises(Unauthenticated) as refused:
            await self.recognise(grant)
        assert refused.value.code == "unauthenticated"


@pytest.fixture
def door(desk: Desk) -> Door:
    return Door(desk, Counting(desk.shop))


async def elsewhere(desk: Desk, user: User, role: Role) -> None:
    """Another process changes the user's role, and this one hears nothing of it."""
    listener, desk.shop.listener = desk.shop.listener, lambda _: None
    await desk.administration.revise(OPERATOR, UserId(user.id), {}, role=role)
    desk.shop.listener = listener


async def test_an_access_token_shows_who_asks_and_in_which_session(desk: Desk, door: Door) -> None:
    ada = await desk.user("ada", role=Role.STAFF)
    grant = await desk.sign_in()
    session_id = SessionId(desk.session_of(grant).id)
    assert await door.recognise(grant) == Actor(UserId(ada.id), Role.STAFF, session_id)


async def test_what_is_known_is_believed_for_a_second(desk: Desk, door: Door) -> None:
    ada = await desk.user("ada")
    grant = await desk.sign_in()
    assert (await door.recognise(grant)).role is Role.CUSTOMER
    await elsewhere(desk, ada, Role.STAFF)
    door.seconds = BELIEVED - 0.001
    assert (await door.recognise(grant)).role is Role.CUSTOMER
    assert door.sessions.asked == 1
    door.seconds = BELIEVED
    assert (await door.recognise(grant)).role is Role.STAFF
    assert door.sessions.asked == 2


async def test_one_question_is_asked_for_all_who_come_meanwhile(desk: Desk, door: Door) -> None:
    await desk.user("ada")
    grant = await desk.sign_in()
    door.sessions.answering.clear()
    coming = [asyncio.create_task(door.recognise(grant)) for _ in range(5)]
    await door.sessions.was_asked.wait()
    coming[0].cancel()
    door.sessions.answering.set()
    ends = await asyncio.gather(*coming, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError, *[Actor] * 4]
    assert door.sessions.asked == 1


async def test_to_be_recognised_often_does_not_make_it_last(desk: Desk, door: Door) -> None:
    await desk.user("ada")
    grant = await desk.sign_in()
    for tenth in range(20):
        door.seconds = tenth / 10
        await door.recognise(grant)
    assert door.sessions.asked == 2


async def test_what_happens_to_a_user_here_is_known_at_once(desk: Desk, door: Door) -> None:
    ada = await desk.user("ada")
    grant = await desk.sign_in()
    await door.recognise(grant)
    await desk.administration.revise(OPERATOR, UserId(ada.id), {}, role=Role.STAFF)
    assert (await door.recognise(grant)).role is Role.STAFF


async def test_a_token_stops_working_at_once_when_its_session_or_user_does(
    desk: Desk, door: Door
) -> None:
    ada = await desk.user("ada")
    id = UserId(ada.id)

    async def recognised() -> Grant:
        grant = await desk.sign_in()
        await door.recognise(grant)
        return grant

    grant = await recognised()
    await desk.signing_in.revoke(grant.access_token)
    await door.turn_away(grant)

    grant = await recognised()
    await desk.signing_in.end_all(actor_of(ada))
    await door.turn_away(grant)

    grant = await recognised()
    await desk.profile.change_password(actor_of(ada), old=PASSWORD, new=PASSWORD)
    await door.turn_away(grant)

    grant = await recognised()
    await desk.administration.deactivate(OPERATOR, id)
    await door.turn_away(grant)

    await desk.administration.activate(OPERATOR, id)
    await door.turn_away(grant)

    grant = await recognised()
    await desk.administration.delete(OPERATOR, id)
    await door.turn_away(grant)


async def test_what_happens_to_one_user_does_not_make_others_forgotten(
    desk: Desk, door: Door
) -> None:
    await desk.user("ada")
    bob = await desk.user("bob")
    grant = await desk.sign_in("ada")
    await door.recognise(grant)
    await desk.administration.deactivate(OPERATOR, UserId(bob.id))
    await door.recognise(grant)
    assert door.sessions.asked == 1


async def test_what_happens_while_somebody_is_looked_up_is_not_missed(
    desk: Desk, door: Door
) -> None:
    ada = await desk.user("ada")
    grant = await desk.sign_in()
    door.sessions.answering.clear()
    asking = asyncio.create_task(door.recognise(grant))
    await door.sessions.was_asked.wait()
    await desk.administration.deactivate(OPERATOR, UserId(ada.id))
    door.sessions.answering.set()
    await asking  # asked when it was still true
    await door.turn_away(grant)


async def test_a_session_that_expires_is_over_within_a_second(desk: Desk, door: Door) -> None:
    await desk.user("ada")
    grant = await desk.sign_in()
    await door.recognise(grant)
    desk.clock.move(days=30)
    door.seconds = BELIEVED
    await door.turn_away(grant)


async def test_that_there_is_no_such_session_is_believed_as_well(desk: Desk, door: Door) -> None:
    holder = Holder(UserId(uuid4()), SessionId(uuid4()))
    grant = Grant(desk.tokens.issue(holder), 900, "")
    for _ in range(3):
        await door.turn_away(grant)
    assert door.sessions.asked == 1


async def test_nobody_borrows_the_session_of_somebody_else(desk: Desk, door: Door) -> None:
    await desk.user("ada")
    bob = await desk.user("bob")
    adas = await desk.sign_in("ada")
    session_id = SessionId(desk.session_of(adas).id)
    borrowed = Grant(desk.tokens.issue(Holder(UserId(bob.id), session_id)), 900, "")
    await door.turn_away(borrowed)
    await door.recognise(adas)
    await door.turn_away(borrowed)


@pytest.mark.parametrize("token", ["", "nonsense", "access of nobody"])
async def test_what_is_no_token_is_not_looked_up(door: Door, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await door.recognition.actor(token)
    assert door.sessions.asked == 0


async def test_a_refresh_token_is_no_access_token(desk: Desk, door: Door) -> None:
    await desk.user("ada")
    grant = await desk.sign_in()
    with pytest.raises(Unauthenticated):
        await door.recognition.actor(grant.refresh_token)


async def test_only_so_many_are_remembered(
    desk: Desk, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "MOST", 10)
    await desk.user("ada")
    grants = [await desk.sign_in() for _ in range(25)]
    for grant in grants:
        await door.recognise(grant)
        assert len(door.recognition._seen) <= 10
    assert door.sessions.asked == 25
    await door.recognise(grants[-1])
    assert door.sessions.asked == 25

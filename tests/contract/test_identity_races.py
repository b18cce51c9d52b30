import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest

from application.identity.actor import Actor
from application.identity.administration import Administration
from application.identity.housekeeping import Housekeeping
from application.identity.queries import UserFilter
from application.identity.registration import NewUser, Registration
from application.identity.signing_in import Grant, SigningIn
from application.shared.unit_of_work import Runner
from domain.identity.attempts import PER_USER
from domain.identity.session import SessionId
from domain.identity.user import Role, User, UserId
from tests.builders import (
    NOON,
    PASSWORD,
    PlainHasher,
    PlainTokens,
    a_session,
    a_user,
    actor_of,
    an_actor,
    at_noon,
)
from tests.contract.backends import Backend
from tests.contract.steps import ends_of, everything

ADMIN: Final = an_actor(Role.ADMIN)
LIFETIME: Final = timedelta(days=30)


class Desk:
    """The use cases of one storage, each run to its end."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.run = Runner()
        self.hasher = PlainHasher()
        self.registration = Registration(backend.begin, self.hasher, at_noon)
        self.housekeeping = Housekeeping(backend.begin, at_noon)
        self.administration = Administration(
            backend.begin, backend.users, self.registration, self.hasher, at_noon
        )
        self.signing_in = SigningIn(
            backend.begin, backend.users, self.hasher, PlainTokens(), LIFETIME, at_noon
        )

    async def sign_in(self, user: User, *, password: str = PASSWORD) -> Grant:
        return await self.run(
            partial(
                self.signing_in.with_password,
                user.username,
                password,
                client=None,
                address="192.0.2.1",
            )
        )

    async def refresh(self, token: str) -> Grant:
        return await self.run(partial(self.signing_in.with_refresh_token, token))

    async def open_sessions(self, user: User) -> int:
        return len(await self.backend.sessions.open_of(UserId(user.id), at=NOON))

    async def admins(self) -> int:
        wanted = UserFilter(is_active=True, role=Role.ADMIN)
        return len((await self.backend.users.page(everything("username"), wanted)).items)


@pytest.fixture
def desk(backend: Backend) -> Desk:
    return Desk(backend)


async def test_of_twenty_who_use_one_refresh_token_one_gets_tokens_and_the_session_ends(
    desk: Desk,
) -> None:
    ada = a_user()
    session, token = a_session(ada)
    other, other_token = a_session(ada)
    await desk.backend.keep(ada, session, other)
    granted: list[Grant] = []

    async def use() -> None:
        granted.append(await desk.refresh(str(token)))

    ends = await ends_of([use() for _ in range(20)])

    assert ends == {"done": 1, "InvalidCredentials": 19}
    assert [entry.type for entry in await desk.backend.outbox()] == ["session.ended"]
    assert await desk.backend.sessions.standing(SessionId(session.id), at=NOON) is None
    assert await ends_of([desk.refresh(granted[0].refresh_token)]) == {"InvalidCredentials": 1}
    # What happened to one session is no matter of the other.
    assert await ends_of([desk.refresh(str(other_token))]) == {"done": 1}


async def test_of_twenty_who_register_one_address_one_succeeds(desk: Desk) -> None:
    addresses = ["ada@straße.example", "ADA@STRASSE.EXAMPLE", "Ada@strasse.example"]

    async def register(number: int) -> User:
        new = NewUser(
            username=f"ada{number}", email=addresses[number % len(addresses)], password=PASSWORD
        )
        return await desk.run(partial(desk.registration.register, new))

    ends = await ends_of([register(number) for number in range(20)])

    assert ends == {"done": 1, "EmailTaken": 19}
    users = await desk.backend.users.page(everything("username"), UserFilter())
    assert len(users.items) == 1
    assert [entry.type for entry in await desk.backend.outbox()] == ["user.registered"]


async def demote(desk: Desk, actor: Actor, id: UserId) -> None:
    await desk.administration.revise(actor, id, {}, role=Role.STAFF)


async def deactivate(desk: Desk, actor: Actor, id: UserId) -> None:
    await desk.administration.deactivate(actor, id)


async def delete(desk: Desk, actor: Actor, id: UserId) -> None:
    await desk.administration.delete(actor, id)


Deed = Callable[[Desk, Actor, UserId], Awaitable[None]]


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize(
    "deeds",
    [[demote], [deactivate], [delete], [demote, deactivate, delete]],
    ids=["demote", "deactivate", "delete", "do what they can to"],
)
async def test_of_administrators_who_turn_on_each_other_one_remains(
    desk: Desk, deeds: list[Deed], number: int
) -> None:
    dice = random.Random(3)
    for _ in range(5):
        await desk.housekeeping.delete_deactivated(ADMIN)
        await desk.backend.keep(*(admins := [a_user(role=Role.ADMIN) for _ in range(number)]))

        attempts = [
            desk.run(
                partial(
                    dice.choice(deeds), desk, actor_of(admins[place - 1]), UserId(admins[place].id)
                )
            )
            for place in range(number)
        ]
        dice.shuffle(attempts)

        assert await ends_of(attempts) == {"done": number - 1, "LastAdmin": 1}
        assert await desk.admins() == 1
        assert desk.run.retries == {}
        await retire(desk)


async def retire(desk: Desk) -> None:
    """The last one goes, as no use case lets them."""
    async with desk.backend.begin() as work:
        for admin in await work.users.active_admins():
            await work.users.remove(admin)
        await work.commit()


async def test_of_fifty_who_guess_one_password_few_are_heard(desk: Desk) -> None:
    ada = a_user()
    await desk.backend.keep(ada)

    ends = await ends_of([desk.sign_in(ada, password="Wrong horse 9") for _ in range(50)])

    assert ends == {"InvalidCredentials": PER_USER.free, "TooManyAttempts": 50 - PER_USER.free}
    assert len(desk.hasher.asked) == PER_USER.free <= 6
    # Nor does the right one help before the time is over.
    assert await ends_of([desk.sign_in(ada)]) == {"TooManyAttempts": 1}


async def test_nobody_learns_from_many_guesses_whether_a_name_is_known(desk: Desk) -> None:
    nobody = a_user()

    ends = await ends_of([desk.sign_in(nobody) for _ in range(50)])

    assert ends == {"InvalidCredentials": PER_USER.free, "TooManyAttempts": 50 - PER_USER.free}
    assert desk.hasher.asked == PER_USER.free * [None]


async def test_whoever_signs_in_from_many_places_at_once_is_in_each(desk: Desk) -> None:
    users = [a_user() for _ in range(10)]
    await desk.backend.keep(*users)

    assert await ends_of([desk.sign_in(user) for user in users for _ in range(4)]) == {"done": 40}

    assert desk.run.retries == {}
    assert [await desk.open_sessions(user) for user in users] == 10 * [4]
    # All of them came from one address, which is none the worse for it.
    assert await ends_of([desk.sign_in(user) for user in users]) == {"done": 10}


async def deactivate_idle(desk: Desk, actor: Actor, id: UserId) -> None:
    assert await desk.housekeeping.deactivate_idle(actor, timedelta(days=1)) <= 1


async def reset_password(desk: Desk, actor: Actor, id: UserId) -> None:
    await desk.administration.set_password(actor, id, "Another horse 9")


@pytest.mark.parametrize("barred_by", [deactivate, delete, reset_password])
async def test_whoever_is_barred_while_they_sign_in_is_signed_in_nowhere(
    desk: Desk, barred_by: Deed
) -> None:
    dice = random.Random(5)
    for _ in range(8):
        ada = a_user()
        session, token = a_session(ada)
        await desk.backend.keep(ada, session)
        attempts: list[Awaitable[Any]] = [
            desk.sign_in(ada),
            desk.sign_in(ada),
            desk.refresh(str(token)),
            desk.run(partial(barred_by, desk, ADMIN, UserId(ada.id))),
        ]
        dice.shuffle(attempts)

        ends = await ends_of(attempts)

        assert {*ends} <= {"done", "InvalidCredentials"}
        assert ends["done"] >= 1
        assert await desk.open_sessions(ada) == 0
        found = await desk.backend.users.find(UserId(ada.id))
        assert (found is None or not found.is_active) is (barred_by is not reset_password)


async def test_whoever_signs_in_at_the_last_moment_is_idle_or_signed_in(desk: Desk) -> None:
    dice = random.Random(7)
    for _ in range(8):
        ada = a_user(at=NOON - timedelta(days=2))
        await desk.backend.keep(ada)
        attempts: list[Awaitable[Any]] = [
            desk.sign_in(ada),
            desk.run(partial(deactivate_idle, desk, ADMIN, UserId(ada.id))),
        ]
        dice.shuffle(attempts)

        ends = await ends_of(attempts)

        found = await desk.backend.users.find(UserId(ada.id))
        assert found is not None
        assert ends == ({"done": 2} if found.is_active else {"done": 1, "InvalidCredentials": 1})
        assert await desk.open_sessions(ada) == found.is_active

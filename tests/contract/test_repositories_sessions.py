from asyncio import create_task
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import pytest

from application.shared.errors import Busy
from domain.identity.session import CLIENT_LENGTH, EndReason, Session, SessionId
from domain.identity.user import UserId
from infrastructure.memory.copying import state_of
from tests.builders import NOON, a_session, a_user
from tests.contract.backends import Backend
from tests.contract.steps import failing, session_in, waits

DAY: Final = timedelta(days=1)
SOON: Final = timedelta(microseconds=1)


async def open_sessions(backend: Backend, user_id: UserId) -> Sequence[Session]:
    async with backend.begin() as work:
        return await work.sessions.open_of(user_id)


async def end(backend: Backend, session: Session, *, at: datetime = NOON) -> bool:
    """End the session under a lock; whether it was still open."""
    async with backend.begin() as work:
        found = await session_in(work, session, lock=True)
        was_open = found.is_open(at=at)
        found.end(EndReason.SIGNED_OUT, at=at)
        await work.commit()
    return was_open


async def test_a_session_comes_back_as_it_was(backend: Backend) -> None:
    ada = a_user()
    known, _ = a_session(ada, client="Ω" * CLIENT_LENGTH)
    nameless, _ = a_session(ada, client=None, lifetime=SOON)
    await backend.keep(ada, known, nameless)

    async with backend.begin() as work:
        for session in (known, nameless):
            assert state_of(await session_in(work, session)) == state_of(session)


async def test_what_changes_about_a_session_is_kept(backend: Backend) -> None:
    ada = a_user()
    session, token = a_session(ada)
    await backend.keep(ada, session)

    async with backend.begin() as work:
        changed = await session_in(work, session, lock=True)
        following = changed.renew(token, lifetime=2 * DAY, at=NOON + SOON)
        changed.end(EndReason.PASSWORD_CHANGED, at=NOON + DAY)
        await work.commit()
    async with backend.begin() as work:
        found = await session_in(work, session)
        assert state_of(found) == state_of(changed)
    assert following is not None
    assert found.token_hash == following.hash
    assert (found.last_used_at, found.ended_at) == (NOON + SOON, NOON + DAY)
    assert found.expires_at == NOON + SOON + 2 * DAY


async def test_there_is_no_session_under_an_id_that_nobody_has(backend: Backend) -> None:
    async with backend.begin() as work:
        for lock in (False, True):
            assert await work.sessions.find(SessionId(uuid4()), lock=lock) is None
        assert await work.sessions.open_of(UserId(uuid4())) == []


async def test_of_two_who_end_a_session_the_second_waits_and_finds_it_over(
    backend: Backend,
) -> None:
    ada = a_user()
    session, _ = a_session(ada)
    await backend.keep(ada, session)

    async with backend.begin() as work:
        found = await session_in(work, session, lock=True)
        second = create_task(end(backend, session))
        assert await waits(second)
        found.end(EndReason.SIGNED_OUT, at=NOON)
        await work.commit()

    assert not await second
    assert [entry.type for entry in await backend.outbox()] == ["session.ended"]


async def test_a_locked_session_is_seen_as_it_is_now_in_the_object_in_hand(
    overlapping: Backend,
) -> None:
    ada = a_user()
    session, _ = a_session(ada)
    await overlapping.keep(ada, session)

    async with overlapping.begin() as work:
        in_hand = await session_in(work, session)
        assert await end(overlapping, session)
        assert in_hand.ended_at is None
        assert await session_in(work, session, lock=True) is in_hand
        assert in_hand.ended_at == NOON


async def test_whoever_waits_too_long_for_a_session_is_told_so(impatient: Backend) -> None:
    ada = a_user()
    session, _ = a_session(ada)
    await impatient.keep(ada, session)

    async with impatient.begin() as work:
        await session_in(work, session, lock=True)
        with pytest.raises(Busy):
            await end(impatient, session)


async def test_the_sessions_of_a_user_are_those_that_nobody_has_ended(backend: Backend) -> None:
    ada, bob = a_user(), a_user()
    of_ada = [a_session(ada, at=NOON - number * DAY)[0] for number in range(5)]
    expired, _ = a_session(ada, lifetime=SOON, at=NOON - DAY)
    of_ada[2].end(EndReason.SIGNED_OUT, at=NOON)
    await backend.keep(ada, bob, *of_ada, expired, a_session(bob)[0])

    found = await open_sessions(backend, UserId(ada.id))

    still_open = [*of_ada[:2], *of_ada[3:], expired]
    assert [session.id for session in found] == sorted(session.id for session in still_open)


async def test_whoever_ends_all_sessions_waits_for_one_that_is_being_ended(
    backend: Backend,
) -> None:
    ada = a_user()
    one, other = a_session(ada)[0], a_session(ada)[0]
    await backend.keep(ada, one, other)

    async with backend.begin() as work:
        (await session_in(work, one, lock=True)).end(EndReason.SIGNED_OUT, at=NOON)
        await work.flush()
        second = create_task(open_sessions(backend, UserId(ada.id)))
        assert await waits(second)
        await work.commit()

    assert [session.id for session in await second] == [other.id]


async def test_open_sessions_are_locked(backend: Backend) -> None:
    ada = a_user()
    session, _ = a_session(ada)
    await backend.keep(ada, session)

    async with backend.begin() as work:
        await work.sessions.open_of(UserId(ada.id))
        second = create_task(end(backend, session))
        assert await waits(second)

    assert await second


async def test_what_was_done_to_a_session_counts_at_once(backend: Backend) -> None:
    ada = a_user()
    session, _ = a_session(ada)
    await backend.keep(ada, session)

    async with backend.begin() as work:
        new, _ = a_session(ada)
        work.sessions.add(new)
        (await session_in(work, session)).end(EndReason.SIGNED_OUT, at=NOON)
        assert await work.sessions.open_of(UserId(ada.id)) == [new]


async def test_a_session_is_forgotten_from_the_moment_on_at_which_it_expires(
    backend: Backend,
) -> None:
    ada, bob = a_user(), a_user()
    gone, just_gone = (a_session(ada, lifetime=lifetime)[0] for lifetime in (SOON, DAY))
    still_there, ended = (a_session(ada, lifetime=DAY + SOON)[0] for _ in range(2))
    ended.end(EndReason.SIGNED_OUT, at=NOON)
    of_bob, _ = a_session(bob, lifetime=SOON)
    await backend.keep(ada, bob, gone, just_gone, still_there, ended, of_bob)

    async with backend.begin() as work:
        in_hand = await session_in(work, gone)
        await work.sessions.forget_expired(UserId(ada.id), at=NOON + DAY)
        assert await work.sessions.find(SessionId(in_hand.id)) is None
        await work.commit()

    async with backend.begin() as work:
        left = [
            session
            for session in (gone, just_gone, still_there, ended, of_bob)
            if await work.sessions.find(SessionId(session.id))
        ]
    assert left == [still_there, ended, of_bob]


async def test_what_a_failed_savepoint_has_forgotten_is_there_again(backend: Backend) -> None:
    ada = a_user()
    session, _ = a_session(ada, lifetime=SOON)
    await backend.keep(ada, session)

    async with backend.begin() as work:
        in_hand = await session_in(work, session)
        async with failing(work.savepoint()):
            await work.sessions.forget_expired(UserId(ada.id), at=NOON + DAY)
        assert await session_in(work, session) is in_hand
        in_hand.end(EndReason.SIGNED_OUT, at=NOON)
        await work.commit()

    assert await open_sessions(backend, UserId(ada.id)) == []
    async with backend.begin() as work:
        assert (await session_in(work, session)).ended_at == NOON


async def test_the_expired_sessions_of_everybody_are_forgotten(backend: Backend) -> None:
    ada, bob = a_user(), a_user()
    lasting, _ = a_session(ada, lifetime=DAY + SOON)
    ending, _ = a_session(ada, lifetime=DAY)
    other, _ = a_session(bob, lifetime=SOON)
    await backend.keep(ada, bob, lasting, ending, other)

    async with backend.begin() as work:
        assert await work.sessions.forget_all_expired(at=NOON + DAY) == 2
        await work.commit()

    async with backend.begin() as work:
        found = [
            await work.sessions.find(SessionId(session.id)) for session in (lasting, ending, other)
        ]
    assert [session is not None for session in found] == [True, False, False]

"""Whoever listens to units of work hears of what was kept, once, and of nothing else."""

from collections.abc import Sequence

import pytest

from application.ordering.ports import OrderingWork
from application.shared.errors import Deadlock
from application.shared.outbox import OutboxEntry
from application.shared.unit_of_work import Joined
from domain.identity.session import EndReason
from domain.identity.user import EmailTaken, Role
from tests.builders import NOON, a_session, a_user
from tests.contract.backends import Backend
from tests.contract.steps import failing, session_in, user_in


class Listening:
    def __init__(self) -> None:
        self.entries: list[OutboxEntry] = []

    def __call__(self, entries: Sequence[OutboxEntry]) -> None:
        self.entries += entries

    @property
    def heard(self) -> list[str]:
        return [entry.type for entry in self.entries]


@pytest.fixture
def listening() -> Listening:
    return Listening()


def joining(outer: OrderingWork) -> OrderingWork:
    joined: OrderingWork = Joined(outer)
    return joined


async def test_what_was_committed_is_told_as_it_was_kept(
    backend: Backend, listening: Listening
) -> None:
    ada = a_user()
    session, _ = a_session(ada)
    await backend.keep(ada, session)

    async with backend.begin(listening) as work:
        user = await user_in(work, ada)
        user.promote(Role.STAFF, at=NOON)
        user.deactivate(at=NOON)
        (await session_in(work, session)).end(EndReason.DEACTIVATED, at=NOON)
        await work.flush()
        assert listening.heard == []
        await work.commit()
        assert sorted(listening.heard) == ["session.ended", "user.deactivated", "user.promoted"]

    assert len(listening.entries) == 3
    by_place = sorted(listening.entries, key=lambda entry: (entry.aggregate_id, entry.sequence))
    assert by_place == await backend.outbox()


async def test_a_second_commit_tells_what_is_new(backend: Backend, listening: Listening) -> None:
    ada = a_user()
    async with backend.begin(listening) as work:
        work.users.add(ada)
        await work.commit()
        await work.commit()
        assert listening.heard == ["user.registered"]


async def test_who_is_removed_is_told_of(backend: Backend, listening: Listening) -> None:
    ada = a_user()
    await backend.keep(ada, a_session(ada)[0])

    async with backend.begin(listening) as work:
        user = await user_in(work, ada, lock=True)
        user.delete(at=NOON)
        await work.users.remove(user)
        await work.commit()

    assert [(entry.type, entry.payload) for entry in listening.entries] == [
        ("user.deleted", {"user_id": str(ada.id)})
    ]


async def test_what_was_left_is_told_to_nobody(backend: Backend, listening: Listening) -> None:
    async with backend.begin(listening) as work:
        work.users.add(a_user())
        await work.flush()
    async with failing(backend.begin(listening)) as work:
        work.users.add(a_user())

    assert listening.entries == []


async def test_a_failed_commit_is_told_to_nobody(backend: Backend, listening: Listening) -> None:
    backend.fail_next_commit(Deadlock())
    async with backend.begin(listening) as work:
        work.users.add(a_user())
        with pytest.raises(Deadlock):
            await work.commit()
    assert listening.entries == []


async def test_a_refused_commit_is_told_to_nobody(backend: Backend, listening: Listening) -> None:
    await backend.keep(a_user(email="ada@example.com"))
    async with backend.begin(listening) as work:
        work.users.add(a_user(email="ada@example.com"))
        with pytest.raises(EmailTaken):
            await work.commit()
    assert listening.entries == []


async def test_a_failed_savepoint_is_told_to_nobody(backend: Backend, listening: Listening) -> None:
    ada = a_user()
    await backend.keep(ada)

    async with backend.begin(listening) as work:
        user = await user_in(work, ada)
        async with failing(work.savepoint()):
            user.deactivate(at=NOON)
            work.users.add(a_user())
            await work.flush()
        user.promote(Role.ADMIN, at=NOON)
        await work.commit()

    assert listening.heard == ["user.promoted"]


async def test_whoever_joined_tells_with_the_outer_unit_of_work(
    backend: Backend, listening: Listening
) -> None:
    ada = a_user()
    await backend.keep(ada)

    async with backend.begin(listening) as outer:
        async with joining(outer) as work:
            (await user_in(work, ada)).promote(Role.STAFF, at=NOON)
            await work.commit()
        async with joining(outer) as work:
            (await user_in(work, ada)).deactivate(at=NOON)
            await work.commit()
        assert listening.heard == []
        await outer.commit()

    assert listening.heard == ["user.promoted", "user.deactivated"]


async def test_whoever_joined_and_left_tells_nothing(
    backend: Backend, listening: Listening
) -> None:
    ada = a_user()
    await backend.keep(ada)

    async with backend.begin(listening) as outer:
        async with joining(outer) as work:
            (await user_in(work, ada)).promote(Role.STAFF, at=NOON)
        async with failing(joining(outer)) as work:
            (await user_in(work, ada)).promote(Role.STAFF, at=NOON)
            await work.commit()
        await outer.commit()

    assert listening.entries == []


async def test_nothing_is_told_where_the_outer_unit_of_work_was_left(
    backend: Backend, listening: Listening
) -> None:
    async with backend.begin(listening) as outer, joining(outer) as work:
        work.users.add(a_user())
        await work.commit()

    assert listening.entries == []

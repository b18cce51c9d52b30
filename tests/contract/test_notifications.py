import asyncio
from datetime import timedelta
from operator import attrgetter
from uuid import uuid4

import pytest

from application.notifications.inbox import Inbox
from application.notifications.queries import NotificationDetails
from application.shared.pages import Page, PageRequest, Sort
from application.shared.unit_of_work import Runner
from domain.identity.user import User, UserId
from domain.notifications.notification import (
    MESSAGE_LENGTH,
    Notification,
    NotificationId,
    NotificationNotFound,
)
from tests.builders import NOON, Ticking, a_notification, a_product, a_user, actor_of, an_order
from tests.contract.backends import Backend
from tests.contract.steps import LONG_ENOUGH, everything
from tests.contract.walking import each_page_is_right

LATER = NOON + timedelta(microseconds=1)

both_ways = pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])


def many(user: User) -> list[Notification]:
    """Some of the same moment, and every third of them read."""
    return [
        a_notification(
            user,
            read_at=None if number % 3 else LATER,
            at=NOON - timedelta(microseconds=number % 4),
        )
        for number in range(12)
    ]


async def found(backend: Backend, user: User) -> list[NotificationDetails]:
    page = await backend.notifications.page(everything("created_at"), UserId(user.id))
    return [*page.items]


async def test_a_notification_comes_back_as_it_was_written(backend: Backend) -> None:
    ada, mug = a_user(), a_product()
    order = an_order(mug, customer=ada)
    message = "«" + "🍵" * (MESSAGE_LENGTH - 2) + "»"
    told = a_notification(ada, message=message, order=order, at=LATER)
    await backend.keep(ada, mug, order, told)

    async with backend.begin() as work:
        stored = await work.notifications.get(NotificationId(told.id))
        assert stored is not told
        assert (stored.user_id, stored.order_id) == (ada.id, order.id)
        assert (stored.message, stored.created_at, stored.read_at) == (message, LATER, None)
        assert (stored.version, stored.sequence) == (1, 0)
    assert await found(backend, ada) == [NotificationDetails.of(told)]


async def test_what_is_not_there_is_not_found(backend: Backend) -> None:
    async with backend.begin() as work:
        for lock in (False, True):
            with pytest.raises(NotificationNotFound):
                await work.notifications.get(NotificationId(uuid4()), lock=lock)


@both_ways
@pytest.mark.parametrize("unread", [None, True, False])
async def test_notifications_are_listed_in_order(
    backend: Backend, descending: bool, unread: bool | None
) -> None:
    ada, bob = a_user(), a_user()
    told = many(ada)
    await backend.keep(ada, bob, *told, *many(bob))

    async def pages(request: PageRequest) -> Page[NotificationDetails]:
        return await backend.notifications.page(request, UserId(ada.id), unread=unread)

    rows = [
        NotificationDetails.of(one)
        for one in told
        if unread is None or (one.read_at is None) is unread
    ]
    assert len(rows) == {None: 12, True: 8, False: 4}[unread]
    await each_page_is_right(pages, rows, Sort("created_at", descending), attrgetter("created_at"))


async def test_what_was_read_stays_read(backend: Backend) -> None:
    ada = a_user()
    told = a_notification(ada)
    await backend.keep(ada, told)
    inbox = Inbox(backend.begin, backend.notifications, Ticking())
    for _ in range(2):
        read = await inbox.read(actor_of(ada), NotificationId(told.id))
        assert (read.read_at, read.version) == (NOON, 2)
    [shown] = await found(backend, ada)
    assert (shown.read_at, shown.version) == (NOON, 2)
    assert await backend.outbox() == []


async def test_of_many_who_read_it_at_once_the_first_one_counts(backend: Backend) -> None:
    ada = a_user()
    told = a_notification(ada)
    await backend.keep(ada, told)
    run, inbox = Runner(), Inbox(backend.begin, backend.notifications, Ticking())
    read = await asyncio.gather(
        *(run(lambda: inbox.read(actor_of(ada), NotificationId(told.id))) for _ in range(10))
    )
    assert {(one.read_at, one.version) for one in read} == {(read[0].read_at, 2)}
    assert not run.retries
    [shown] = await found(backend, ada)
    assert shown.read_at == read[0].read_at


async def test_whoever_wants_to_read_waits_for_the_one_who_does(backend: Backend) -> None:
    ada = a_user()
    told = a_notification(ada)
    await backend.keep(ada, told)
    inbox = Inbox(backend.begin, backend.notifications, Ticking(LATER))
    async with backend.begin() as work:
        first = await work.notifications.get(NotificationId(told.id), lock=True)
        second = asyncio.create_task(inbox.read(actor_of(ada), NotificationId(told.id)))
        await asyncio.wait([second], timeout=LONG_ENOUGH)
        assert not second.done()
        first.read(at=NOON)
        await work.commit()
    assert (await second).read_at == NOON

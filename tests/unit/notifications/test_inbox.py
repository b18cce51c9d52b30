from datetime import timedelta
from uuid import uuid4

import pytest

from application.notifications.inbox import Inbox
from application.notifications.queries import NotificationDetails
from application.shared.pages import PageRequest, Sort
from domain.identity.user import Role
from domain.notifications.notification import NotificationId, NotificationNotFound
from tests.builders import NOON, Ticking, a_notification, a_user, actor_of
from tests.unit.shop import Shop

NEWEST_FIRST = PageRequest(sort=Sort("created_at", descending=True), limit=10, with_total=True)


@pytest.fixture
def inbox(shop: Shop) -> Inbox:
    return Inbox(shop.begin, shop.notifications, Ticking())


async def test_everybody_sees_what_they_were_told_and_nobody_else(shop: Shop, inbox: Inbox) -> None:
    ada, clerk, root = a_user(), a_user(role=Role.STAFF), a_user(role=Role.ADMIN)
    old, new = a_notification(ada), a_notification(ada, at=NOON + timedelta(seconds=1))
    own = a_notification(clerk)
    await shop.keep(ada, clerk, root, old, new, own)
    for user, told in ((ada, [new, old]), (clerk, [own]), (root, [])):
        page = await inbox.list(actor_of(user), NEWEST_FIRST)
        assert page.items == [NotificationDetails.of(one) for one in told]
        assert page.total == len(told)


async def test_what_is_read_is_no_longer_among_the_unread(shop: Shop, inbox: Inbox) -> None:
    ada = a_user()
    first, second = a_notification(ada), a_notification(ada)
    await shop.keep(ada, first, second)
    await inbox.read(actor_of(ada), NotificationId(first.id))
    for unread, left in ((True, {second.id}), (False, {first.id}), (None, {first.id, second.id})):
        page = await inbox.list(actor_of(ada), NEWEST_FIRST, unread=unread)
        assert {one.id for one in page.items} == left


async def test_to_read_it_once_more_changes_nothing(shop: Shop, inbox: Inbox) -> None:
    ada, told = a_user(), a_notification()
    told.user_id = actor_of(ada).id
    await shop.keep(ada, told)
    first = await inbox.read(actor_of(ada), NotificationId(told.id))
    again = await inbox.read(actor_of(ada), NotificationId(told.id))
    assert (first.read_at, first.version) == (again.read_at, again.version) == (NOON, 2)
    assert shop.now(told).read_at == NOON
    assert shop.events == []


@pytest.mark.parametrize("role", Role)
async def test_nobody_reads_what_others_were_told(shop: Shop, inbox: Inbox, role: Role) -> None:
    ada, somebody = a_user(), a_user(role=role)
    told = a_notification(ada)
    await shop.keep(ada, somebody, told)
    refusals = []
    for id in (NotificationId(told.id), NotificationId(uuid4())):
        with pytest.raises(NotificationNotFound) as refused:
            await inbox.read(actor_of(somebody), id)
        refusals.append((str(refused.value), refused.value.details))
    assert refusals[0] == refusals[1]
    assert shop.now(told).read_at is None


async def test_of_two_who_read_it_at_once_the_first_one_counts(shop: Shop, inbox: Inbox) -> None:
    ada = a_user()
    told = a_notification(ada)
    await shop.keep(ada, told)
    second = shop.meanwhile(inbox.read(actor_of(ada), NotificationId(told.id)))
    first = await inbox.read(actor_of(ada), NotificationId(told.id))
    assert (await second).read_at == first.read_at == NOON
    assert shop.now(told).version == 2

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import pytest

from application.content.publishing import Publishing
from application.content.queries import PostFilter
from application.content.reading import Reading
from application.identity.actor import Actor, Unauthenticated
from application.shared.pages import PageRequest, Sort
from domain.content.post import PostId, PostNotFound
from domain.content.status import PostStatus
from domain.identity.user import Role
from domain.shared.errors import Forbidden
from domain.shared.text import Slug
from tests.builders import NOON, Ticking, a_post, a_user, an_actor
from tests.unit.shop import Shop

NOBODY: Final = None
CUSTOMER: Final = an_actor(Role.CUSTOMER)
STAFF: Final = an_actor(Role.STAFF)
ADMIN: Final = an_actor(Role.ADMIN)
BY_TITLE: Final = PageRequest(sort=Sort("title"), limit=20, with_total=True)
OLD, NEW, DRAFT, GONE = (Slug(slug) for slug in ("old", "new", "draft", "gone"))


@pytest.fixture
async def reading(shop: Shop) -> Reading:
    """Of two posts that are published, a draft, and one that is archived."""
    ada = a_user()
    gone = a_post(ada, title="Gone", slug_text="gone", published_at=NOON)
    gone.archive(at=NOON)
    await shop.keep(
        ada,
        a_post(ada, title="Old", slug_text="old", published_at=NOON),
        a_post(ada, title="New", slug_text="new", published_at=NOON + timedelta(days=1)),
        a_post(ada, title="Draft", slug_text="draft"),
        gone,
    )
    return Reading(shop.begin, shop.posts, shop.tags)


async def id_of(shop: Shop, slug: Slug) -> PostId:
    found = await shop.posts.by_slug(slug)
    assert found is not None
    return PostId(found.id)


async def titles(
    reading: Reading, actor: Actor | None, wanted: PostFilter, request: PageRequest = BY_TITLE
) -> Sequence[str]:
    page = await reading.list(actor, request, wanted)
    assert page.total == len(page.items)
    return [post.title for post in page.items]


@pytest.mark.parametrize("actor", [NOBODY, CUSTOMER, STAFF, ADMIN])
async def test_each_reader_counts_as_one_view_and_makes_no_new_version(
    shop: Shop, reading: Reading, actor: Actor | None
) -> None:
    before = await shop.posts.by_slug(OLD)
    assert before is not None
    assert [(await reading.read(actor, OLD)).view_count for _ in range(3)] == [1, 2, 3]
    after = await shop.posts.by_slug(OLD)
    assert after is not None
    assert (after.view_count, after.version, after.updated_at) == (3, 1, before.updated_at)
    assert shop.events == []
    assert (await reading.post(actor, await id_of(shop, OLD))).view_count == 3
    assert (await reading.read(actor, NEW)).view_count == 1


async def test_no_view_is_lost_among_many_readers_and_an_editor(
    shop: Shop, reading: Reading
) -> None:
    publishing, id = Publishing(shop.begin, Ticking()), await id_of(shop, OLD)

    async def edit() -> None:
        for number in range(5):
            await publishing.revise(STAFF, id, {"title": f"Old {number}"}, expected={number + 1})
            await asyncio.sleep(0)

    await asyncio.gather(*(reading.read(NOBODY, OLD) for _ in range(20)), edit())
    found = await shop.posts.by_slug(OLD)
    assert found is not None
    assert (found.view_count, found.version, found.title) == (20, 6, "Old 4")


@pytest.mark.parametrize("actor", [NOBODY, CUSTOMER])
async def test_customers_do_not_learn_of_what_is_not_published(
    shop: Shop, reading: Reading, actor: Actor | None
) -> None:
    for slug in (DRAFT, GONE):
        with pytest.raises(PostNotFound):
            await reading.read(actor, slug)
        with pytest.raises(PostNotFound):
            await reading.post(actor, await id_of(shop, slug))
    for wanted in (PostFilter(), PostFilter(status=PostStatus.PUBLISHED)):
        assert await titles(reading, actor, wanted) == ["New", "Old"]


@pytest.mark.parametrize("actor", [STAFF, ADMIN])
async def test_staff_sees_everything_and_what_is_not_published_has_no_views(
    shop: Shop, reading: Reading, actor: Actor
) -> None:
    for slug in (DRAFT, GONE):
        assert (await reading.read(actor, slug)).view_count == 0
        assert (await reading.post(actor, await id_of(shop, slug))).slug == slug
    assert await titles(reading, actor, PostFilter()) == ["Draft", "Gone", "New", "Old"]
    for status, found in (
        (PostStatus.DRAFT, ["Draft"]),
        (PostStatus.ARCHIVED, ["Gone"]),
        (PostStatus.PUBLISHED, ["New", "Old"]),
    ):
        assert await titles(reading, actor, PostFilter(status=status)) == found


@pytest.mark.parametrize("status", [PostStatus.DRAFT, PostStatus.ARCHIVED])
async def test_only_staff_asks_for_what_is_not_published(
    reading: Reading, status: PostStatus
) -> None:
    with pytest.raises(Unauthenticated):
        await reading.list(NOBODY, BY_TITLE, PostFilter(status=status))
    with pytest.raises(Forbidden):
        await reading.list(CUSTOMER, BY_TITLE, PostFilter(status=status))


@pytest.mark.parametrize("actor", [NOBODY, STAFF])
async def test_nobody_finds_what_was_never_written(reading: Reading, actor: Actor | None) -> None:
    with pytest.raises(PostNotFound):
        await reading.read(actor, Slug("none"))
    with pytest.raises(PostNotFound):
        await reading.post(actor, PostId(a_post().id))


async def test_what_was_never_published_comes_last_by_its_date(reading: Reading) -> None:
    for descending, expected in (
        (True, ["New", "Old", "Gone", "Draft"]),
        (False, ["Old", "Gone", "New", "Draft"]),
    ):
        request = PageRequest(sort=Sort("published_at", descending), limit=20, with_total=True)
        found = await titles(reading, STAFF, PostFilter(), request)
        assert (found[-1], [*found].index("New")) == ("Draft", expected.index("New"))

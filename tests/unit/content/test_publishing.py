from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from application.content.publishing import Publishing
from application.identity.administration import Administration
from application.identity.registration import Registration
from application.shared.errors import InUse, StaleVersion
from domain.catalog.tag import TagNotFound
from domain.content.post import Post, PostId, PostNotFound, PostSlugTaken
from domain.content.status import InvalidTransition, PostStatus
from domain.identity.user import Role, User, UserId
from domain.shared.errors import Forbidden
from domain.shared.text import Slug
from tests.builders import (
    NOON,
    PlainHasher,
    Ticking,
    a_post,
    a_tag,
    a_user,
    actor_of,
    an_actor,
)
from tests.unit.shop import Shop

TEA: Final = Slug("tea")


@pytest.fixture
async def ada(shop: Shop) -> User:
    ada = a_user(role=Role.STAFF)
    await shop.keep(ada, a_tag(slug_text="tea"), a_tag(slug_text="pot"))
    return ada


@pytest.fixture
def publishing(shop: Shop) -> Publishing:
    return Publishing(shop.begin, Ticking())


def id_of(post: Post) -> PostId:
    return PostId(post.id)


async def test_a_draft_belongs_to_who_wrote_it(
    shop: Shop, publishing: Publishing, ada: User
) -> None:
    made = await publishing.create(
        actor_of(ada), title="Green Tea!", content="Hot.", tags=[TEA, Slug("pot"), TEA]
    )
    assert (made.slug, made.status, made.tags, made.author_id) == (
        "green-tea",
        PostStatus.DRAFT,
        ("pot", "tea"),
        ada.id,
    )
    assert (made.view_count, made.published_at, made.version) == (0, None, 1)
    assert shop.events == ["post.created"]


async def test_a_slug_that_is_taken_gets_a_tail_unless_it_was_asked_for(
    shop: Shop, publishing: Publishing, ada: User
) -> None:
    actor = actor_of(ada)
    first = await publishing.create(actor, title="Tea")
    second = await publishing.create(actor, title="TEA")
    nameless = await publishing.create(actor, title="茶")
    assert first.slug == "tea"
    assert second.slug.startswith("tea-")
    assert nameless.slug.startswith("post-")
    with pytest.raises(PostSlugTaken) as taken:
        await publishing.create(actor, title="Other", slug=TEA)
    assert taken.value.details == {"field": "slug"}
    with pytest.raises(PostSlugTaken):
        await publishing.revise(actor, PostId(second.id), {"slug": TEA})
    assert shop.count(Post) == 3

    await publishing.delete(actor, PostId(first.id))
    assert (await publishing.create(actor, title="Tea")).slug == "tea"


async def test_tags_that_are_not_there_are_named(
    shop: Shop, publishing: Publishing, ada: User
) -> None:
    post = a_post(ada)
    await shop.keep(post)
    unknown = [Slug("zen"), TEA, Slug("cup")]
    for attempt in (
        publishing.create(actor_of(ada), title="x", tags=unknown),
        publishing.revise(actor_of(ada), id_of(post), {"title": "x", "tags": unknown}),
    ):
        with pytest.raises(TagNotFound) as missing:
            await attempt
        assert missing.value.details == {"tags": ["cup", "zen"]}
    assert shop.count(Post) == 1
    assert (shop.now(post).title, shop.now(post).version) == (post.title, 1)


async def test_a_post_is_written_published_archived_and_deleted(
    shop: Shop, publishing: Publishing, ada: User
) -> None:
    actor, post = actor_of(ada), a_post(ada)
    await shop.keep(post)
    revised = await publishing.revise(actor, id_of(post), {"content": "More.", "tags": [TEA]})
    assert (revised.content, revised.tags, revised.version) == ("More.", ("tea",), 2)
    published = await publishing.publish(actor, id_of(post))
    assert (published.status, published.published_at) == ("published", published.updated_at)
    archived = await publishing.archive(actor, id_of(post))
    assert (archived.status, archived.published_at) == ("archived", published.published_at)
    await publishing.delete(actor, id_of(post))
    assert not shop.is_there(post)
    assert shop.events == ["post.changed", "post.published", "post.archived", "post.deleted"]


async def test_what_leads_nowhere_changes_nothing(
    shop: Shop, publishing: Publishing, ada: User
) -> None:
    post = a_post(ada, published_at=NOON)
    await shop.keep(post)
    with pytest.raises(InvalidTransition):
        await publishing.publish(actor_of(ada), id_of(post))
    assert (shop.now(post).version, shop.events) == (1, [])


Attempt = Callable[[Publishing, User, PostId], Awaitable[object]]
ON_A_POST: Final[dict[str, Attempt]] = {
    "revise": lambda desk, user, id: desk.revise(actor_of(user), id, {"title": "x"}, expected={7}),
    "publish": lambda desk, user, id: desk.publish(actor_of(user), id, expected={7}),
    "archive": lambda desk, user, id: desk.archive(actor_of(user), id, expected={7}),
    "delete": lambda desk, user, id: desk.delete(actor_of(user), id, expected={7}),
}
each_verb = pytest.mark.parametrize("attempt", ON_A_POST.values(), ids=ON_A_POST)


@each_verb
async def test_whoever_saw_another_version_changes_nothing(
    shop: Shop, publishing: Publishing, ada: User, attempt: Attempt
) -> None:
    post = a_post(ada)
    await shop.keep(post)
    with pytest.raises(StaleVersion) as stale:
        await attempt(publishing, ada, id_of(post))
    assert stale.value.details == {"version": 1}
    assert (shop.now(post).version, shop.events) == (1, [])


@each_verb
async def test_what_is_not_there_is_not_found(
    publishing: Publishing, ada: User, attempt: Attempt
) -> None:
    with pytest.raises(PostNotFound):
        await attempt(publishing, ada, id_of(a_post()))


@each_verb
async def test_customers_write_nothing_whether_it_is_there_or_not(
    shop: Shop, publishing: Publishing, ada: User, attempt: Attempt
) -> None:
    post, customer = a_post(ada), a_user()
    await shop.keep(post)
    for id in (id_of(post), id_of(a_post())):
        with pytest.raises(Forbidden):
            await attempt(publishing, customer, id)
    with pytest.raises(Forbidden):
        await publishing.create(an_actor(Role.CUSTOMER), title="x")
    assert (shop.count(Post), shop.now(post).version) == (1, 1)


async def test_a_user_who_wrote_something_is_not_deleted(shop: Shop, ada: User) -> None:
    post = a_post(ada)
    await shop.keep(post)
    hasher = PlainHasher()
    registration = Registration(shop.begin, hasher, Ticking())
    administration = Administration(shop.begin, shop.users, registration, hasher, Ticking())
    with pytest.raises(InUse):
        await administration.delete(an_actor(Role.ADMIN), UserId(ada.id))
    assert shop.is_there(ada)

"""Lists of posts: every filter in every order, compared with what Python makes of the same rows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest

from application.catalog.search import words, words_of_query
from application.content.queries import PostDetails, PostFilter
from application.shared.pages import Page, PageRequest, Position, Sort
from domain.content.post import PostId
from domain.content.status import PostStatus
from domain.identity.user import UserId
from domain.shared.text import Slug
from infrastructure.memory.copying import entity_of, state_of
from tests.builders import NOON, a_post, a_tag, a_user
from tests.contract.backends import Backend
from tests.contract.steps import everything
from tests.contract.test_search import FOUND, SHOP
from tests.contract.walking import NAMES, walk

ADA, BOB = a_user(), a_user()
TEA, RED, POT = (a_tag(slug_text=slug) for slug in ("tea", "red", "pot"))
SORTS: Final[dict[str, Callable[[PostDetails], Any]]] = {
    "published_at": lambda post: post.published_at,
    "title": lambda post: post.title,
    "view_count": lambda post: post.view_count,
}
BOTH_WAYS: Final = [Sort(field, descending) for field in SORTS for descending in (False, True)]

Test = Callable[[PostDetails], bool]


async def fill(backend: Backend) -> list[PostDetails]:
    """Posts of all sorts, many of them alike."""
    tagged = ((), (TEA,), (TEA, RED), (RED, POT, TEA))
    posts = []
    for number in range(48):
        post = a_post(
            (ADA, BOB)[number % 3 == 2],
            title=NAMES[number % 5],
            content=("", "no mug", "A cup like a mug")[number % 3],
            tags=tagged[number // 3 % 4],
            at=NOON - timedelta(microseconds=number % 4),
        )
        if number % 4 in (1, 2):
            post.publish(at=NOON + timedelta(microseconds=number % 6))
        if number % 8 in (2, 4):
            post.archive(at=NOON)
        post.view_count = number % 3
        posts.append(post)
    shared = [entity_of(type(one), state_of(one)) for one in (ADA, BOB, TEA, RED, POT)]
    await backend.keep(*shared, *posts)
    found = [await backend.posts.find(PostId(post.id)) for post in posts]
    return [post for post in found if post]


def is_in(*statuses: PostStatus) -> Test:
    return lambda post: post.status in statuses


def has(*tags: Slug) -> Test:
    return lambda post: {*tags} <= {*post.tags}


def says(*wanted: str) -> Test:
    def fits(post: PostDetails) -> bool:
        there = words(post.title, post.content)
        return all(any(word.startswith(one) for word in there) for one in wanted)

    return fits


def nothing(_: PostDetails) -> bool:
    return False


FILTERS: Final[list[tuple[PostFilter, Test]]] = [
    (PostFilter(), lambda _: True),
    *((PostFilter(status=status), is_in(status)) for status in PostStatus),
    (PostFilter(author_id=UserId(BOB.id)), lambda post: post.author_id == BOB.id),
    (PostFilter(author_id=UserId(uuid4())), nothing),
    (PostFilter(tags=(TEA.slug,)), has(TEA.slug)),
    (PostFilter(tags=(TEA.slug, RED.slug, RED.slug)), has(TEA.slug, RED.slug)),
    (PostFilter(tags=(TEA.slug, Slug("none"))), nothing),
    (PostFilter(words=("mug",)), says("mug")),
    (PostFilter(words=("mu", "cup")), says("mu", "cup")),
    (PostFilter(words=("none",)), nothing),
    (PostFilter(words=()), nothing),
    (
        PostFilter(
            words=("mug",),
            tags=(TEA.slug,),
            status=PostStatus.PUBLISHED,
            author_id=UserId(ADA.id),
        ),
        lambda post: (
            says("mug")(post)
            and has(TEA.slug)(post)
            and is_in(PostStatus.PUBLISHED)(post)
            and post.author_id == ADA.id
        ),
    ),
    (
        PostFilter(status=PostStatus.ARCHIVED, tags=(TEA.slug,)),
        lambda post: is_in(PostStatus.ARCHIVED)(post) and has(TEA.slug)(post),
    ),
]


def in_order(rows: list[PostDetails], sort: Sort) -> list[PostDetails]:
    """Equals by their ids, and what has no value at the end whatever the direction."""
    by = SORTS[sort.field]
    valued = [row for row in rows if by(row) is not None]
    rest = [row for row in rows if by(row) is None]
    valued.sort(key=lambda row: (by(row), row.id), reverse=sort.descending)
    rest.sort(key=lambda row: row.id, reverse=sort.descending)
    return [*valued, *rest]


@pytest.mark.parametrize("sort", BOTH_WAYS, ids=lambda sort: f"{sort.field}-{sort.descending}")
async def test_a_filter_shows_what_fits_in_any_order_and_counts_it(
    backend: Backend, sort: Sort
) -> None:
    posts = await fill(backend)
    for wanted, fits in FILTERS:
        rows = in_order([post for post in posts if fits(post)], sort)
        for offset in (0, 3, len(rows) - 1, len(rows) + 1):
            request = PageRequest(sort=sort, limit=5, offset=max(offset, 0), with_total=True)
            page = await backend.posts.page(request, wanted)
            assert [*page.items] == rows[request.offset : request.offset + 5], (wanted, request)
            assert page.total == len(rows)
            assert (page.next is None) is (len(rows) <= request.offset + 5)


@pytest.mark.parametrize("sort", BOTH_WAYS, ids=lambda sort: f"{sort.field}-{sort.descending}")
async def test_a_walk_shows_each_post_once(backend: Backend, sort: Sort) -> None:
    posts = await fill(backend)
    for wanted, fits in FILTERS:

        async def pages(request: PageRequest) -> Page[PostDetails]:
            return await backend.posts.page(request, wanted)  # noqa: B023

        rows = in_order([post for post in posts if fits(post)], sort)
        for limit in (1, 3, 7, len(rows) or 1, len(rows) + 1):
            assert await walk(pages, sort, limit=limit) == rows, (wanted, limit)


@pytest.mark.parametrize("descending", [False, True])
async def test_a_page_may_begin_right_before_and_among_those_without_a_date(
    backend: Backend, descending: bool
) -> None:
    posts = await fill(backend)
    sort = Sort("published_at", descending)
    rows = in_order(posts, sort)
    undated = sum(post.published_at is None for post in posts)
    assert 0 < undated < len(rows)
    for place in range(len(rows) - undated - 2, len(rows) - 1):
        after = Position(rows[place].published_at, rows[place].id)
        for offset in (0, 1, 4):
            request = PageRequest(sort=sort, limit=4, after=after, offset=offset)
            page = await backend.posts.page(request, PostFilter())
            begin = place + 1 + offset
            assert [*page.items] == rows[begin : begin + 4], place
            last = begin + 4 >= len(rows)
            assert page.next == (
                None if last else Position(rows[begin + 3].published_at, rows[begin + 3].id)
            )


async def test_a_cursor_among_what_was_never_published_shows_nothing_that_is(
    backend: Backend,
) -> None:
    posts = await fill(backend)
    after = Position(None, min(post.id for post in posts))
    for descending in (False, True):
        request = PageRequest(sort=Sort("published_at", descending), limit=5, after=after)
        page = await backend.posts.page(request, PostFilter(status=PostStatus.PUBLISHED))
        assert page == Page([])


async def test_a_post_is_found_by_the_same_queries_as_a_product(backend: Backend) -> None:
    """In whatever order: the words of its title and content count alike."""
    ada = a_user()
    posts = [
        a_post(ada, title=f"{name} {sku}", slug_text=sku.lower(), content=description)
        for sku, (name, description) in SHOP.items()
    ]
    await backend.keep(ada, *posts)
    found = {}
    for query in FOUND:
        wanted = PostFilter(words=words_of_query(query))
        page = await backend.posts.page(everything("title"), wanted)
        found[query] = sorted(post.slug.upper() for post in page.items)
    assert found == {query: sorted(skus) for query, skus in FOUND.items()}

"""Posts as they are stored: what comes back, what a view changes, and what goes with a post."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import pytest

from application.catalog.search import words_of_query
from application.content.queries import PostDetails, PostFilter
from application.shared.errors import InUse, StaleWrite
from domain.catalog.product import MOST_TAGS
from domain.content.post import CONTENT_LENGTH, TITLE_LENGTH, Post, PostId, PostNotFound
from domain.content.status import PostStatus
from domain.identity.user import User, UserId
from domain.shared.text import SLUG_LENGTH, Slug
from infrastructure.memory.copying import state_of
from tests.builders import NOON, a_post, a_product, a_tag, a_user
from tests.contract.backends import Backend
from tests.contract.steps import everything, failing, post_in, tag_in, user_in

LATER: Final = NOON + timedelta(hours=1)


@pytest.fixture
async def ada(backend: Backend) -> User:
    ada = a_user()
    await backend.keep(ada)
    return ada


async def now(backend: Backend, post: Post) -> PostDetails:
    found = await backend.posts.find(PostId(post.id))
    assert found is not None
    return found


async def titles(backend: Backend, wanted: PostFilter) -> set[str]:
    page = await backend.posts.page(everything("title"), wanted)
    return {post.title for post in page.items}


async def test_a_post_comes_back_as_it_was(backend: Backend, ada: User) -> None:
    tags = [a_tag(slug_text=f"{number:02}".ljust(SLUG_LENGTH, "-")) for number in range(MOST_TAGS)]
    long_ago = datetime(1970, 1, 1, 0, 0, 0, 1, UTC)
    post = a_post(
        ada,
        title="😀" * TITLE_LENGTH,
        slug_text="p" * SLUG_LENGTH,
        content="𝒳\t\r\n " * (CONTENT_LENGTH // 5),
        tags=tags[::-1],
        published_at=LATER,
        at=long_ago,
    )
    draft = a_post(ada)
    await backend.keep(*tags, post, draft)

    async with backend.begin() as work:
        for lock in (False, True):
            assert state_of(await post_in(work, post, lock=lock)) == state_of(post)
            assert state_of(await post_in(work, draft, lock=lock)) == state_of(draft)
    for stored in (post, draft):
        assert await backend.posts.find(PostId(stored.id)) == PostDetails.of(stored)
        assert await backend.posts.by_slug(stored.slug) == PostDetails.of(stored)


async def test_who_looks_for_a_post_that_is_not_there_is_told_so(backend: Backend) -> None:
    async with backend.begin() as work:
        for lock in (False, True):
            with pytest.raises(PostNotFound):
                await work.posts.get(PostId(uuid4()), lock=lock)
        assert await work.posts.view(Slug("none")) is None
    assert await backend.posts.find(PostId(uuid4())) is None
    assert await backend.posts.by_slug(Slug("none")) is None


async def test_slugs_are_taken_by_those_who_have_them_now(backend: Backend, ada: User) -> None:
    await backend.keep(a_post(ada, slug_text="tea"), a_post(ada, slug_text="pot"))
    async with backend.begin() as work:
        wanted = [Slug(slug) for slug in ("tea", "te", "TEA", "cup", "tea")]
        assert await work.posts.taken(wanted) == {"tea"}
        work.posts.add(a_post(ada, slug_text="cup"))
        assert await work.posts.taken(wanted) == {"tea", "cup"}
        assert await work.posts.taken([]) == set()


async def test_a_post_that_is_removed_is_gone_and_its_slug_is_free(
    backend: Backend, ada: User
) -> None:
    tea = a_tag()
    post = a_post(ada, title="Tea", slug_text="tea", tags=[tea], published_at=NOON)
    await backend.keep(tea, post)

    async with backend.begin() as work:
        await work.posts.remove(await post_in(work, post))
        with pytest.raises(PostNotFound):
            await post_in(work, post)
        assert await work.posts.view(post.slug) is None
        await work.flush()
        work.posts.add(again := a_post(ada, title="Pot", slug_text="tea"))
        await work.commit()
    assert await backend.posts.by_slug(post.slug) == PostDetails.of(again)
    assert await titles(backend, PostFilter(words=("tea",))) == set()
    assert await titles(backend, PostFilter(tags=(tea.slug,))) == set()

    async with backend.begin() as work:
        await work.tags.remove(await tag_in(work, tea))
        await work.commit()


async def test_a_post_that_is_removed_after_all_was_not(backend: Backend, ada: User) -> None:
    tea = a_tag()
    post = a_post(ada, title="Tea", tags=[tea])
    await backend.keep(tea, post)
    async with backend.begin() as work:
        async with failing(work.savepoint()):
            await work.posts.remove(await post_in(work, post))
            await work.flush()
        await work.commit()
    assert await titles(backend, PostFilter(words=("tea",), tags=(tea.slug,))) == {"Tea"}


async def test_a_post_is_removed_in_the_flush_in_which_it_was_changed(
    backend: Backend, ada: User
) -> None:
    tea = a_tag()
    post = a_post(ada, title="Tea", tags=[tea])
    await backend.keep(tea, post)
    async with backend.begin() as work:
        found = await post_in(work, post)
        found.revise({"title": "Pot", "tags": ()}, at=LATER)
        await work.posts.remove(found)
        await work.commit()
    assert await titles(backend, PostFilter()) == set()


async def test_a_user_who_wrote_a_post_cannot_be_removed(backend: Backend, ada: User) -> None:
    await backend.keep(a_post(ada))
    async with backend.begin() as work:
        await work.users.remove(await user_in(work, ada))
        with pytest.raises(InUse):
            await work.commit()
    assert await backend.users.find(UserId(ada.id))


# Views


async def test_a_view_counts_and_is_no_new_version(backend: Backend, ada: User) -> None:
    post = a_post(ada, slug_text="tea", published_at=LATER)
    await backend.keep(post)
    for number in (1, 2, 3):
        async with backend.begin() as work:
            viewed = await work.posts.view(post.slug)
            await work.commit()
        assert viewed is not None
        assert (viewed.id, viewed.view_count, viewed.version) == (post.id, number, 1)
    found = await now(backend, post)
    assert (found.view_count, found.updated_at) == (3, LATER)
    assert await backend.outbox() == []


@pytest.mark.parametrize("status", [PostStatus.DRAFT, PostStatus.ARCHIVED])
async def test_what_is_not_published_is_not_viewed(
    backend: Backend, ada: User, status: PostStatus
) -> None:
    post = a_post(ada)
    if status is PostStatus.ARCHIVED:
        post.archive(at=NOON)
    await backend.keep(post)
    async with backend.begin() as work:
        assert await work.posts.view(post.slug) is None
        await work.commit()
    assert (await now(backend, post)).view_count == 0


async def test_a_view_that_is_not_committed_did_not_happen(backend: Backend, ada: User) -> None:
    post = a_post(ada, published_at=NOON)
    await backend.keep(post)
    async with backend.begin() as work:
        await work.posts.view(post.slug)
    async with backend.begin() as work:
        await work.posts.view(post.slug)
        async with failing(work.savepoint()):
            await work.posts.view(post.slug)
        viewed = await work.posts.view(post.slug)
        assert viewed is not None
        assert viewed.view_count == 2
        await work.commit()
    assert (await now(backend, post)).view_count == 2


async def test_what_was_changed_and_viewed_in_one_go_is_both(backend: Backend, ada: User) -> None:
    post = a_post(ada, slug_text="tea", published_at=NOON)
    await backend.keep(post)
    async with backend.begin() as work:
        held = await post_in(work, post)
        held.revise({"title": "Pot"}, at=LATER)
        viewed = await work.posts.view(post.slug)
        assert viewed is held
        assert (held.title, held.view_count, held.version) == ("Pot", 1, 2)
        held.revise({"title": "Cup"}, at=LATER)
        await work.commit()
    found = await now(backend, post)
    assert (found.title, found.view_count, found.version) == ("Cup", 1, 3)


async def test_whoever_edits_a_post_neither_loses_views_nor_is_overtaken_by_them(
    overlapping: Backend,
) -> None:
    ada = a_user()
    post = a_post(ada, published_at=NOON)
    await overlapping.keep(ada, post)
    async with overlapping.begin() as work:
        held = await post_in(work, post)
        async with overlapping.begin() as reader:
            await reader.posts.view(post.slug)
            await reader.commit()
        held.revise({"title": "Pot"}, at=LATER)
        await work.commit()
    found = await now(overlapping, post)
    assert (found.title, found.view_count, found.version) == ("Pot", 1, 2)


async def test_of_two_editors_who_read_the_same_one_is_refused(overlapping: Backend) -> None:
    ada = a_user()
    post = a_post(ada)
    await overlapping.keep(ada, post)
    async with overlapping.begin() as first, overlapping.begin() as second:
        (await post_in(first, post)).revise({"title": "First"}, at=LATER)
        (await post_in(second, post)).publish(at=LATER)
        await first.commit()
        with pytest.raises(StaleWrite):
            await second.commit()
    assert (await now(overlapping, post)).status is PostStatus.DRAFT


# Tags and words


async def test_a_post_is_found_by_the_tags_and_words_that_it_has_now(
    backend: Backend, ada: User
) -> None:
    tags = tea, pot, red = [a_tag(slug_text=slug) for slug in ("tea", "pot", "red")]
    post = a_post(ada, title="Old news", content="of clay", tags=[tea, pot])
    await backend.keep(*tags, post)

    async def found() -> set[str]:
        by_tag = {tag.slug for tag in tags if await titles(backend, PostFilter(tags=(tag.slug,)))}
        words = ("old", "new", "clay", "steel", "cu")
        return by_tag | {word for word in words if await titles(backend, PostFilter(words=(word,)))}

    async with backend.begin() as work:
        held = await post_in(work, post)
        held.revise({"title": "Cups", "tags": (red.slug, tea.slug)}, at=LATER)
        await work.flush()
        held.revise({"content": "of steel"}, at=LATER)
        await work.flush()
        async with failing(work.savepoint()):
            held.revise({"title": "New", "tags": ()}, at=LATER)
        assert held.tags == ("red", "tea")
        assert await found() == {"tea", "pot", "old", "new", "clay"}
        await work.commit()
    assert await found() == {"tea", "red", "cu", "steel"}


async def test_a_post_that_was_made_and_changed_in_one_go_is_found_once(
    backend: Backend, ada: User
) -> None:
    tea = a_tag()
    await backend.keep(tea)
    async with backend.begin() as work:
        work.posts.add(post := a_post(ada, title="Old"))
        await work.flush()
        post.revise({"title": "New", "tags": (tea.slug,)}, at=LATER)
        await work.commit()
    page = await backend.posts.page(everything("title"), PostFilter(words=("new",)))
    assert [one.id for one in page.items] == [post.id]
    assert await titles(backend, PostFilter(tags=(tea.slug,))) == {"New"}
    assert await titles(backend, PostFilter(words=("old",))) == set()


async def test_a_tag_is_taken_off_every_post_and_no_other_with_it(
    backend: Backend, ada: User
) -> None:
    tea, pot = a_tag(slug_text="tea"), a_tag(slug_text="pot")
    both, one = a_post(ada, tags=[tea, pot]), a_post(ada, tags=[tea], published_at=NOON)
    other, mug = a_post(ada, tags=[pot]), a_product(tags=[tea])
    await backend.keep(tea, pot, both, one, other, mug)

    async with backend.begin() as work:
        held = await post_in(work, both)
        work.posts.add(new := a_post(ada, tags=[tea]))
        await work.posts.untag(tea.slug, at=LATER)
        assert (held.tags, new.tags) == (("pot",), ())
        await work.commit()

    rows = [await now(backend, post) for post in (both, one, other)]
    assert [(row.tags, row.updated_at, row.version) for row in rows] == [
        (("pot",), LATER, 2),
        ((), LATER, 2),
        (("pot",), NOON, 1),
    ]
    assert await titles(backend, PostFilter(tags=(tea.slug,))) == set()
    assert await titles(backend, PostFilter(tags=(pot.slug,))) == {both.title, other.title}
    async with backend.begin() as work:
        await work.tags.remove(await tag_in(work, tea))
        with pytest.raises(InUse):  # the mug has it still
            await work.flush()


async def test_a_tag_that_a_post_has_cannot_be_removed(backend: Backend, ada: User) -> None:
    tea = a_tag()
    await backend.keep(tea, a_post(ada, tags=[tea]))
    async with backend.begin() as work:
        await work.tags.remove(await tag_in(work, tea))
        with pytest.raises(InUse):
            await work.flush()


async def test_a_post_with_all_the_words_it_can_have_is_found(backend: Backend, ada: User) -> None:
    # Of the longest letters in UTF-8, and of two that become six and eighteen of them.
    square, wide = "\u3316", "\ufdfa"
    many = " ".join(f"𝒳{number:04x}" for number in range(CONTENT_LENGTH // 6))
    squares = " ".join(f"{number:04}{square * 15}" for number in range(CONTENT_LENGTH // 20))
    contents = {"many": many, "squares": squares, "wide": wide, "long": "x"}
    await backend.keep(
        *(
            a_post(ada, title=title, content=text * (CONTENT_LENGTH // len(text)))
            for title, text in contents.items()
        )
    )
    for query, title in (
        ("x0005", "many"),
        (f"0007{square}", "squares"),
        (wide, "wide"),
        ("x" * 100, "long"),
    ):
        assert await titles(backend, PostFilter(words=words_of_query(query))) == {title}

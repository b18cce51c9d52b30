"""Many readers at once, each through a connection of their own: no view is lost."""

import asyncio
from typing import Final

from application.content.publishing import Publishing
from application.content.reading import Reading
from application.shared.unit_of_work import Runner
from domain.content.post import PostId
from domain.identity.user import Role
from tests.builders import NOON, Ticking, a_post, a_tag, a_user, actor_of
from tests.contract.backends import Backend

READERS: Final = 60
EDITS: Final = 6


async def test_every_view_counts_however_many_read_at_once(backend: Backend) -> None:
    ada = a_user()
    hit, other = a_post(ada, published_at=NOON), a_post(ada, published_at=NOON)
    await backend.keep(ada, hit, other)
    reading, run = Reading(backend.begin, backend.posts, backend.tags), Runner()

    seen = await asyncio.gather(
        *(run(lambda: reading.read(None, hit.slug)) for _ in range(READERS)),
        *(run(lambda: reading.read(None, other.slug)) for _ in range(READERS // 2)),
    )

    of_hit = sorted(post.view_count for post in seen if post.id == hit.id)
    assert of_hit == [*range(1, READERS + 1)]  # each reader saw their own view, and nobody else's
    for post, views in ((hit, READERS), (other, READERS // 2)):
        found = await backend.posts.find(PostId(post.id))
        assert found is not None
        assert (found.view_count, found.version) == (views, 1)


async def test_editors_get_through_among_readers_and_both_are_kept(backend: Backend) -> None:
    ada, tea = a_user(role=Role.STAFF), a_tag(slug_text="tea")
    post = a_post(ada, published_at=NOON)
    await backend.keep(ada, tea, post)
    reading, run = Reading(backend.begin, backend.posts, backend.tags), Runner()
    publishing, id = Publishing(backend.begin, Ticking()), PostId(post.id)

    async def edit() -> None:
        for version in range(1, EDITS + 1):
            tags = (tea.slug,) if version % 2 else ()
            # With the version that was read, which no view has made stale.
            await run(
                lambda version=version, tags=tags: publishing.revise(  # type: ignore[misc]
                    actor_of(ada),
                    id,
                    {"title": f"Tea {version}", "tags": tags},
                    expected={version},
                )
            )

    await asyncio.gather(
        edit(), *(run(lambda: reading.read(None, post.slug)) for _ in range(READERS))
    )
    found = await backend.posts.find(id)
    assert found is not None
    assert (found.view_count, found.version) == (READERS, EDITS + 1)
    assert (found.title, found.tags) == (f"Tea {EDITS}", ())

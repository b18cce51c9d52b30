"""How the lists of a shop with many posts are read: along an index in their order, never whole."""

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import product as combinations
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from application.content.queries import PostFilter
from application.shared.pages import PageRequest, Position, Sort
from domain.content.status import PostStatus
from domain.identity.user import UserId
from domain.shared.text import Slug
from infrastructure.sql.content.queries import SqlPostQueries
from infrastructure.sql.database import Limits, connect
from infrastructure.sql.migrating import Migrations
from tests.builders import NOON, a_post, a_tag, a_user
from tests.contract.backends import SqliteBackend
from tests.contract.test_plans import Reading
from tests.servers import PostgresCluster

POSTS: Final = 30_000
# Rows of all tables together, for one page: where half of all posts have a word, or nobody can know
# how rare it is, each is found in an index and then in the table.
MOST_READ: Final = 2 * POSTS
LARGE: Final = {"posts", "post_tags", "post_search"}
WITHOUT_HASTE: Final = Limits(statement_timeout=60.0)
# One in a hundred is a draft, one in twenty is archived. Half have the tag `common`, one in five
# thousand `rare`; the same holds of two words. There are ten authors.
SHOP: Final = """
CREATE FUNCTION numbered_id(kind integer, number integer) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
    SELECT (
        lpad(to_hex(1760000000000 + 60000 * number::bigint), 12, '0')
        || '7' || lpad(to_hex(kind), 3, '0') || 'a' || lpad(to_hex(number), 15, '0')
    )::uuid
$$;

INSERT INTO users
    (id, version, sequence, username, username_key, email, email_key, words, password_hash,
     role, is_active, created_at, updated_at)
SELECT numbered_id(1, number), 1, 0, 'u' || number, 'u' || number, 'u' || number, 'u' || number,
    '', '-', 'staff', TRUE, '2026-01-01Z'::timestamptz, '2026-01-01Z'
FROM generate_series(0, 9) AS number;

INSERT INTO tags (id, version, sequence, name, slug, created_at)
SELECT numbered_id(2, number), 1, 0, slug, slug, '2026-01-01Z'::timestamptz
FROM (VALUES (1, 'common'), (2, 'rare')) AS known (number, slug);

INSERT INTO posts
    (id, version, sequence, title, slug, content, status, tags, author_id, view_count,
     published_at, created_at, updated_at)
SELECT numbered_id(3, number), 1, 0, 'Post ' || number * 7919 % {posts}, 'post-' || number,
    repeat('Some words. ', 40), status, '[]', numbered_id(1, number % 10), number * 10007 % 5000,
    CASE WHEN status <> 'draft' THEN '2026-01-01Z'::timestamptz + number * interval '1 minute' END,
    '2026-01-01Z'::timestamptz, '2026-01-01Z'
FROM (SELECT number, CASE WHEN number % 100 = 7 THEN 'draft' WHEN number % 20 = 3 THEN 'archived'
    ELSE 'published' END FROM generate_series(1, {posts}) AS number) AS made (number, status);

INSERT INTO post_tags (slug, post_id)
SELECT 'common', numbered_id(3, number) FROM generate_series(1, {posts}, 2) AS number
UNION ALL SELECT 'rare', numbered_id(3, number) FROM generate_series(1, {posts}, 5000) AS number;

INSERT INTO post_search (post_id, words)
SELECT numbered_id(3, number), to_tsvector('simple', 'words'
    || CASE WHEN number % 2 = 1 THEN ' usual' ELSE '' END
    || CASE WHEN number % 5000 = 1 THEN ' unicorn' ELSE '' END)
FROM generate_series(1, {posts}) AS number
"""

SORTS: Final = [
    Sort(field, descending)
    for field in ("published_at", "title", "view_count")
    for descending in (False, True)
]
PUBLIC: Final = PostFilter(status=PostStatus.PUBLISHED)
NARROWED: Final = {
    "all": PostFilter(),
    "common tag": PostFilter(tags=(Slug("common"),)),
    "rare tag": PostFilter(tags=(Slug("rare"),)),
    "both tags": PostFilter(tags=(Slug("common"), Slug("rare"))),
    "common word": PostFilter(words=("usual",)),
    "rare word": PostFilter(words=("uni",)),
    "rare tag and word": PostFilter(words=("uni", "words"), tags=(Slug("rare"),)),
}
STATUSES: Final = (None, *PostStatus)


@pytest.fixture(scope="module")
def shop_url(postgres: PostgresCluster) -> str:
    postgres.create("post_plans")
    url = postgres.url("post_plans")
    Migrations(url).upgrade()
    return url


@pytest.fixture(scope="module")
async def shop(shop_url: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(shop_url, WITHOUT_HASTE)
    async with engine.begin() as connection:
        for statement in SHOP.format(posts=POSTS).split(";\n\n"):
            await connection.exec_driver_sql(statement)
    # As PostgreSQL does by itself, after a while.
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE"))
    yield engine
    await engine.dispose()


async def statement_of(
    engine: AsyncEngine, request: PageRequest, wanted: PostFilter
) -> tuple[str, Any]:
    """What is asked of the database for this page."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        asked.append((statement, values))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    await SqlPostQueries(engine).page(request, wanted)
    event.remove(engine.sync_engine, "before_cursor_execute", note)
    [*_, last] = asked
    return last


@pytest.mark.parametrize("status", STATUSES, ids=str)
@pytest.mark.parametrize("narrowed", NARROWED.values(), ids=NARROWED)
async def test_a_page_is_found_without_reading_all_there_is(
    shop: AsyncEngine, narrowed: PostFilter, status: PostStatus | None
) -> None:
    [author] = (await SqlPostQueries(shop).page(PageRequest(sort=SORTS[0], limit=1), PUBLIC)).items
    for sort, author_id in combinations(SORTS, (None, UserId(author.author_id))):
        wanted = replace(narrowed, status=status, author_id=author_id)
        for after in (None, await far_into(shop, sort, wanted)):
            request = PageRequest(sort=sort, limit=20, after=after)
            reading = await explained(shop, *await statement_of(shop, request, wanted))
            assert not reading.whole & LARGE, (sort, author_id, after)
            assert reading.rows <= MOST_READ, (sort, author_id, after)


async def test_the_usual_lists_read_no_more_than_they_show(shop: AsyncEngine) -> None:
    for sort, wanted in combinations(
        SORTS, (PUBLIC, PostFilter(), PostFilter(status=PostStatus.DRAFT))
    ):
        for after in (None, await far_into(shop, sort, wanted)):
            request = PageRequest(sort=sort, limit=20, after=after)
            reading = await explained(shop, *await statement_of(shop, request, wanted))
            assert reading.rows <= 3 * 21, (sort, wanted)


async def far_into(shop: AsyncEngine, sort: Sort, wanted: PostFilter) -> Position | None:
    posts = SqlPostQueries(shop)
    total = (await posts.page(PageRequest(sort=sort, limit=1, with_total=True), wanted)).total or 0
    half = PageRequest(sort=sort, limit=1, offset=min(total // 2, 10_000))
    return (await posts.page(half, wanted)).next


async def explained(engine: AsyncEngine, statement: str, values: Any) -> Reading:
    explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"
    async with engine.connect() as connection:
        [plan] = (await connection.exec_driver_sql(explain, values)).scalar_one()
    return Reading.of(plan["Plan"])


@pytest.fixture(scope="module")
async def file(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AsyncEngine]:
    folder: Path = tmp_path_factory.mktemp("post_plans")
    url = f"sqlite+aiosqlite:///{folder / 'shop.db'}"
    Migrations(url).upgrade()
    async with SqliteBackend.open(url) as backend:
        ada, tea = a_user(), a_tag(slug_text="common")
        posts = [a_post(ada, tags=[tea], published_at=NOON) for _ in range(50)]
        await backend.keep(ada, tea, *posts)
        yield backend.engine


async def test_sqlite_reads_them_along_an_index_as_well(file: AsyncEngine) -> None:
    author = UserId(a_user().id)
    for sort, wanted in combinations(
        SORTS,
        (
            PostFilter(),
            PUBLIC,
            PostFilter(status=PostStatus.DRAFT),
            PostFilter(author_id=author),
            PostFilter(author_id=author, status=PostStatus.PUBLISHED),
        ),
    ):
        request = PageRequest(sort=sort, limit=20)
        statement, values = await statement_of(file, request, wanted)
        async with file.connect() as connection:
            steps = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            plan = [row.detail for row in steps]
        of_posts = [step for step in plan if " posts" in step]
        assert of_posts, plan
        assert all("INDEX" in step for step in of_posts), plan
        if not (sort.field == "published_at" and wanted.status is not PostStatus.PUBLISHED):
            # Else a few are sorted once more, of those that have a date and of those that do not.
            assert not [step for step in plan if "TEMP B-TREE" in step], plan

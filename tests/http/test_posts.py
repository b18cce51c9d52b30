"""Posts: drafts, what is published, who reads it, and how often it was read."""

import asyncio
from collections import Counter
from typing import Any, Final

import httpx
import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    at,
    content,
    in_memory,
    is_uuid7,
    problem,
    rows,
)

POSTS: Final = "/v1/posts"
TIMES: Final = ("created_at", "updated_at")


def path(post: Json, verb: str = "") -> str:
    return f"{POSTS}/{post['id']}{verb}"


async def change(api: Api, post: Json, **changes: Any) -> Json:
    return content(await api.staff.patch(path(post), changes), 200)


async def slugs(api: Api, query: str = "", by: str = "nobody") -> list[str]:
    found = rows(await getattr(api, by).get(f"{POSTS}{query}"))
    return [post["slug"] for post in found]


async def read(api: Api, slug: str) -> Json:
    return content(await api.nobody.get(f"{POSTS}/by-slug/{slug}"), 200)


async def test_a_post_is_kept_as_it_was_written(api: Api) -> None:
    for tag in ("tea", "pot"):
        await api.tag(tag)
    text = "Line one\n\tline two, in full: 😀"
    body = {"title": "How to: Tea!", "slug": "tea", "content": text, "tags": ["tea", "pot", "tea"]}
    answer = await api.staff.post(POSTS, body)
    created = content(answer, 201)
    assert is_uuid7(created["id"])
    assert (answer.headers["Location"], answer.headers["ETag"]) == (path(created), '"1"')
    assert at(created["created_at"]) == at(created["updated_at"])
    own = {name: value for name, value in created.items() if name not in ("id", *TIMES)}
    assert own == {
        "title": "How to: Tea!",
        "slug": "tea",
        "content": text,
        "status": "draft",
        "tags": ["pot", "tea"],
        "author_id": api.staff.id,
        "view_count": 0,
        "published_at": None,
        "version": 1,
    }
    assert await api.post_now(created) == created
    assert rows(await api.staff.get(POSTS)) == [created]


async def test_without_a_slug_it_gets_the_one_that_its_title_suggests(api: Api) -> None:
    assert (await api.post(title="Café Olé!"))["slug"] == "cafe-ole"
    assert (await api.post(title="CAFE ole", slug=None))["slug"].startswith("cafe-ole-")
    assert (await api.post(title="日本"))["slug"].startswith("post-")
    assert (await api.post(title="x" * 200))["slug"] == "x" * 200
    again = (await api.post(title="x" * 200))["slug"]
    assert (len(again), again[:191]) == (200, "x" * 191)


async def test_a_slug_belongs_to_one_post_until_that_is_deleted(api: Api) -> None:
    news, other = await api.post(slug="news"), await api.post(slug="other")
    async with api.unchanged():
        for refused in (
            await api.staff.post(POSTS, {"title": "x", "slug": "news"}),
            await api.staff.patch(path(other), {"slug": "news"}),
        ):
            assert problem(refused, 409, "duplicate")["field"] == "slug"
    gone = await api.staff.delete(path(news))
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await change(api, other, slug="news"))["slug"] == "news"
    assert (await api.post(slug="other"))["id"] != other["id"]
    for who in (api.nobody, api.staff):
        problem(await who.get(path(news)), 404, "post-not-found")
    problem(await api.staff.delete(path(news)), 404, "post-not-found")


async def test_of_ten_posts_with_one_slug_one_is_written(api: Api) -> None:
    body = {"title": "x", "slug": "news"}
    answers = await asyncio.gather(*(api.staff.post(POSTS, body) for _ in range(10)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 9}


BAD: Final[list[tuple[Any, str]]] = [
    *(({"title": title}, "/title") for title in (None, "", " ", "a\nb", "x" * 201, 5, "\x00")),
    *(({"title": "x", "slug": slug}, "/slug") for slug in ("", "A", "a b", "ä", "a" * 201, 5)),
    *(
        ({"title": "x", "content": value}, "/content")
        for value in ("\x00", "a\ud800", "x" * 50_001, 5, ["x"])
    ),
    ({"title": "x", "tags": ["A"]}, "/tags/0"),
    ({"title": "x", "tags": ["a", "b c"]}, "/tags/1"),
    ({"title": "x", "tags": "a"}, "/tags"),
    ({"title": "x", "tags": [None]}, "/tags/0"),
    ({"title": "x", "tags": [f"t-{n}" for n in range(51)]}, "/tags"),
    *(
        ({"title": "x", name: value}, f"/{name}")
        for name, value in {
            "status": "published",
            "author_id": NOWHERE,
            "view_count": 7,
            "published_at": "2026-11-21T09:30:00Z",
            "id": NOWHERE,
            "version": 1,
        }.items()
    ),
]


@in_memory
@pytest.mark.parametrize(("body", "pointer"), BAD, ids=lambda each: str(each)[:40])
async def test_what_is_no_post_is_refused_where_it_is_wrong(
    api: Api, body: Any, pointer: str
) -> None:
    post = await api.post()
    async with api.unchanged():
        problem(await api.staff.post(POSTS, body), 422, "validation-error", pointer)
        problem(await api.staff.patch(path(post), body), 422, "validation-error", pointer)


@in_memory
async def test_what_is_missing_is_named(api: Api) -> None:
    async with api.unchanged():
        problem(await api.staff.post(POSTS, {}), 422, "validation-error", "/title")
        refused = await api.staff.post(POSTS, {"title": "x", "content": None, "tags": None})
        problem(refused, 422, "validation-error", "/content", "/tags")


async def test_the_longest_of_everything_fits_every_storage(api: Api) -> None:
    post = await api.post("publish", title="😀" * 200, slug="s" * 200, content="𝒳\n" * 25_000)
    assert await api.post_now(post) == post
    assert await slugs(api) == ["s" * 200]


async def test_only_a_tag_that_is_there_can_be_put_on_a_post(api: Api) -> None:
    await api.tag("red")
    post = await api.post(tags=["red"])
    async with api.unchanged():
        for refused in (
            await api.staff.post(POSTS, {"title": "x", "tags": ["red", "no", "nor-this"]}),
            await api.staff.patch(path(post), {"tags": ["nor-this", "no"]}),
        ):
            assert problem(refused, 404, "tag-not-found")["tags"] == ["no", "nor-this"]


async def test_a_patch_changes_what_it_names(api: Api) -> None:
    await api.tag("red")
    post = await api.post(title="Tea", slug="tea", content="Hot.", tags=["red"])
    assert await change(api, post) == post
    assert await change(api, post, title="Tea", tags=["red", "red"]) == post
    changed = await change(api, post, title="Pot")
    assert changed == post | {
        "title": "Pot",
        "version": 2,
        "updated_at": changed["updated_at"],
    }
    assert at(changed["updated_at"]) > at(post["updated_at"])
    cleared = await change(api, post, content=None, tags=None)
    assert (cleared["content"], cleared["tags"], cleared["slug"]) == ("", [], "tea")
    for null in ("title", "slug"):
        refused = await api.staff.patch(path(post), {null: None})
        problem(refused, 422, "validation-error", f"/{null}")


async def test_a_post_is_published_archived_and_published_again(api: Api) -> None:
    draft = await api.post()
    first = await api.staff.post(path(draft, "/publish"))
    published = content(first, 200)
    assert (published["status"], published["version"], first.headers["ETag"]) == (
        "published",
        2,
        '"2"',
    )
    assert published["published_at"] == published["updated_at"]
    archived = content(await api.staff.post(path(draft, "/archive")), 200)
    assert (archived["status"], archived["published_at"]) == (
        "archived",
        published["published_at"],
    )
    again = content(await api.staff.post(path(draft, "/publish")), 200)
    assert (again["status"], again["published_at"]) == ("published", published["published_at"])
    assert await api.post_now(draft) == again


@pytest.mark.parametrize(
    ("moves", "verb", "now", "allowed"),
    [
        (("publish",), "publish", "published", ["archived"]),
        (("archive",), "archive", "archived", ["published"]),
        (("publish", "archive"), "archive", "archived", ["published"]),
    ],
)
async def test_what_leads_nowhere_says_where_it_could_go(
    api: Api, moves: tuple[str, ...], verb: str, now: str, allowed: list[str]
) -> None:
    post = await api.post(*moves)
    async with api.unchanged():
        refused = problem(await api.staff.post(path(post, f"/{verb}")), 409, "invalid-transition")
    facts = {name: refused[name] for name in ("from", "to", "allowed")}
    assert facts == {"from": now, "to": now, "allowed": allowed}


async def test_of_ten_who_publish_a_post_one_does(api: Api) -> None:
    post = await api.post()
    answers = await asyncio.gather(*(api.staff.post(path(post, "/publish")) for _ in range(10)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    assert (await api.post_now(post))["version"] == 2


@pytest.mark.parametrize("verb", ["", "/publish"])
async def test_the_same_key_has_its_effect_once(api: Api, verb: str) -> None:
    where = path(await api.post(), verb) if verb else POSTS
    body = None if verb else {"title": "Tea"}
    first = await api.staff.post(where, body, key="once")
    async with api.unchanged():
        again = await api.staff.post(where, body, key="once")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.is_success
    async with api.unchanged():
        other = await api.staff.post(where, {"title": "Pot"}, key="once")
    problem(other, 422, "idempotency-key-reused")


# Reading


async def test_each_reading_by_slug_counts_and_nothing_else_does(api: Api) -> None:
    post = await api.post("publish", slug="news")
    before = await api.post_now(post)
    for number, who in enumerate((api.nobody, api.customer, api.staff, api.nobody), start=1):
        answer = await who.get(f"{POSTS}/by-slug/news")
        assert content(answer, 200) == before | {"view_count": number}
        assert answer.headers["ETag"] == '"2"'
    async with api.unchanged():
        assert (await api.post_now(post))["view_count"] == 4
        assert [one["view_count"] for one in rows(await api.nobody.get(POSTS))] == [4]
        content(await api.nobody.get(path(post)), 200)


async def test_who_has_the_post_already_reads_it_all_the_same(api: Api) -> None:
    post = await api.post("publish", slug="news")
    for header in ('"2"', "*"):
        same = await api.nobody.get(f"{POSTS}/by-slug/news", headers={"If-None-Match": header})
        assert (same.status_code, same.headers["ETag"]) == (304, '"2"')
    assert (await api.post_now(post))["view_count"] == 2


async def test_readers_make_no_version_stale_and_edits_lose_no_view(api: Api) -> None:
    post = await api.post("publish", slug="news")
    await read(api, "news")
    changed = await api.staff.patch(path(post), {"title": "x"}, if_match='"2"')
    assert (content(changed, 200)["view_count"], changed.json()["version"]) == (1, 3)
    await read(api, "news")
    archived = await api.staff.post(path(post, "/archive"), if_match='"3"')
    assert content(archived, 200)["view_count"] == 2


async def test_no_view_is_lost_among_fifty_readers_and_an_editor(api: Api) -> None:
    post = await api.post("publish", slug="news")

    async def edit() -> None:
        for number in range(5):
            done = await api.staff.patch(
                path(post), {"title": f"News {number}"}, if_match=f'"{number + 2}"'
            )
            content(done, 200)

    seen = await asyncio.gather(*(read(api, "news") for _ in range(50)), edit())
    views = sorted(one["view_count"] for one in seen if one)
    assert views == [*range(1, 51)]
    now = await api.post_now(post)
    assert (now["view_count"], now["title"], now["version"]) == (50, "News 4", 7)


@pytest.mark.parametrize("moves", [(), ("archive",), ("publish", "archive")])
async def test_what_is_not_published_is_there_for_staff_alone(
    api: Api, moves: tuple[str, ...]
) -> None:
    post = await api.post(*moves, slug="news")
    async with api.unchanged():
        for who in (api.nobody, api.customer):
            for where in (path(post), f"{POSTS}/by-slug/news"):
                problem(await who.get(where), 404, "post-not-found")
            assert rows(await who.get(POSTS)) == []
        for where in (path(post), f"{POSTS}/by-slug/news"):
            assert content(await api.staff.get(where), 200) == post
        assert rows(await api.staff.get(POSTS)) == [post]


@in_memory
@pytest.mark.parametrize("where", ["x", "by-slug/A", "by-slug/a b", "by-slug/", NOWHERE + "/"])
async def test_there_is_nothing_at_what_is_no_name(api: Api, where: str) -> None:
    async with api.unchanged():
        problem(await api.staff.get(f"{POSTS}/{where}"), 404, "not-found")


# Lists


async def a_shelf(api: Api) -> None:
    for tag in ("tea", "red"):
        await api.tag(tag)
    await api.post("publish", title="B: Green tea", slug="green", tags=["tea"])
    await api.post("publish", title="a teapot", slug="pot", content="of clay", tags=["tea", "red"])
    await api.post("publish", title="A crème", slug="creme", tags=["red"])
    await api.post(title="Tea in a draft", slug="draft", tags=["tea", "red"])
    await api.post("archive", title="Old tea", slug="never")
    await api.post("publish", "archive", title="Older tea", slug="once")
    for slug, views in (("green", 1), ("pot", 3)):
        for _ in range(views):
            await read(api, slug)


async def test_a_list_is_narrowed_by_every_filter(api: Api) -> None:
    await a_shelf(api)
    for query, found in (
        ("", {"green", "pot", "creme"}),
        ("?status=published", {"green", "pot", "creme"}),
        ("?tag=tea", {"green", "pot"}),
        ("?tag=tea&tag=red", {"pot"}),
        ("?tag=none", set()),
        ("?q=tea", {"green", "pot"}),
        ("?q=TE+cla", {"pot"}),
        ("?q=creme", {"creme"}),
        ("?q=", set()),
        ("?q=!", set()),
        (f"?author_id={api.staff.id}", {"green", "pot", "creme"}),
        (f"?author_id={api.customer.id}", set()),
        (f"?q=tea&tag=tea&status=published&author_id={api.staff.id}", {"green", "pot"}),
    ):
        assert {*await slugs(api, query)} == found, query
        assert {*await slugs(api, query, by="customer")} == found, query
    for query, found in (
        ("", {"green", "pot", "creme", "draft", "never", "once"}),
        ("?status=draft", {"draft"}),
        ("?status=archived", {"never", "once"}),
        ("?status=published&q=tea", {"green", "pot"}),
        ("?tag=tea&tag=red", {"pot", "draft"}),
        ("?q=tea&status=archived", {"never", "once"}),
    ):
        assert {*await slugs(api, query, by="staff")} == found, query


async def test_a_list_is_sorted_and_what_was_never_published_comes_last(api: Api) -> None:
    await a_shelf(api)
    for query, found in (
        ("", ["creme", "pot", "green"]),
        ("?sort=-published_at", ["creme", "pot", "green"]),
        ("?sort=published_at", ["green", "pot", "creme"]),
        ("?sort=title", ["creme", "green", "pot"]),
        ("?sort=-title", ["pot", "green", "creme"]),
        ("?sort=view_count", ["creme", "green", "pot"]),
        ("?sort=-view_count", ["pot", "green", "creme"]),
    ):
        assert await slugs(api, query) == found, query
    assert await slugs(api, "", by="staff") == [
        *("once", "creme", "pot", "green"),
        *("never", "draft"),
    ]
    assert await slugs(api, "?sort=published_at", by="staff") == [
        *("green", "pot", "creme", "once"),
        *("draft", "never"),
    ]


@pytest.mark.parametrize("sort", ["published_at", "-published_at", "title", "-view_count"])
@pytest.mark.parametrize("limit", [1, 2, 4])
async def test_a_walk_by_cursor_shows_each_post_once(api: Api, sort: str, limit: int) -> None:
    await a_shelf(api)
    everything = await slugs(api, f"?sort={sort}", by="staff")
    seen: list[str] = []
    page: httpx.Response = await api.staff.get(f"{POSTS}?sort={sort}&limit={limit}")
    while True:
        seen += [post["slug"] for post in rows(page)]
        if page.json()["next_cursor"] is None:
            break
        page = await api.staff.get(page.headers["Link"][1:].partition(">")[0])
    assert seen == everything
    assert len(seen) == 6
    assert await api.total(POSTS) == 6


async def test_a_cursor_of_staff_shows_others_nothing_that_is_not_for_them(api: Api) -> None:
    await a_shelf(api)
    # Right behind the first one that was never published.
    first = content(await api.staff.get(f"{POSTS}?limit=5"), 200)
    assert first["items"][-1]["slug"] == "never"
    where = f"{POSTS}?cursor={first['next_cursor']}"
    assert rows(await api.nobody.get(where)) == []
    assert [post["slug"] for post in rows(await api.staff.get(where))] == ["draft"]


@in_memory
@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("status=x", "status"),
        ("status=", "status"),
        ("status=draft&status=draft", "status"),
        ("author_id=x", "author_id"),
        ("tag=A", "tag"),
        ("&".join(f"tag=t{n}" for n in range(21)), "tag"),
        ("q=" + "x" * 201, "q"),
        ("q=%00", "q"),
        ("sort=created_at", "sort"),
        ("sort=relevance&q=x", "sort"),
        ("is_active=true", "is_active"),
        ("limit=0", "limit"),
    ],
)
async def test_a_list_takes_nothing_else(api: Api, query: str, name: str) -> None:
    problem(await api.staff.get(f"{POSTS}?{query}"), 422, "validation-error", f"query {name}")


async def test_nobody_else_asks_for_drafts(api: Api) -> None:
    for status in ("draft", "archived"):
        problem(await api.nobody.get(f"{POSTS}?status={status}"), 401, "unauthenticated")
        problem(await api.customer.get(f"{POSTS}?status={status}"), 403, "forbidden")


# What it has to do with others


async def test_the_list_of_tags_tells_how_many_published_posts_have_each(api: Api) -> None:
    await a_shelf(api)
    await api.product(tags=["tea"])
    listed = rows(await api.nobody.get("/v1/tags"))
    counts = {tag["slug"]: (tag["product_count"], tag["post_count"]) for tag in listed}
    assert counts == {"tea": (1, 2), "red": (0, 2)}
    assert rows(await api.staff.get("/v1/tags")) == listed


async def test_a_tag_that_goes_is_taken_off_every_post(api: Api) -> None:
    tags = {slug: await api.tag(slug) for slug in ("red", "new")}
    both = await api.post("publish", slug="both", tags=["red", "new"])
    only, other = await api.post(tags=["red"]), await api.post(tags=["new"])
    product = await api.product(tags=["red"])
    removed = await api.staff.delete(f"/v1/tags/{tags['red']['id']}")
    assert (removed.status_code, removed.content) == (204, b"")
    for post, left, version in ((both, ["new"], 3), (only, [], 2)):
        now = await api.post_now(post)
        assert (now["tags"], now["version"]) == (left, version)
        assert at(now["updated_at"]) > at(post["updated_at"])
    assert await api.post_now(other) == other
    assert (await api.product_now(product))["tags"] == []
    assert rows(await api.staff.get(f"{POSTS}?tag=red")) == []
    refused = await api.staff.patch(path(both), {"title": "x"}, if_match='"2"')
    assert problem(refused, 412, "stale-version")["version"] == 3


async def test_a_tag_goes_while_posts_get_it_and_none_keeps_it(api: Api) -> None:
    red = await api.tag("red")
    posts = [await api.post() for _ in range(8)]
    removed, *tagged = await asyncio.gather(
        api.staff.delete(f"/v1/tags/{red['id']}"),
        *(api.staff.patch(path(post), {"tags": ["red"]}) for post in posts),
    )
    assert removed.status_code in (204, 409), removed.text
    for answer in tagged:
        assert answer.status_code in (200, 404, 409), answer.text
    kept = {tag for post in posts for tag in (await api.post_now(post))["tags"]}
    there = {tag["slug"] for tag in rows(await api.nobody.get("/v1/tags"))}
    assert kept <= there


async def test_who_wrote_a_post_is_not_deleted_until_it_is(api: Api) -> None:
    post = await api.post()
    async with api.unchanged():
        problem(await api.admin.delete(f"/v1/users/{api.staff.id}"), 409, "in-use")
    gone = await api.admin.delete(path(post))
    assert gone.status_code == 204
    assert (await api.admin.delete(f"/v1/users/{api.staff.id}")).status_code == 204

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Response

from application.catalog.search import words_of_query
from application.content.publishing import Publishing
from application.content.queries import PostFilter
from application.content.reading import Reading
from application.content.tagging import Tagging
from domain.catalog.tag import TagId
from domain.content.post import PostId
from domain.content.status import PostStatus
from domain.identity.user import UserId
from domain.shared.text import Slug as SlugText
from interfaces.http.answers import nothing, resource
from interfaces.http.catalog.filters import LONGEST_QUERY, MOST_TAGS
from interfaces.http.content.schemas import (
    CreatePost,
    CreateTag,
    PatchPost,
    PostOut,
    StatusText,
    TagOut,
)
from interfaces.http.dependencies import (
    NOBODY_AS_WELL,
    CurrentActor,
    ExpectedVersions,
    KnownVersion,
    OptionalActor,
    reading,
    use_case,
)
from interfaces.http.openapi import problems
from interfaces.http.pages import ListOf, Paging, paging
from interfaces.http.routing import RehearsableRoute, router
from interfaces.http.schemas import Id, Slug

PublishingService = Annotated[Publishing, use_case(lambda shop: shop.publishing)]
ReadingService = Annotated[Reading, reading(lambda shop: shop.reading)]
TaggingService = Annotated[Tagging, use_case(lambda shop: shop.tagging)]

PostPaging = Annotated[Paging, paging("published_at", "title", "view_count", usual="-published_at")]
TagPaging = Annotated[Paging, paging("name", usual="name")]

PostList = ListOf[PostOut]
TagList = ListOf[TagOut]

posts = router("/v1/posts", "posts", RehearsableRoute)
tags = router("/v1/tags", "catalog", RehearsableRoute)


@posts.get(
    "",
    response_model=PostList,
    responses=problems("forbidden"),
    openapi_extra=NOBODY_AS_WELL,
)
async def list_posts(
    paging: PostPaging,
    actor: OptionalActor,
    reading: ReadingService,
    q: Annotated[
        str | None,
        Query(max_length=LONGEST_QUERY, description="words, or how words begin; all must be found"),
    ] = None,
    tag: Annotated[Sequence[Slug], Query(max_length=MOST_TAGS, description="all of them")] = (),
    status: Annotated[StatusText | None, Query(description="staff: also the others")] = None,
    author_id: Id | None = None,
) -> Response:
    """Published posts; for staff all of them. What was never published comes last by its date."""
    wanted = PostFilter(
        words=None if q is None else words_of_query(q),
        tags=tuple(map(SlugText, tag)),
        status=PostStatus(status) if status else None,
        author_id=UserId(author_id) if author_id else None,
    )
    page = await reading.list(actor, paging.asked, wanted)
    return paging.listed(PostList, page, PostOut.of)


@posts.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=PostOut,
    responses=problems("tag-not-found", "duplicate", "in-use"),
)
async def create_post(
    body: CreatePost, actor: CurrentActor, publishing: PublishingService
) -> Response:
    """Write a draft; without a slug it gets the one that its title suggests."""
    created = await publishing.create(actor, **dict(body))
    return resource(PostOut.of(created), HTTPStatus.CREATED, location=f"/v1/posts/{created.id}")


@posts.get(
    "/by-slug/{slug}",
    response_model=PostOut,
    responses=problems("post-not-found"),
    dependencies=[KnownVersion],
    openapi_extra=NOBODY_AS_WELL,
)
async def read_post(slug: Slug, actor: OptionalActor, reading: ReadingService) -> Response:
    """The post to its readers: each time counts as a view, which moves neither version nor ETag."""
    return resource(PostOut.of(await reading.read(actor, SlugText(slug))))


@posts.get(
    "/{id}",
    response_model=PostOut,
    responses=problems("post-not-found"),
    dependencies=[KnownVersion],
    openapi_extra=NOBODY_AS_WELL,
)
async def get_post(id: Id, actor: OptionalActor, reading: ReadingService) -> Response:
    """The same post, without counting a view."""
    return resource(PostOut.of(await reading.post(actor, PostId(id))))


@posts.patch(
    "/{id}",
    response_model=PostOut,
    responses=problems("post-not-found", "tag-not-found", "duplicate", "in-use", "stale-version"),
)
async def update_post(
    id: Id,
    body: PatchPost,
    actor: CurrentActor,
    publishing: PublishingService,
    expected: ExpectedVersions,
) -> Response:
    """Change what is named. The status has operations of its own."""
    revised = await publishing.revise(actor, PostId(id), body.changes(), expected=expected)
    return resource(PostOut.of(revised))


@posts.delete(
    "/{id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems("post-not-found", "stale-version"),
)
async def delete_post(
    id: Id, actor: CurrentActor, publishing: PublishingService, expected: ExpectedVersions
) -> Response:
    """Remove it for good; to take it out of sight, archive it."""
    await publishing.delete(actor, PostId(id), expected=expected)
    return nothing()


@posts.post(
    "/{id}/publish",
    response_model=PostOut,
    responses=problems("post-not-found", "invalid-transition", "stale-version"),
)
async def publish_post(
    id: Id, actor: CurrentActor, publishing: PublishingService, expected: ExpectedVersions
) -> Response:
    """Let everybody read it, be it for the first time or again."""
    return resource(PostOut.of(await publishing.publish(actor, PostId(id), expected=expected)))


@posts.post(
    "/{id}/archive",
    response_model=PostOut,
    responses=problems("post-not-found", "invalid-transition", "stale-version"),
)
async def archive_post(
    id: Id, actor: CurrentActor, publishing: PublishingService, expected: ExpectedVersions
) -> Response:
    """Take it out of sight of all but staff."""
    return resource(PostOut.of(await publishing.archive(actor, PostId(id), expected=expected)))


@tags.get("", response_model=TagList)
async def list_tags(paging: TagPaging, reading: ReadingService) -> Response:
    """All tags, with how many products on sale and published posts have each."""
    return paging.listed(TagList, await reading.list_tags(paging.asked), TagOut.of)


@tags.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=TagOut,
    responses=problems("duplicate"),
)
async def create_tag(body: CreateTag, actor: CurrentActor, tagging: TaggingService) -> Response:
    """Add a tag; without a slug it gets the one that its name suggests."""
    created = await tagging.create(actor, **dict(body))
    return resource(TagOut.of_new(created), HTTPStatus.CREATED)


@tags.delete(
    "/{id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems("tag-not-found", "in-use", "stale-version"),
)
async def delete_tag(
    id: Id, actor: CurrentActor, tagging: TaggingService, expected: ExpectedVersions
) -> Response:
    """Take it off everything that has it, and away."""
    await tagging.delete(actor, TagId(id), expected=expected)
    return nothing()

from typing import Annotated, Any, Literal, Self, cast
from uuid import UUID

from pydantic import ConfigDict, Field

from application.content.queries import PostDetails, TagDetails
from domain.catalog.tag import TAG_NAME_LENGTH, Tag
from domain.content.post import CONTENT_LENGTH, TITLE_LENGTH, PostChanges
from interfaces.http.catalog.schemas import Tags
from interfaces.http.schemas import ABSENT, Body, FreeText, Line, Slug, Timestamp, View

StatusText = Literal["draft", "published", "archived"]
Title = Annotated[str, Line(TITLE_LENGTH)]
Content = Annotated[str, FreeText(CONTENT_LENGTH)]


class CreateTag(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "On sale"}]})

    name: Annotated[str, Line(TAG_NAME_LENGTH)]
    slug: Slug | None = None


class TagOut(View):
    id: UUID
    name: str
    slug: str
    product_count: int
    post_count: int
    version: int

    @classmethod
    def of(cls, tag: TagDetails) -> Self:
        return cls.model_validate(tag, from_attributes=True)

    @classmethod
    def of_new(cls, tag: Tag) -> Self:
        """One that nothing has yet."""
        return cls(
            id=tag.id,
            name=tag.name,
            slug=tag.slug,
            product_count=0,
            post_count=0,
            version=tag.version,
        )


class CreatePost(Body):
    """Without a slug it gets the one that its title suggests."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"title": "How we fire our mugs", "content": "At 1200 °C, and twice."}]
        }
    )

    title: Title
    slug: Slug | None = None
    content: Content = ""
    tags: Tags = Field(default_factory=list)


class PatchPost(Body):
    """A merge patch (RFC 7396): what is absent stays. The status has operations of its own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "How we fire mugs"}]})

    title: Title = ABSENT
    slug: Slug = ABSENT
    content: Content | None = ABSENT
    tags: Tags | None = ABSENT

    def changes(self) -> PostChanges:
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if given.get("content", "") is None:
            given["content"] = ""
        if given.get("tags", ()) is None:
            given["tags"] = ()
        return cast(PostChanges, given)


class PostOut(View):
    id: UUID
    title: str
    slug: str
    content: str
    status: StatusText
    tags: list[str]
    author_id: UUID
    view_count: int
    published_at: Timestamp | None = Field(description="when it first was; null if it never was")
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, post: PostDetails) -> Self:
        return cls.model_validate(post, from_attributes=True)

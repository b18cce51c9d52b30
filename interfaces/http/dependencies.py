import re
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Final, cast

from dependency_injector.providers import Factory
from fastapi import Depends, Header, Request
from fastapi.security import OAuth2PasswordBearer

from application.identity.actor import Actor, Unauthenticated, known
from interfaces.container import Container, looking
from interfaces.http.problems import Problem
from interfaces.http.solving import declared_only


def shop_of(request: Request) -> Container:
    """The container of the application that serves this request."""
    return cast(Container, request.app.state.container)


def use_case(pick: Callable[[type[Container]], Factory[Any]]) -> Any:
    """A service that begins units of work; they join the request's own where it has one."""

    async def resolve(request: Request) -> Any:
        provider = pick(cast(type[Container], shop_of(request)))
        begin = getattr(request.state, "begin", None)
        return provider(begin=begin) if begin else provider()

    return Depends(resolve)


def reading(pick: Callable[[type[Container]], Factory[Any]]) -> Any:
    """A service that only looks."""

    async def resolve(request: Request) -> Any:
        request.state.looks_into = shop = await looking(shop_of(request))
        return pick(cast(type[Container], shop))()

    return Depends(resolve)


async def has_lost_its_replica(request: Request) -> bool:
    """Whether it looked into a replica that is of no use any more."""
    shop = shop_of(request)
    return getattr(request.state, "looks_into", shop) is not shop and await looking(shop) is shop


async def actor_of(request: Request) -> Actor | None:
    """Who sends the request; None for nobody we know of. Unauthenticated for a token that fails."""
    if not hasattr(request.state, "actor"):
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            request.state.actor = None
        elif scheme.lower() != "bearer" or len(request.headers.getlist("authorization")) > 1:
            raise Unauthenticated
        else:
            actor = await shop_of(request).recognition().actor(token.strip())
            request.state.actor = replace(actor, request_id=request.state.request_id)
    return cast(Actor | None, request.state.actor)


# Only for the document: it says where tokens come from, and `/docs` offers to get one.
_BEARER = OAuth2PasswordBearer(tokenUrl="/v1/auth/token", auto_error=False, scheme_name="Bearer")


async def _anybody(request: Request, _: Annotated[str | None, Depends(_BEARER)]) -> Actor | None:
    return await actor_of(request)


async def _somebody(request: Request, _: Annotated[str | None, Depends(_BEARER)]) -> Actor:
    return known(await actor_of(request))


NOBODY_AS_WELL: Final[dict[str, Any]] = {"security": [{}]}  # for the document of such operations
OptionalActor = Annotated[Actor | None, Depends(_anybody)]
CurrentActor = Annotated[Actor, Depends(_somebody)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="1 to 255 visible ASCII characters; the same request with the same key has its"
        " effect once and always the same answer.",
        examples=["6f1c2a1e-order-42"],
        json_schema_extra={"pattern": "^[!-~]{1,255}$"},
    ),
]


# RFC 9110 §8.8.3.
_ETAG: Final = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_ETAGS: Final = re.compile(rf"\s*{_ETAG}(?:\s*,\s*{_ETAG})*\s*")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,9}")


async def _expected_versions(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description='The ETag that was read, as `"3"`.',
            examples=['"3"'],
            json_schema_extra={"pattern": r'^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*)$'},
        ),
    ] = None,
) -> frozenset[int] | None:
    """The versions that If-Match allows (RFC 9110 §13.1.1); None where it allows any."""
    if if_match is None or if_match.strip() == "*":
        return None
    if not _ETAGS.fullmatch(if_match):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "invalid-header",
            "If-Match is no list of ETags",
            errors=[{"in": "header", "name": "If-Match", "detail": 'is not of the form "3"'}],
        )
    # A weak tag, and one that is none of ours, is well-formed and matches nothing.
    tags = re.findall(_ETAG, if_match)
    return frozenset(int(tag) for weak, tag in tags if not weak and _VERSION.fullmatch(tag))


@declared_only
async def _known_version(
    if_none_match: Annotated[
        str | None,
        Header(alias="If-None-Match", description="The ETag of what the client has already."),
    ] = None,
) -> None:
    """Declared for the document; the route itself answers 304."""


ExpectedVersions = Annotated[frozenset[int] | None, Depends(_expected_versions)]
KnownVersion = Depends(_known_version)

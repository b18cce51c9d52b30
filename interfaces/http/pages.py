import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any, Final, Generic, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import Field

from application.shared.pages import Page, PageRequest, Position, Sort, SortValue
from interfaces.http.dependencies import shop_of
from interfaces.http.problems import Problem, validation_error
from interfaces.http.schemas import PLAIN_INTEGER, QueryBool, View

T = TypeVar("T")
V = TypeVar("V", bound=View)

MOST: Final = 100
USUAL: Final = 20
FURTHEST: Final = 10_000
_SIGNATURE: Final = 16  # bytes
# Parameters that say which part of the list, or in which order, but not of which things.
_NO_FILTERS: Final = frozenset({"limit", "cursor", "offset", "with_total", "sort"})


class ListOf(View, Generic[V]):
    """`next_cursor` is null on the last page; `total` is there where it was asked for."""

    items: list[V]
    next_cursor: str | None
    total: int | None = Field(default=None, exclude_if=lambda total: total is None)


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked for, and how to point to the next one."""

    request: Request
    asked: PageRequest

    def listed(self, kind: type[ListOf[V]], page: Page[T], view: Callable[[T], V]) -> Response:
        """The page as `{"items": …, "next_cursor": …}`, with a Link (RFC 8288) to the next."""
        cursor = _sealed(self.request, self.asked.sort, page.next) if page.next else None
        items = [view(item) for item in page.items]
        body = kind(items=items, next_cursor=cursor, total=page.total)
        headers = {}
        if cursor:
            kept = [
                (name, value)
                for name, value in self.request.query_params.multi_items()
                if name not in ("cursor", "offset")
            ]
            target = f"{self.request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"
            headers["Link"] = f'<{target}>; rel="next"'
        return Response(
            body.model_dump_json(by_alias=True), headers=headers, media_type="application/json"
        )


def paging(*sorts: str, usual: str, searched: str | None = None) -> Any:
    """
    The parameters of a list that can be sorted by `sorts`, and is by `usual`.

    With the parameter `q` it can be sorted by `searched` as well, in one direction, and then is.
    """
    spellings = [sign + field for field in sorts for sign in ("", "-")]
    if searched:
        spellings.append(searched)

    async def page_asked_for(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MOST), PLAIN_INTEGER] = USUAL,
        cursor: Annotated[str | None, Query()] = None,
        offset: Annotated[int | None, Query(ge=0, le=FURTHEST), PLAIN_INTEGER] = None,
        with_total: Annotated[QueryBool, Query()] = False,
        sort: Annotated[
            str | None,
            Query(
                json_schema_extra={"enum": spellings},
                description=f"- for descending; {usual} where it is not said"
                + (f", {searched} with q" if searched else ""),
            ),
        ] = None,
    ) -> Paging:
        searches = "q" in request.query_params
        if sort is None:
            sort = searched if searched and searches else usual
        if sort not in spellings:
            raise _wrong("sort", f"is none of {', '.join(spellings)}")
        if sort == searched and not searches:
            raise _wrong("sort", f"is {searched} only with q")
        if cursor is not None and offset is not None:
            raise _wrong("offset", "goes with no cursor")
        order = Sort(sort.removeprefix("-"), sort.startswith("-"))
        return Paging(
            request,
            PageRequest(
                sort=order,
                limit=limit,
                after=None if cursor is None else _opened(request, order, cursor),
                offset=offset or 0,
                with_total=with_total,
            ),
        )

    return Depends(page_asked_for)


def _wrong(name: str, detail: str) -> Problem:
    return validation_error({"in": "query", "name": name, "detail": detail})


def _sealed(request: Request, sort: Sort, position: Position) -> str:
    place = json.dumps([_tagged(position.value), position.id.hex]).encode()
    return _text(_signatures(request, sort, place)[0] + place)


def _opened(request: Request, sort: Sort, cursor: str) -> Position:
    try:
        sealed = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        raise _no_cursor() from None
    signature, place = sealed[:_SIGNATURE], sealed[_SIGNATURE:]
    known = _signatures(request, sort, place)
    if not any(hmac.compare_digest(signature, each) for each in known):
        raise _no_cursor()
    if _text(sealed) != cursor:  # the decoder is lenient
        raise _no_cursor()
    value, id = json.loads(place)
    return Position(_untagged(value), UUID(hex=id))


def _text(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).decode().rstrip("=")


def _signatures(request: Request, sort: Sort, place: bytes) -> list[bytes]:
    """
    What binds the place to this list, its filters and its sort, by a key that only we have; and,
    while keys are rotated, by the one before.
    """
    filters = sorted(
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in _NO_FILTERS
    )
    bound: Sequence[object] = (request.url.path, filters, sort.field, sort.descending)
    message = json.dumps(bound).encode() + b"\0" + place
    secrets = shop_of(request).settings().secrets
    return [
        hmac.digest(b"cursor:" + secret.encode(), message, sha256)[:_SIGNATURE]
        for secret in secrets
    ]


def _tagged(value: SortValue) -> object:
    return {"time": value.isoformat()} if isinstance(value, datetime) else value


def _untagged(value: Any) -> SortValue:
    if isinstance(value, dict):
        return datetime.fromisoformat(value["time"])
    return value if value is None or isinstance(value, int) else str(value)


def _no_cursor() -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "invalid-cursor", "this cursor is not one of this list")

"""What every operation of the API has in common: strict input, one transaction, ETags."""

import hmac
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence, Set
from contextlib import AbstractAsyncContextManager
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final, cast, get_origin, get_type_hints

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Depends as Dependency
from fastapi.params import Form
from fastapi.params import Query as QueryParameter
from fastapi.routing import APIRoute

from application.shared.errors import Unavailable
from application.shared.idempotency import Answer, KeyReused, RequestKey
from domain.shared.errors import DomainError
from domain.shared.text import has_control_characters
from interfaces.container import Container, joining
from interfaces.http.dependencies import (
    IdempotencyKey,
    actor_of,
    has_lost_its_replica,
    shop_of,
)
from interfaces.http.problems import Problem, answer, problem_of, validation_error
from interfaces.http.solving import Plan, Unsolved, declared_only
from interfaces.http.strict_json import decoded

Handle = Callable[[Request], Coroutine[Any, Any, Response]]

_JSON: Final = frozenset({"application/json"})
_PATCH: Final = _JSON | {"application/merge-patch+json"}
_FORM: Final = frozenset({"application/x-www-form-urlencoded"})
_KEPT_HEADERS: Final = ("content-type", "location", "etag")
_TRUE_OR_FALSE: Final = {"true": True, "false": False}


class StrictRequest(Request):
    """A request whose JSON body has been read and found good."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = decoded(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """
    Refuses what it does not know, and runs the operation to its end even if the client goes away.

    Everything that may be wrong with a request before its use case is wrong here, once for all
    operations; storage failures that may pass are tried again by the shop's runner.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.plan = Plan.of(self.dependant) if self._is_plain() else None
        known = {
            field.alias: get_origin(field.field_info.annotation)
            for field in get_flat_params(self.dependant)
            if isinstance(field.field_info, QueryParameter)
        }
        self._known = known.keys()
        self._lists = {name for name, kind in known.items() if kind in (list, Sequence)}

    def get_route_handler(self) -> Handle:
        framework = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await self._answer(StrictRequest(request.scope, request.receive), framework)

        return handle

    async def answer_quickly(self, request: StrictRequest) -> Response:
        """As planned, without the framework; or Unsolved, and then nothing has happened."""
        return await self._answer(request, self._as_planned)

    async def _answer(self, request: StrictRequest, handle: Handle) -> Response:
        _check_query(request, self._known, self._lists)
        done_with = await self.take_in(request)
        response: Response = await shop_of(request).runner()(
            lambda: self._attempt(request, handle), at_last=done_with
        )
        return _not_modified(request, response) or response

    async def _attempt(self, request: StrictRequest, handle: Handle) -> Response:
        try:
            return await self.operate(request, handle)
        except Unavailable:
            if not await has_lost_its_replica(request):
                raise
        return await self.operate(request, handle)

    async def _as_planned(self, request: Request) -> Response:
        async def body() -> Any:
            if not await request.body():
                raise Unsolved
            return await request.json()

        if self.plan is None:
            raise Unsolved
        response: Response = await self.plan.call(**await self.plan.arguments(request, body))
        return response

    def _is_plain(self) -> bool:
        """Whether it takes no form, and says itself what is to be sent."""
        form = self.body_field is not None and isinstance(self.body_field.field_info, Form)
        return not form and get_type_hints(self.endpoint).get("return") is Response

    async def take_in(self, request: StrictRequest) -> Callable[[], object]:
        """Read and check the body; returns what is to be done when nobody needs it any more."""
        if (media_types := self._media_types()) and await request.body():
            media_type_of(request, media_types)
            if media_types is not _FORM:
                await request.json()
        return _nothing

    async def sent(self, request: Request) -> AsyncIterator[bytes]:
        """The body, once more."""
        yield await request.body()

    async def operate(self, request: Request, handle: Handle) -> Response:
        """Do what the operation does, once."""
        return await handle(request)

    def _media_types(self) -> frozenset[str]:
        if self.body_field is None:
            return frozenset()
        if isinstance(self.body_field.field_info, Form):
            return _FORM
        return _PATCH if "PATCH" in (self.methods or ()) else _JSON


class KeyedRoute(StrictRoute):
    """A POST takes an Idempotency-Key; the effect and its answer are kept in one transaction."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        declared: Sequence[Dependency] = options.pop("dependencies", None) or ()
        methods = options.get("methods") or {"GET"}
        super().__init__(
            path, endpoint, dependencies=[*declared, *self.declarations({*methods})], **options
        )

    def declarations(self, methods: set[str]) -> list[Dependency]:
        """Parameters that the operations themselves never see."""
        return [Depends(_declare_key)] if "POST" in methods else []

    async def operate(self, request: Request, handle: Handle) -> Response:
        key = await _key_of(request)
        if key is None:
            return await handle(request)
        shop = shop_of(request)
        fingerprints = await self._fingerprints(request)
        async with self.begin(shop) as outer:
            claimed = False

            async def claim() -> None:
                nonlocal claimed
                if not claimed:
                    kept = await outer.keys.claim(key, at=shop.clock()())
                    if kept is not None:
                        raise _AnsweredBefore(kept)
                    claimed = True

            try:
                response = await _joined(request, handle, joining(outer, claim))
            except _AnsweredBefore as before:
                return _replayed(before.answer, fingerprints)
            if claimed:
                until = shop.clock()() + shop.idempotency_lifetime()
                await outer.keys.keep(key, _kept(response, fingerprints[0]), until=until)
                await outer.commit()
        return response

    def begin(self, shop: Container) -> AbstractAsyncContextManager[Any]:
        """The unit of work of a request with a key."""
        return cast(AbstractAsyncContextManager[Any], shop.work())

    async def _fingerprints(self, request: Request) -> list[bytes]:
        """Of what was sent, by the key of today and, while keys are rotated, the one before."""
        # Keyed, because a body may hold a password, which a bare hash of it would give away.
        hashes = [
            hmac.new(b"request:" + secret.encode(), request.url.query.encode() + b"\0", sha256)
            for secret in shop_of(request).settings().secrets
        ]
        async for chunk in self.sent(request):
            for hash in hashes:
                hash.update(chunk)
        return [hash.digest() for hash in hashes]


class RehearsableRoute(KeyedRoute):
    """Every unsafe method takes `dry_run`: the same transaction, rolled back at its end."""

    def declarations(self, methods: set[str]) -> list[Dependency]:
        declared = super().declarations(methods)
        return [*declared, Depends(_declare_dry_run)] if methods - {"GET"} else declared

    async def operate(self, request: Request, handle: Handle) -> Response:
        if request.method == "GET" or not _is_dry_run(request):
            return await super().operate(request, handle)
        await _key_of(request)
        async with shop_of(request).work() as outer:
            request.state.begin = joining(outer)
            response = await handle(request)
        if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
            response.status_code = HTTPStatus.OK
        return response


def router(prefix: str, tag: str, kind: type[StrictRoute]) -> APIRouter:
    """Routes of this kind; each operation's id is the name of its function."""
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=kind,
        generate_unique_id_function=lambda route: route.name,
    )


@declared_only
def _declare_key(idempotency_key: IdempotencyKey = None) -> None:
    """Declared for the document; the route reads it before any dependency is asked."""


@declared_only
def _declare_dry_run(dry_run: bool = Query(False, description="Do it, answer, undo it.")) -> None:
    """Declared for the document, too."""


def _is_dry_run(request: Request) -> bool:
    value = request.query_params.get("dry_run", "false")
    if value not in _TRUE_OR_FALSE:
        raise validation_error({"in": "query", "name": "dry_run", "detail": "is true or false"})
    return _TRUE_OR_FALSE[value]


class _AnsweredBefore(Exception):
    def __init__(self, answer: Answer) -> None:
        self.answer = answer


async def _joined(request: Request, handle: Handle, begin: Callable[[], Any]) -> Response:
    """The operation as a part of a unit of work; a refusal that is to be kept as its answer."""
    request.state.begin = begin
    try:
        return await handle(request)
    except DomainError as refusal:
        if problem_of(refusal).status is not HTTPStatus.CONFLICT:
            raise
        return await answer(request, refusal)


async def _key_of(request: Request) -> RequestKey | None:
    """The request's idempotency key, which only those have whom we know."""
    headers = request.headers.getlist("idempotency-key")
    if request.method != "POST" or not headers:
        return None
    key = headers[0].strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(headers) > 1 or not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "invalid-header",
            "Idempotency-Key is not 1 to 255 visible ASCII characters",
            errors=[{"in": "header", "name": "Idempotency-Key", "detail": "does not fit"}],
        )
    actor = await actor_of(request)
    if actor is None:
        return None
    return RequestKey(actor.id, request.method, request.url.path, key)


def _kept(response: Response, fingerprint: bytes) -> Answer:
    headers = response.headers.items()
    return Answer(
        request_hash=fingerprint,
        status=response.status_code,
        headers=tuple((name, value) for name, value in headers if name in _KEPT_HEADERS),
        body=bytes(response.body),
    )


def _replayed(kept: Answer, fingerprints: Sequence[bytes]) -> Response:
    if kept.request_hash not in fingerprints:
        raise KeyReused
    headers = {**dict(kept.headers), "idempotent-replayed": "true"}
    return Response(kept.body, kept.status, headers)


def _check_query(request: Request, known: Any, lists: set[str]) -> None:
    if not request.scope["query_string"]:
        return
    errors = []
    seen = set()
    for name, value in request.query_params.multi_items():
        if name not in known:
            errors.append({"in": "query", "name": name[:50], "detail": "is not known here"})
        elif name in seen and name not in lists:
            errors.append({"in": "query", "name": name, "detail": "is given more than once"})
        elif has_control_characters(value):
            errors.append({"in": "query", "name": name, "detail": "has a control character"})
        seen.add(name)
    if errors:
        raise validation_error(*errors)


def media_type_of(request: Request, media_types: Set[str]) -> str:
    """That of the body, or a Problem if it is none of these."""
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower()
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if (
        media_type not in media_types
        or charset not in ("", "charset=utf-8")
        or "content-encoding" in request.headers
    ):
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            f"the body is to be {' or '.join(sorted(media_types))} in UTF-8",
        )
    return media_type


def _nothing() -> None:
    """There is nothing to be done."""


def _not_modified(request: Request, response: Response) -> Response | None:
    """RFC 9110 §13.1.2: what the client has already need not be sent again."""
    etag = response.headers.get("etag")
    asked = request.headers.get("if-none-match")
    if request.method != "GET" or not etag or not asked:
        return None
    known = {tag.strip().removeprefix("W/") for tag in asked.split(",")}
    if etag not in known and "*" not in known:
        return None
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"etag": etag})

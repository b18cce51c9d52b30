"""What belongs to running the service rather than to the shop."""

import hmac
import json
import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from typing import Final, Literal

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import PlainTextResponse
from pydantic import Field
from starlette.staticfiles import StaticFiles

from application.identity.actor import Unauthenticated
from domain.identity.user import Permission
from interfaces.http.dependencies import CurrentActor, shop_of
from interfaces.http.openapi import problems
from interfaces.http.problems import MEANING, Problem, title
from interfaces.http.routing import StrictRoute, router
from interfaces.http.schemas import View
from interfaces.metrics import CONTENT_TYPE, exposition

VERSION: Final = version("tradepost")
ASSETS: Final = "/docs/assets"
OPENAPI: Final = "/v1/openapi.json"

_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)

operations = router("", "operations", StrictRoute)


class Alive(View):
    status: str = Field(examples=["ok"])


class Links(View):
    name: str
    version: str
    links: dict[str, str]


@operations.get("/", response_model=Links)
async def index() -> Links:
    """What this is and where to go on."""
    links = {"docs": "/docs", "openapi": OPENAPI, "live": "/livez", "ready": "/readyz"}
    return Links(name="tradepost", version=VERSION, links=links)


@operations.get(OPENAPI, include_in_schema=False)
async def openapi(request: Request) -> Response:
    return Response(json.dumps(request.app.openapi()), media_type="application/json")


@operations.get("/livez", response_model=Alive)
async def live() -> Alive:
    """The process answers."""
    return Alive(status="ok")


@operations.get("/readyz", response_model=Alive)
async def ready(request: Request) -> Alive:
    """The database answers and has the schema that this version needs."""
    reason = await shop_of(request).readiness()()
    if reason is not None:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", reason, headers={"Retry-After": "1"}
        )
    return Alive(status="ok")


class Database(View):
    dialect: str
    pool_size: int
    checked_in: int
    checked_out: int
    overflow: int = Field(description="open beyond the size of the pool, for the time being")


class Health(View):
    status: Literal["healthy", "stressed"] = Field(
        description="stressed while more connections are in use than the pool keeps"
    )
    database: Database


@operations.get("/health", response_model=Health, responses=problems("forbidden"))
async def health(request: Request, actor: CurrentActor) -> Health:
    """How the worker that answers is doing for connections, for staff."""
    actor.require(Permission.SEE_REPORTS)
    shop = shop_of(request)
    pools = shop.connections().values()
    return Health(
        status="stressed" if any(pool.used > pool.size for pool in pools) else "healthy",
        database=Database(
            dialect="memory" if shop.settings().memory else shop.engine().dialect.name,
            pool_size=sum(pool.size for pool in pools),
            checked_in=sum(pool.idle for pool in pools),
            checked_out=sum(pool.used for pool in pools),
            overflow=sum(max(0, pool.idle + pool.used - pool.size) for pool in pools),
        ),
    )


@operations.get("/metrics", response_class=PlainTextResponse, responses=problems("unauthenticated"))
async def metrics(request: Request) -> Response:
    """For Prometheus: what all workers have counted, and how the one that answers stands."""
    shop = shop_of(request)
    if (token := shop.settings().metrics_token) is not None:
        shown = request.headers.get("authorization", "")
        if not hmac.compare_digest(shown.encode(), f"Bearer {token.get_secret_value()}".encode()):
            raise Unauthenticated
    oldest, now = await shop.backlog()(), shop.clock()()
    seconds = (now - oldest).total_seconds() if oldest else 0.0
    told = exposition(shop.connections(), waiting=shop.cohorts().waiting, outbox_age=seconds)
    return Response(told, media_type=CONTENT_TYPE)


@operations.get("/problems/{code}", include_in_schema=False)
async def explain_problem(code: str) -> Response:
    if code not in MEANING:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", "there is no such problem")
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{escape(title(code))}</title>"
        f"<h1>{escape(title(code))}</h1><p>{escape(MEANING[code])}</p></html>"
    )
    return Response(page, media_type="text/html")


@operations.get("/docs", include_in_schema=False)
async def browse_the_api(request: Request) -> Response:
    page = get_swagger_ui_html(
        openapi_url=OPENAPI,
        title="Tradepost",
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon.png",
    )
    own = [b64encode(sha256(script).digest()) for script in _SCRIPT.findall(page.body)]
    scripts = " ".join(f"'sha256-{hash.decode()}'" for hash in own)
    request.state.policy = (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
    )
    return page


def serve_assets(app: FastAPI) -> None:
    """Swagger UI's own files, so that the page asks no other host for them."""
    app.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")))

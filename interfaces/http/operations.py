"""What belongs to running the service rather than to the shop."""

import json
from html import escape
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from pydantic import Field
from starlette.staticfiles import StaticFiles

from interfaces.http.dependencies import shop_of
from interfaces.http.problems import MEANING, Problem, title
from interfaces.http.routing import StrictRoute, router
from interfaces.http.schemas import View

VERSION: Final = version("tradepost")
ASSETS: Final = "/docs/assets"
OPENAPI: Final = "/v1/openapi.json"

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
async def browse_the_api() -> Response:
    return get_swagger_ui_html(
        openapi_url=OPENAPI,
        title="Tradepost",
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon.png",
    )


def serve_assets(app: FastAPI) -> None:
    """Swagger UI's own files, so that the page asks no other host for them."""
    app.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")))

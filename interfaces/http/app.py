from asyncio import Semaphore
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match

from application.identity.actor import Unauthenticated
from application.shared.errors import StorageFailure
from domain.shared.errors import DomainError
from interfaces.container import Container, close
from interfaces.http.accounts.routes import accounts, transfers
from interfaces.http.admission import Admission, Admissions
from interfaces.http.catalog.files import EXPORTS, IMPORTS, files
from interfaces.http.catalog.routes import categories, products
from interfaces.http.content.routes import posts, tags
from interfaces.http.identity.routes import auth, credentials, users
from interfaces.http.middleware import BodyLimit, RequestContext
from interfaces.http.notifications.routes import notifications
from interfaces.http.openapi import describe
from interfaces.http.operations import VERSION, operations, serve_assets
from interfaces.http.ordering.routes import checkouts, orders
from interfaces.http.problems import Problem, answer, not_allowed
from interfaces.http.reporting.routes import reports
from interfaces.http.switchboard import Switchboard
from interfaces.http.validation import answer_invalid

EXPOSED: Final = (
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "X-Request-Id",
)
DESCRIPTION = "A shop's catalog, orders and customers. Money and stock are exact, retries are safe."


def create_app(container: Container) -> FastAPI:
    """The HTTP API over what the container holds."""
    app = FastAPI(
        title="Tradepost",
        version=VERSION,
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        # Spans and metrics for those who ask for them by OpenTelemetry's own variables; logs would
        # tell the values that were at hand.
        telemetry={"auto_configure": True, "logs": False, "operation_spans": False},
    )
    app.state.container = container
    for router in (
        operations,
        users,
        credentials,
        auth,
        categories,
        tags,
        posts,
        files,
        products,
        accounts,
        transfers,
        checkouts,
        orders,
        reports,
        notifications,
    ):
        # Not include_router: one flat table of routes is quicker to search and easier to inspect.
        app.router.routes += router.routes
    serve_assets(app)
    for kind in (Problem, DomainError, StorageFailure, Unauthenticated):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.add_exception_handler(HTTPException, _answer_framework)
    settings = container.settings()
    app.add_middleware(Switchboard, routes=app.router.routes)
    app.state.admissions = Admissions(settings.room, Semaphore(settings.room["places"]))
    app.add_middleware(
        Admission,
        admissions=app.state.admissions,
        client_timeout=settings.client_timeout,
        request_timeout=settings.request_timeout,
        files={IMPORTS, EXPORTS},
    )
    app.add_middleware(
        BodyLimit, most=settings.max_body_bytes, more={IMPORTS: settings.max_import_bytes}
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins.split(","),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED,
        )
    app.add_middleware(RequestContext, begin_tally=container.tally())
    describe(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await close(app.state.container)


async def _answer_framework(request: Request, error: Exception) -> Response:
    """What Starlette and FastAPI refuse by themselves, as a problem."""
    status = HTTPStatus(getattr(error, "status_code", 500))
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        problem = not_allowed(_methods_at(request))
    elif status is HTTPStatus.NOT_FOUND:
        problem = Problem(status, "not-found", "there is nothing here")
    else:
        problem = Problem(HTTPStatus.BAD_REQUEST, "malformed-json", "the body cannot be read")
    return await answer(request, problem)


def _methods_at(request: Request) -> set[str]:
    """Every method that some route takes at this path (RFC 9110 §15.5.6 wants all of them)."""
    methods: set[str] = set()
    # Below a mount, which only reads, the path has lost its beginning.
    root = request.scope.get("app_root_path", request.scope.get("root_path", ""))
    for route in request.app.router.routes:
        if route.matches({**request.scope, "root_path": root})[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or {"GET", "HEAD"}
    return methods

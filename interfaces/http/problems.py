"""RFC 9457: every error is a problem document, and every `type` a page that explains it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import Request, Response

from application.identity.actor import Unauthenticated
from application.shared.errors import RowRefused, StaleVersion, StorageFailure
from application.shared.idempotency import KeyInUse
from domain.identity.attempts import TooManyAttempts
from domain.shared.errors import Conflict, DomainError, Forbidden, NotFound, RuleBroken
from domain.shared.money import Money
from interfaces.metrics import PROBLEMS, SHED

MEDIA_TYPE: Final = "application/problem+json"
MOST_PLACES: Final = 100  # that one problem names, so that no refusal is longer than its request

STATUS: Final[Mapping[type[DomainError], HTTPStatus]] = {
    TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,  # before its kind
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    RuleBroken: HTTPStatus.UNPROCESSABLE_ENTITY,
    Forbidden: HTTPStatus.FORBIDDEN,
    StaleVersion: HTTPStatus.PRECONDITION_FAILED,
}

# What each code means, in words for whoever meets it. Served at /problems/<code>.
MEANING: Final[Mapping[str, str]] = {
    "account-not-found": "No account of yours has this id.",
    "balance-too-large": "The balance of an account has an upper limit, which this would exceed.",
    "category-cycle": "A category cannot be moved below itself or one of its descendants.",
    "category-not-found": "No category has this id.",
    "category-too-deep": "Categories nest at most 16 deep; this would be deeper.",
    "currency-mismatch": "All amounts of one order, payment or transfer are in one currency.",
    "duplicate-row": "An earlier row of the same file is about the same thing.",
    "duplicate": "Something else has this name already; `field` says which of its names.",
    "forbidden": "You are known, but your role may not do this.",
    "idempotency-key-in-use": (
        "A request with this Idempotency-Key is still running. Wait as Retry-After says and send"
        " the same request again to get its answer."
    ),
    "idempotency-key-reused": (
        "This Idempotency-Key was used for a different request. A key belongs to one request:"
        " use a new key for a new request."
    ),
    "in-use": "Something else refers to this, so it cannot go.",
    "insufficient-funds": (
        "The account that this is taken from holds too little; `balance` says how much. Nothing was"
        " moved."
    ),
    "insufficient-stock": (
        "There is not enough in stock; `shortages` lists every product that is short, with what"
        " was requested and what is available. Nothing was ordered."
    ),
    "internal-error": "Something went wrong that should not have. Name the request id to us.",
    "invalid-credentials": "User name and password do not belong together.",
    "invalid-cursor": (
        "The cursor is not one that was given out for this list with this sort and these filters."
        " Begin again without a cursor."
    ),
    "invalid-header": "A header does not have the form that it must have; `errors` says which.",
    "invalid-transition": (
        "It cannot go from its present status (`from`) to the one asked for (`to`); `allowed`"
        " lists where it can go."
    ),
    "invalid-value": "A value does not fit its field; `errors` says which and why.",
    "last-admin": "A shop keeps at least one active administrator; make another one first.",
    "malformed-json": "The body is no JSON as RFC 8259 has it, in UTF-8, with no key twice.",
    "method-not-allowed": "There is something here, but not for this method; see Allow.",
    "malformed-file": "The body is no file that this operation can read.",
    "not-found": "There is nothing here.",
    "order-cancelled": "A cancelled order takes no payment any more.",
    "notification-not-found": "No notification of yours has this id.",
    "order-not-found": "No order of yours has this id.",
    "order-too-large": "The order comes to more than any order may; `largest` is the limit.",
    "overloaded": "There is more to do than can be done in time. Try again as Retry-After says.",
    "overpayment": "The order owes less than this; `due` says how much. Nothing was paid.",
    "payload-too-large": "The body is larger than this operation takes.",
    "payment-decided": "What became of this payment is known and does not change any more.",
    "payment-not-found": "The order has no payment of this id.",
    "post-not-found": "No post has this id or slug, or it is not published.",
    "price-changed": "The total is not the expected one any more; `total` says what it is now.",
    "product-not-found": "No product has this id or sku.",
    "product-unavailable": "The products listed in `products` are not on sale now.",
    "refund-too-large": (
        "Less than this was paid and is not refunded yet; `refundable` says how much. Nothing was"
        " refunded."
    ),
    "request-timeout": "The request took too long to arrive. Send it again, all of it at once.",
    "session-not-found": "No session of yours has this id, or it is over.",
    "stale-version": (
        "The resource has changed since you read it; `version` is the current one. Read it again,"
        " decide again, and send the new version in If-Match."
    ),
    "stock-changed": (
        "The stock is not the `expected` one any more; `stock` is what there is. Count again."
    ),
    "stock-too-large": "The stock of a product has an upper limit, which this would exceed.",
    "tag-not-found": "There is no such tag; `tags`, where it is there, names those missing.",
    "too-many-attempts": "Too many attempts to sign in failed. Try again as Retry-After says.",
    "transfer-not-found": "No transfer from or to an account of yours has this id.",
    "unauthenticated": "This needs an access token that is valid now, as a Bearer token.",
    "unavailable": (
        "The database is away, or did not do it in time. Try again as Retry-After says, with the"
        " same Idempotency-Key: it may have been done after all."
    ),
    "unusable-file": "No row of the file can be understood; `detail` says what it lacks.",
    "unsupported-media-type": "The body has to be of a type that this operation takes.",
    "user-not-found": "No user has this id.",
    "validation-error": "The request does not have the form it must have; `errors` says where.",
}


class Problem(Exception):
    """A problem of the HTTP layer itself, which the use cases never see."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **details: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.details = {**details, "errors": [*errors]} if errors else details
        self.headers = headers or {}


def validation_error(*errors: Mapping[str, Any]) -> Problem:
    """422 for a request that is well-formed and wrong; each of `errors` names a place."""
    wrong = "1 value does" if len(errors) == 1 else f"{len(errors)} values do"
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "validation-error",
        f"{wrong} not fit",
        errors=errors[:MOST_PLACES],
    )


def not_allowed(methods: Iterable[str]) -> Problem:
    """405 where only these methods are taken."""
    allowed = ", ".join(sorted(methods))
    return Problem(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "method-not-allowed",
        f"only {allowed} here",
        headers={"Allow": allowed},
    )


def title(code: str) -> str:
    return code.replace("-", " ").capitalize().replace("json", "JSON")


def status_of(error: type[DomainError]) -> HTTPStatus:
    return next(status for kind, status in STATUS.items() if issubclass(error, kind))


def problem_of(error: Exception) -> Problem:
    """The problem that an error of the use cases is to a client."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RowRefused) and error.in_file:
        return problem_of_file_row(error.index, error.cause)
    if isinstance(error, RowRefused):
        return problem_of_row(error.index, error.cause)
    if isinstance(error, DomainError):
        return _refusal(error)
    if isinstance(error, Unauthenticated):
        return Problem(
            HTTPStatus.UNAUTHORIZED,
            error.code,
            "sign in first" if error.code == "unauthenticated" else "wrong name or password",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if isinstance(error, StorageFailure):
        return Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            error.code,
            "try again in a moment",
            headers={"Retry-After": "1"},
        )
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "something went wrong here")


def problem_of_row(index: int, cause: Exception) -> Problem:
    """The problem of one row of many, its pointers leading from the whole body to the row."""
    problem = problem_of(cause)
    field = problem.details.get("field")
    whole = {"pointer": f"/{field}" if field else "", "detail": str(problem)}
    places = problem.details.get("errors", [whole])
    problem.details["errors"] = [
        {**place, "pointer": f"/items/{index}{place['pointer']}"} for place in places
    ]
    return problem


def problem_of_file_row(number: int, cause: DomainError) -> Problem:
    """The problem of one row of a file, which it names as a spreadsheet or an editor counts."""
    problem = problem_of(cause)
    field, detail = cause.fault
    where = {"row": number} if field is None else {"row": number, "field": field}
    problem.details |= {"row": number, "errors": [{**where, "detail": detail}]}
    return problem


def _refusal(error: DomainError) -> Problem:
    status, details, headers = status_of(type(error)), {**error.details}, {}
    if isinstance(error, RuleBroken) and "field" in details:
        pointer = "/" + details.pop("field").replace(".", "/")
        details["errors"] = [{"pointer": pointer, "detail": details.pop("reason", str(error))}]
    if isinstance(error, StaleVersion):
        headers["ETag"] = f'"{error.details["version"]}"'
    if isinstance(error, KeyInUse):
        headers["Retry-After"] = "1"
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.details["retry_after"])
    return Problem(status, error.code, str(error), headers=headers, **details)


def document(problem: Problem, *, instance: str, request_id: str) -> dict[str, Any]:
    """The members of RFC 9457 §3.1 and ours."""
    own = {
        "type": f"/problems/{problem.code}",
        "title": title(problem.code),
        "status": int(problem.status),
        "detail": str(problem),
        "instance": instance,
        "code": problem.code,
        "request_id": request_id,
    }
    return own | {name: value for name, value in problem.details.items() if name not in own}


def rendered(problem: Problem, request: Request) -> Response:
    PROBLEMS.labels(problem.status.value, problem.code).inc()
    request.state.problem = problem.code  # for the log
    instance = quote(request.scope["path"])
    body = document(problem, instance=instance, request_id=request.state.request_id)
    return Response(
        json.dumps(body, default=_wire, ensure_ascii=False).encode(),
        problem.status,
        dict(problem.headers),
        media_type=MEDIA_TYPE,
    )


async def answer(request: Request, error: Exception) -> Response:
    if isinstance(error, StorageFailure):
        SHED.labels(type(error).__name__).inc()
    return rendered(problem_of(error), request)


def _wire(value: Any) -> Any:
    if isinstance(value, Money):
        return {"amount": value.amount, "currency": value.currency.code}
    if isinstance(value, UUID):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"no JSON for a {type(value).__name__}")

"""Many rows in one request: all or none, or with `skip` every one that is good."""

from collections.abc import Sequence
from typing import Any, Final, Literal
from uuid import UUID

from fastapi import Request
from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from domain.shared.aggregate import Aggregate
from domain.shared.errors import DomainError, RuleBroken
from interfaces.http.problems import document, problem_of_row
from interfaces.http.schemas import View
from interfaces.http.validation import places

MOST_ROWS: Final = 1_000

OnError = Literal["abort", "skip"]


class RejectedRow(RuleBroken):
    """A row whose form is wrong; `details["errors"]` says where in the row."""

    code = "validation-error"


def _or_rejected(row: object, validate: ValidatorFunctionWrapHandler) -> object:
    # One bad row must not take the others with it, so its errors become its value.
    try:
        return validate(row)
    except ValidationError as error:
        return RejectedRow("the row does not fit", errors=places(error.errors()))


OR_REJECTED: Final = WrapValidator(_or_rejected)


class BulkRow(View):
    index: int
    status: Literal["created", "updated", "failed"]
    id: UUID | None
    problem: dict[str, Any] | None


class BulkOut(View):
    succeeded: int
    failed: int
    results: list[BulkRow]

    @classmethod
    def of(
        cls,
        results: Sequence[Aggregate | DomainError],
        request: Request,
        *,
        done: Literal["created", "updated"] = "created",
    ) -> "BulkOut":
        """What became of each row: what was done, or why it was not."""
        rows = [_row(index, result, request, done) for index, result in enumerate(results)]
        failed = sum(row.status == "failed" for row in rows)
        return cls(succeeded=len(rows) - failed, failed=failed, results=rows)


def _row(
    index: int,
    result: Aggregate | DomainError,
    request: Request,
    done: Literal["created", "updated"],
) -> BulkRow:
    if isinstance(result, Aggregate):
        return BulkRow(index=index, status=done, id=result.id, problem=None)
    problem = document(
        problem_of_row(index, result),
        instance=request.url.path,
        request_id=request.state.request_id,
    )
    return BulkRow(index=index, status="failed", id=None, problem=problem)

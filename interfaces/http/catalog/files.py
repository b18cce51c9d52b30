"""Whole catalogs, in and out."""

from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from typing import Annotated, Final, Self

from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from application.catalog.exchange import ExportedProduct, RefusedRow
from application.catalog.exporting import Exporting
from application.catalog.importing import Importing
from application.catalog.loading import Outcome
from domain.identity.user import Permission
from domain.shared.money import Currency
from interfaces.exchange.products import product_rows
from interfaces.exchange.rows import Format
from interfaces.exchange.writing import header, written
from interfaces.http.bulk import OnError
from interfaces.http.dependencies import CurrentActor, reading, shop_of, use_case
from interfaces.http.openapi import problems
from interfaces.http.routing import router
from interfaces.http.schemas import View
from interfaces.http.uploads import UploadRoute, uploaded

ImportingService = Annotated[Importing, use_case(lambda shop: shop.importing)]
ExportingService = Annotated[Exporting, reading(lambda shop: shop.exporting)]

IMPORTS: Final = "/v1/products/import"
EXPORTS: Final = "/v1/products/export"
FORMATS: Final = {
    "text/csv": Format.CSV,
    "application/x-ndjson": Format.NDJSON,
    "application/ndjson": Format.NDJSON,
    "application/jsonl": Format.NDJSON,
}
_MEDIA_TYPES: Final = {Format.CSV: "text/csv; charset=utf-8", Format.NDJSON: "application/x-ndjson"}

files = router("/v1/products", "catalog", UploadRoute.taking(FORMATS, of=Permission.MANAGE_CATALOG))


class RefusedRowOut(View):
    """`row` is its place in the file, as a spreadsheet or an editor counts."""

    row: int
    field: str | None
    code: str
    detail: str

    @classmethod
    def of(cls, row: RefusedRow) -> Self:
        field, detail = row.refusal.fault
        return cls(row=row.number, field=field, code=row.refusal.code, detail=detail)


class ImportOut(View):
    """`errors` names the first 1000 rows that failed; all of them are counted."""

    created: int
    updated: int
    unchanged: int
    failed: int
    errors: list[RefusedRowOut]

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        return cls(
            created=outcome.created,
            updated=outcome.updated,
            unchanged=outcome.unchanged,
            failed=outcome.refused,
            errors=[RefusedRowOut.of(row) for row in outcome.refusals],
        )


@files.post(
    "/import",
    response_model=ImportOut,
    responses=problems("unusable-file", "duplicate-row", "duplicate"),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                media_type: {"schema": {"type": "string", "format": "binary"}}
                for media_type in FORMATS
            },
        }
    },
)
async def import_products(
    request: Request,
    actor: CurrentActor,
    importing: ImportingService,
    on_error: Annotated[OnError, Query(description="skip keeps the good rows")] = "abort",
) -> ImportOut:
    """
    Create or change products, each known by its sku, from a CSV or NDJSON file.

    Categories and tags that are not there are made. The same file again changes nothing.
    """
    upload = uploaded(request)
    currency = Currency.of(shop_of(request).settings().currency)
    with closing(product_rows(upload.file, FORMATS[upload.media_type], currency=currency)) as rows:
        outcome = await importing.load(actor, rows, skip=on_error == "skip")
    return ImportOut.of(outcome)


@files.get(
    "/export",
    response_class=StreamingResponse,
    responses=problems("forbidden")
    | {
        200: {
            "description": "the file",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        }
    },
)
async def export_products(
    actor: CurrentActor,
    exporting: ExportingService,
    format: Annotated[Format, Query()] = Format.CSV,
) -> StreamingResponse:
    """Every product that is not deleted, in a form that can be imported; by sku."""
    batches = exporting.batches(actor)
    # Here, so that a refusal is a problem and not the end of a file that has begun.
    first: Sequence[ExportedProduct] = await anext(batches, [])

    async def lines() -> AsyncIterator[bytes]:
        yield header(format) + _lines(first, format)
        async for batch in batches:
            yield _lines(batch, format)

    return StreamingResponse(
        lines(),
        media_type=_MEDIA_TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="products.{format}"'},
    )


def _lines(products: Sequence[ExportedProduct], format: Format) -> bytes:
    return b"".join(written(product, format) for product in products)

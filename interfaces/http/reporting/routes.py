from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from fastapi import Depends, Query, Response

from application.reporting.figures import Figures
from application.reporting.periods import Interval, Period, periods
from application.reporting.queries import Window
from domain.catalog.product import LARGEST_STOCK
from domain.identity.user import UserId
from domain.shared.errors import InvalidValue
from domain.shared.money import Currency
from interfaces.http.accounts.schemas import CurrencyText
from interfaces.http.dependencies import CurrentActor, reading
from interfaces.http.openapi import problems
from interfaces.http.pages import MOST, ListOf, Paging, paging
from interfaces.http.problems import Problem, validation_error
from interfaces.http.reporting.schemas import (
    CategoryReportOut,
    IntervalText,
    LowStockOut,
    OrdersReportOut,
    PeriodOut,
    RevenueOut,
    TopCustomerOut,
    UsersReportOut,
)
from interfaces.http.routing import StrictRoute, router
from interfaces.http.schemas import PLAIN_INTEGER, Id, Moment

FiguresService = Annotated[Figures, reading(lambda shop: shop.figures)]

LowStockPaging = Annotated[Paging, paging("stock", usual="stock")]
LowStockList = ListOf[LowStockOut]

From = Query(alias="from", description="placed then or later")
To = Query(alias="to", description="placed before then")


async def _window(
    start: Annotated[Moment | None, From] = None, end: Annotated[Moment | None, To] = None
) -> Window:
    return Window(start=start, end=end)


async def _currency(
    currency: Annotated[
        CurrencyText | None, Query(description="the shop's own where none is named")
    ] = None,
) -> Currency | None:
    return Currency.of(currency) if currency else None


async def _zone(
    tz: Annotated[
        str,
        Query(max_length=64, description="the name of an IANA time zone", examples=["Asia/Tokyo"]),
    ] = "UTC",
) -> ZoneInfo:
    if tz not in _zones():
        raise _wrong("tz", "is no time zone of the IANA database")
    return ZoneInfo(tz)


Placed = Annotated[Window, Depends(_window)]
InCurrency = Annotated[Currency | None, Depends(_currency)]
InZone = Annotated[ZoneInfo, Depends(_zone)]

reports = router("/v1/reports", "reports", StrictRoute)


@reports.get("/orders", response_model=OrdersReportOut, responses=problems("forbidden"))
async def report_orders(
    actor: CurrentActor, figures: FiguresService, window: Placed, customer_id: Id | None = None
) -> OrdersReportOut:
    """How many orders were placed and what they come to, refunds not deducted."""
    customer = UserId(customer_id) if customer_id else None
    return OrdersReportOut.of(await figures.orders(actor, window, customer))


@reports.get("/top-customers", response_model=list[TopCustomerOut], responses=problems("forbidden"))
async def report_top_customers(
    actor: CurrentActor,
    figures: FiguresService,
    window: Placed,
    currency: InCurrency,
    limit: Annotated[int, Query(ge=1, le=MOST), PLAIN_INTEGER] = 10,
) -> list[TopCustomerOut]:
    """Who spent most in one currency, the best first; cancelled orders do not count."""
    found = await figures.top_customers(actor, window, currency, limit=limit)
    return [TopCustomerOut.of(each) for each in found]


@reports.get("/categories", response_model=list[CategoryReportOut], responses=problems("forbidden"))
async def report_categories(
    actor: CurrentActor, figures: FiguresService, currency: InCurrency
) -> list[CategoryReportOut]:
    """Each category's own products on sale, and their prices in one currency."""
    return [CategoryReportOut.of(each) for each in await figures.categories(actor, currency)]


@reports.get("/revenue", response_model=RevenueOut, responses=problems("forbidden"))
async def report_revenue(
    actor: CurrentActor,
    figures: FiguresService,
    start: Annotated[Moment, From],
    end: Annotated[Moment, To],
    zone: InZone,
    interval: Annotated[IntervalText, Query()] = "day",
) -> RevenueOut:
    """
    What was sold in each day, week from Monday or month of the time zone's calendar.

    No period is left out, also where nothing was sold; `from` and `to` cut the first and the last.
    There are at most 1000.
    """
    asked = _periods(Interval(interval), start, end, zone)
    rows = await figures.revenue(actor, asked)
    return RevenueOut(interval=interval, tz=zone.key, items=[PeriodOut.of(row) for row in rows])


@reports.get("/low-stock", response_model=LowStockList, responses=problems("forbidden"))
async def list_low_stock(
    paging: LowStockPaging,
    actor: CurrentActor,
    figures: FiguresService,
    threshold: Annotated[
        int,
        Query(ge=0, le=LARGEST_STOCK, description="products of which there are so many or fewer"),
        PLAIN_INTEGER,
    ] = 10,
) -> Response:
    """The products on sale that are to be ordered again, those with least left first."""
    page = await figures.low_stock(actor, threshold, paging.asked)
    return paging.listed(LowStockList, page, LowStockOut.of)


@reports.get("/users", response_model=UsersReportOut, responses=problems("forbidden"))
async def report_users(actor: CurrentActor, figures: FiguresService) -> UsersReportOut:
    return UsersReportOut.of(await figures.users(actor))


@cache
def _zones() -> frozenset[str]:
    # Where it is there, "localtime" is the zone of this machine, which is nobody's business.
    return frozenset(available_timezones() - {"localtime"})


def _periods(
    interval: Interval, start: datetime, end: datetime, zone: ZoneInfo
) -> Sequence[Period]:
    try:
        return periods(interval, start, end, zone)
    except InvalidValue as error:
        raise _wrong(error.details["field"], error.details["reason"]) from None


def _wrong(name: str, detail: str) -> Problem:
    return validation_error({"in": "query", "name": name, "detail": detail})

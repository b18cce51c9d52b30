from collections.abc import Sequence
from dataclasses import dataclass

from application.identity.actor import Actor
from application.reporting.periods import Period
from application.reporting.queries import (
    CategoryReport,
    LowStock,
    OrdersReport,
    PeriodRevenue,
    Reports,
    TopCustomer,
    UsersReport,
    Window,
)
from application.shared.pages import Page, PageRequest
from domain.identity.user import Permission, UserId
from domain.shared.money import Currency


@dataclass(frozen=True, slots=True)
class Figures:
    """How the shop is doing, for staff; `usual` is the currency where none is named."""

    reports: Reports
    usual: Currency

    async def orders(
        self, actor: Actor, window: Window, customer_id: UserId | None = None
    ) -> OrdersReport:
        actor.require(Permission.SEE_REPORTS)
        return await self.reports.orders(window, customer_id)

    async def top_customers(
        self, actor: Actor, window: Window, currency: Currency | None = None, *, limit: int
    ) -> Sequence[TopCustomer]:
        actor.require(Permission.SEE_REPORTS)
        return await self.reports.top_customers(window, currency or self.usual, limit)

    async def categories(
        self, actor: Actor, currency: Currency | None = None
    ) -> Sequence[CategoryReport]:
        actor.require(Permission.SEE_REPORTS)
        return await self.reports.categories(currency or self.usual)

    async def revenue(self, actor: Actor, periods: Sequence[Period]) -> Sequence[PeriodRevenue]:
        actor.require(Permission.SEE_REPORTS)
        return await self.reports.revenue(periods) if periods else []

    async def low_stock(self, actor: Actor, threshold: int, request: PageRequest) -> Page[LowStock]:
        actor.require(Permission.SEE_REPORTS)
        return await self.reports.low_stock(threshold, request)

    async def users(self, actor: Actor) -> UsersReport:
        actor.require(Permission.SEE_REPORTS)
        return await self.reports.users()

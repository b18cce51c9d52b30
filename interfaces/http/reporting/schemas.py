import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import Field

from application.reporting.queries import (
    CategoryReport,
    LowStock,
    OrdersReport,
    PeriodRevenue,
    TopCustomer,
    UsersReport,
)
from domain.shared.money import Money
from interfaces.http.schemas import MoneyOut, Timestamp, View

IntervalText = Literal["day", "week", "month"]


class ByStatus(View):
    pending: int
    confirmed: int
    shipped: int
    delivered: int
    cancelled: int


class OrdersReportOut(View):
    total_orders: int = Field(description="all that were placed, the cancelled ones included")
    revenue: list[MoneyOut] = Field(
        description="what the orders come to that are not cancelled, by currency"
    )
    orders_by_status: ByStatus

    @classmethod
    def of(cls, report: OrdersReport) -> Self:
        counts = {status.value: count for status, count in report.orders_by_status.items()}
        return cls(
            total_orders=report.total_orders,
            revenue=[MoneyOut.of(each) for each in report.revenue],
            orders_by_status=ByStatus(**counts),
        )


class TopCustomerOut(View):
    customer_id: UUID
    username: str
    email: str
    order_count: int = Field(description="in the currency, without the cancelled ones")
    total_spent: MoneyOut

    @classmethod
    def of(cls, customer: TopCustomer) -> Self:
        return cls(
            customer_id=customer.customer_id,
            username=customer.username,
            email=customer.email,
            order_count=customer.order_count,
            total_spent=MoneyOut.of(customer.total_spent),
        )


class CategoryReportOut(View):
    category_id: UUID
    name: str
    product_count: int = Field(description="its own, on sale, whatever the currency")
    avg_price: MoneyOut | None = Field(description="half a minor unit goes to the even one")
    min_price: MoneyOut | None
    max_price: MoneyOut | None

    @classmethod
    def of(cls, category: CategoryReport) -> Self:
        return cls(
            category_id=category.category_id,
            name=category.name,
            product_count=category.product_count,
            avg_price=_money(category.avg_price),
            min_price=_money(category.min_price),
            max_price=_money(category.max_price),
        )


class PeriodOut(View):
    date: datetime.date = Field(description="the local day on which the day, week or month begins")
    start: Timestamp
    end: Timestamp = Field(description="the start of the next one")
    order_count: int = Field(description="without the cancelled ones")
    revenue: list[MoneyOut] = Field(
        description="by currency, zero included: each item names every currency of the series"
    )

    @classmethod
    def of(cls, row: PeriodRevenue) -> Self:
        return cls(
            date=row.period.date,
            start=row.period.start,
            end=row.period.end,
            order_count=row.order_count,
            revenue=[MoneyOut.of(each) for each in row.revenue],
        )


class RevenueOut(View):
    interval: IntervalText
    tz: str = Field(examples=["Europe/Berlin"])
    items: list[PeriodOut]


class LowStockOut(View):
    product_id: UUID
    sku: str
    name: str
    stock: int

    @classmethod
    def of(cls, product: LowStock) -> Self:
        return cls(
            product_id=product.id,
            sku=product.sku,
            name=product.name,
            stock=product.stock,
        )


class ByRole(View):
    customer: int
    staff: int
    admin: int


class UsersReportOut(View):
    total: int
    active: int
    by_role: ByRole = Field(description="of all of them, active or not")

    @classmethod
    def of(cls, report: UsersReport) -> Self:
        counts = {role.value: count for role, count in report.by_role.items()}
        return cls(total=report.total, active=report.active, by_role=ByRole(**counts))


def _money(amount: Money | None) -> MoneyOut | None:
    return MoneyOut.of(amount) if amount else None

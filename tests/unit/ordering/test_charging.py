import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from application.identity.actor import OPERATOR
from application.ordering.ports import Approved, Declined, NoVerdict, Verdict
from application.shared.errors import Deadlock, Unavailable
from domain.identity.user import Role
from domain.ordering.order import Order, OrderId, OrderIsCancelled, OrderNotFound, Overpayment
from domain.ordering.payment import (
    Payment,
    PaymentId,
    PaymentMethod,
    PaymentNotFound,
    PaymentStatus,
)
from domain.ordering.status import OrderStatus
from domain.shared.errors import DomainError, Forbidden, InvalidValue
from domain.shared.money import CurrencyMismatch, Money
from infrastructure.gateways import FakeGateway, NoGateway, Play
from tests.builders import a_product, a_user, actor_of, an_actor, an_order, gbp, usd
from tests.unit.ordering.till import Till

PENDING, SUCCEEDED, FAILED = PaymentStatus

Meanwhile = Callable[[PaymentId], Awaitable[object]]


async def charge(till: Till, order: Order, *plays: Play, amount: str | None = None) -> Payment:
    till.gateway.script = [*plays]
    till.clock.move(minutes=1)
    sum = gbp(amount) if amount else None
    return await till.charging.charge(till.customer, OrderId(order.id), sum)


def id_of(payment: Payment) -> PaymentId:
    return PaymentId(payment.id)


def fates(till: Till, *payments: Payment) -> list[PaymentStatus]:
    return [till.shop.now(payment).status for payment in payments]


@dataclass(slots=True)
class Watched:
    """A provider during whose calls something happens."""

    gateway: FakeGateway
    meanwhile: Meanwhile
    asked: list[PaymentId] = field(default_factory=list)

    async def charge(self, id: PaymentId, amount: Money) -> Verdict:
        self.asked.append(id)
        await self.meanwhile(id)
        return await self.gateway.charge(id, amount)

    async def verdict(self, id: PaymentId) -> Verdict:
        self.asked.append(id)
        await self.meanwhile(id)
        return await self.gateway.verdict(id)


async def test_what_the_provider_approves_is_paid(till: Till) -> None:
    order = await till.sell()
    payment = await charge(till, order)
    assert till.gateway.collected == {payment.id: gbp("10")}
    assert (payment.method, payment.status) == (PaymentMethod.EXTERNAL, SUCCEEDED)
    assert (payment.reference, payment.actor_id) == (f"charge-{payment.id}", till.ada.id)
    assert payment.transfer_id is None
    assert (till.status(order), till.sums(order)) == (
        OrderStatus.CONFIRMED,
        ("10.00", "0.00", "0.00"),
    )
    assert till.told(order) == ["payment.asked", "payment.received", "order.confirmed"]


async def test_what_the_provider_declines_is_due_again(till: Till) -> None:
    order = await till.sell()
    payment = await charge(till, order, Play.DECLINE)
    assert till.gateway.collected == {}
    assert (payment.status, payment.failure) == (FAILED, "the card was declined")
    assert (till.status(order), till.sums(order)) == (
        OrderStatus.PENDING,
        ("0.00", "0.00", "10.00"),
    )
    assert till.told(order) == ["payment.asked", "payment.failed"]
    again = await charge(till, order)
    assert (again.id != payment.id, till.status(order)) == (True, OrderStatus.CONFIRMED)


async def test_an_order_can_be_charged_in_parts(till: Till) -> None:
    order = await till.sell()
    await charge(till, order, amount="4")
    assert (till.status(order), till.sums(order)) == (
        OrderStatus.PENDING,
        ("4.00", "0.00", "6.00"),
    )
    await charge(till, order)
    assert sorted(till.gateway.collected.values()) == [gbp("4"), gbp("6")]
    assert till.status(order) is OrderStatus.CONFIRMED


@pytest.mark.parametrize("play", [Play.LOSE, Play.APPROVE_LATE, Play.DECLINE_LATE])
async def test_what_the_provider_does_not_answer_stays_pending(till: Till, play: Play) -> None:
    order = await till.sell()
    payment = await charge(till, order, play, amount="4")
    assert fates(till, payment) == [PENDING]
    assert till.sums(order) == ("0.00", "0.00", "6.00")
    assert till.told(order) == ["payment.asked"]
    with pytest.raises(Overpayment):
        await charge(till, order, amount="6.01")


@pytest.mark.parametrize(
    ("play", "fate", "sums"),
    [
        (Play.APPROVE_LATE, SUCCEEDED, ("10.00", "0.00", "0.00")),
        (Play.DECLINE_LATE, FAILED, ("0.00", "0.00", "10.00")),
        (Play.LOSE, FAILED, ("0.00", "0.00", "10.00")),
    ],
)
async def test_asked_again_the_provider_says_what_became_of_it(
    till: Till, play: Play, fate: PaymentStatus, sums: tuple[str, str, str]
) -> None:
    order = await till.sell()
    payment = await charge(till, order, play)
    assert await till.settle_all() == 1
    assert (fates(till, payment), till.sums(order)) == ([fate], sums)
    assert sum(money.minor for money in till.gateway.collected.values()) == (
        1000 if fate is SUCCEEDED else 0
    )
    assert await till.settle_all() == 0
    assert till.gateway.calls == 2


async def test_what_gets_no_answer_again_is_asked_for_the_next_time(till: Till) -> None:
    order = await till.sell()
    payment = await charge(till, order, Play.APPROVE_LATE)
    till.gateway.script = [Play.LOSE]
    assert await till.settle_all() == 0
    assert fates(till, payment) == [PENDING]
    assert await till.settle_all() == 1
    assert fates(till, payment) == [SUCCEEDED]


async def test_one_without_an_answer_does_not_stop_the_others(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.ordering.charging.AT_ONCE", 3)
    payments = [await charge(till, await till.sell("1"), Play.APPROVE_LATE) for _ in range(7)]
    till.gateway.script = [Play.APPROVE, Play.LOSE, Play.APPROVE]
    assert await till.settle_all() == 6
    assert [number for number, fate in enumerate(fates(till, *payments)) if fate is PENDING] == [1]


async def test_one_that_the_storage_does_not_take_does_not_stop_the_others(till: Till) -> None:
    held, free = await till.sell(), await till.sell()
    payments = [await charge(till, order, Play.APPROVE_LATE) for order in (held, free)]
    till.clock.move(minutes=1)
    async with till.shop.begin() as work:
        await work.orders.get(OrderId(held.id), lock=True)
        assert await till.charging.ask_again(till.staff, older_than=timedelta(0)) == 1
    assert fates(till, *payments) == [PENDING, SUCCEEDED]
    assert await till.settle_all() == 1


async def test_a_verdict_that_has_to_be_kept_again_charges_nobody_again(till: Till) -> None:
    order = await till.sell()

    async def be_overtaken(_: PaymentId) -> None:
        till.shop.database.fail_next_commit(Deadlock())

    watched = Watched(till.gateway, be_overtaken)
    payment = await till.charging_with(watched).charge(till.customer, OrderId(order.id), gbp("4"))
    assert (payment.status, watched.asked) == (SUCCEEDED, [payment.id])
    assert till.gateway.collected == {payment.id: gbp("4")}
    assert till.sums(order) == ("4.00", "0.00", "6.00")


async def test_only_what_has_waited_long_enough_is_asked_for_again(till: Till) -> None:
    old = await charge(till, await till.sell(), Play.APPROVE_LATE)
    till.clock.move(minutes=4)
    new = await charge(till, await till.sell(), Play.APPROVE_LATE)
    till.clock.move(minutes=1)
    ask = till.charging.ask_again
    # Five minutes and one second old, and one minute.
    assert await ask(till.staff, older_than=timedelta(minutes=6)) == 0
    till.clock.move(seconds=1)
    assert await ask(till.staff, older_than=timedelta(minutes=6)) == 1
    assert fates(till, old, new) == [SUCCEEDED, PENDING]


async def test_what_is_decided_is_not_asked_for_again(till: Till) -> None:
    await charge(till, await till.sell())
    await charge(till, await till.sell(), Play.DECLINE)
    await till.pay(await till.sell())
    calls = till.gateway.calls
    assert await till.settle_all() == 0
    assert till.gateway.calls == calls


async def test_staff_and_the_operator_ask_again_and_nobody_else(till: Till) -> None:
    payment = await charge(till, await till.sell(), Play.APPROVE_LATE)
    till.clock.move(minutes=1)
    for customer in (till.customer, an_actor()):
        with pytest.raises(Forbidden):
            await till.charging.ask_again(customer, older_than=timedelta(0))
    assert (till.gateway.calls, fates(till, payment)) == (1, [PENDING])
    assert await till.charging.ask_again(OPERATOR, older_than=timedelta(0)) == 1


@pytest.mark.parametrize("first", [Approved("ch-1"), Declined("no")])
@pytest.mark.parametrize("second", [Approved("ch-2"), Declined("never")])
async def test_of_two_verdicts_the_first_counts(
    till: Till, first: Verdict, second: Verdict
) -> None:
    order = await till.sell()
    payment = await charge(till, order, Play.LOSE)
    await till.charging.settle(till.staff, id_of(payment), first)
    before = till.everything()
    settled = await till.charging.settle(till.staff, id_of(payment), second)
    assert till.everything() == before
    assert settled.status is (SUCCEEDED if isinstance(first, Approved) else FAILED)
    assert (settled.reference, settled.failure) == (
        ("ch-1", None) if isinstance(first, Approved) else (None, "no")
    )


async def test_two_who_settle_the_same_at_once_settle_it_once(till: Till) -> None:
    order = await till.sell()
    payment = await charge(till, order, Play.LOSE)
    settle = till.charging.settle
    second = till.shop.meanwhile(settle(till.staff, id_of(payment), Declined("no")))
    first = await settle(till.staff, id_of(payment), Approved("ch-1"))
    assert (first.status, (await second).status) == (SUCCEEDED, SUCCEEDED)
    assert till.sums(order) == ("10.00", "0.00", "0.00")
    assert till.told(order) == ["payment.asked", "payment.received", "order.confirmed"]


async def test_nothing_is_held_while_the_provider_is_called(till: Till) -> None:
    order = await till.sell()
    seen: list[PaymentStatus] = []

    async def look(id: PaymentId) -> None:
        assert not till.shop.database.locks._holders
        stored = till.shop.database.get(Payment, id)
        assert stored is not None, "the provider was called before the payment was kept"
        seen.append(stored.status)
        # Anybody can go on with the same order.
        async with till.shop.begin() as work:
            await work.orders.get(OrderId(order.id), lock=True)

    watched = Watched(till.gateway, look)
    till.gateway.script = [Play.APPROVE_LATE]
    charging = till.charging_with(watched)
    payment = await charging.charge(till.customer, OrderId(order.id))
    till.clock.move(minutes=1)
    assert await charging.ask_again(till.staff, older_than=timedelta(0)) == 1
    assert seen == [PENDING, PENDING]
    assert watched.asked == [payment.id, payment.id]


async def test_an_order_can_be_cancelled_while_the_provider_is_called(till: Till) -> None:
    order = await till.sell()

    async def cancel(_: PaymentId) -> None:
        await till.cancel(order)

    charging = till.charging_with(Watched(till.gateway, cancel))
    payment = await charging.charge(till.customer, OrderId(order.id))
    assert (payment.status, payment.due_back) == (SUCCEEDED, gbp("10"))
    assert till.status(order) is OrderStatus.CANCELLED
    assert till.told(order) == [
        "payment.asked",
        "order.cancelled",
        "payment.received",
        "payment.due_back",
    ]


async def test_a_charge_that_is_void_before_it_arrives_never_collects(till: Till) -> None:
    order = await till.sell()

    async def void(id: PaymentId) -> None:
        # Somebody else asks after it while it is still on its way.
        till.clock.move(minutes=1)
        assert await till.charging.ask_again(till.staff, older_than=timedelta(0)) == 1

    charging = till.charging_with(Watched(till.gateway, void))
    payment = await charging.charge(till.customer, OrderId(order.id))
    assert (payment.status, till.gateway.collected) == (FAILED, {})
    assert till.sums(order) == ("0.00", "0.00", "10.00")
    assert till.told(order) == ["payment.asked", "payment.failed"]


async def test_however_often_a_charge_arrives_it_collects_once() -> None:
    gateway, id = FakeGateway([Play.APPROVE_LATE, Play.DECLINE]), PaymentId(an_order().id)
    with pytest.raises(NoVerdict):
        await gateway.charge(id, gbp("4"))
    for _ in range(3):
        assert isinstance(await gateway.charge(id, gbp("4")), Approved)
    assert isinstance(await gateway.verdict(id), Approved)
    assert gateway.collected == {id: gbp("4")}


async def test_a_shop_without_a_provider_charges_nobody(till: Till) -> None:
    order = await till.sell()
    charging = till.charging_with(NoGateway())
    payment = await charging.charge(till.customer, OrderId(order.id))
    assert (payment.status, payment.failure) == (FAILED, "the shop has no payment provider")
    with pytest.raises(NoVerdict):
        await NoGateway().verdict(id_of(payment))
    assert till.sums(order) == ("0.00", "0.00", "10.00")


async def test_somebody_elses_order_is_not_charged(till: Till) -> None:
    order = await till.sell()
    for amount in (None, gbp("0"), usd("1"), gbp("99")):
        with pytest.raises(OrderNotFound):
            await till.charging.charge(an_actor(), OrderId(order.id), amount)
    assert (till.gateway.calls, till.shop.events) == (0, [])


async def test_nobody_settles_the_payment_of_somebody_elses_order(till: Till) -> None:
    payment = await charge(till, await till.sell(), Play.LOSE)
    with pytest.raises(OrderNotFound):
        await till.charging.settle(an_actor(), id_of(payment), Approved("mine"))
    with pytest.raises(PaymentNotFound):
        await till.charging.settle(till.staff, PaymentId(an_order().id), Approved("none"))
    assert fates(till, payment) == [PENDING]


@pytest.mark.parametrize(
    ("amount", "error"),
    [
        (gbp("0"), InvalidValue),
        (gbp("-1"), InvalidValue),
        (usd("1"), CurrencyMismatch),
        (gbp("10.01"), Overpayment),
    ],
)
async def test_the_provider_is_not_asked_for_what_cannot_be(
    till: Till, amount: Money, error: type[DomainError]
) -> None:
    order = await till.sell()
    before = till.everything()
    with pytest.raises(error):
        await till.charging.charge(till.customer, OrderId(order.id), amount)
    assert (till.gateway.calls, till.everything()) == (0, before)


async def test_the_provider_is_not_asked_about_a_cancelled_order_or_one_that_costs_nothing(
    till: Till,
) -> None:
    cancelled, gift = await till.sell(), a_product(price=gbp("0"))
    await till.cancel(cancelled)
    free = an_order(gift, customer=till.ada)
    await till.shop.keep(gift, free)
    with pytest.raises(OrderIsCancelled):
        await till.charging.charge(till.customer, OrderId(cancelled.id))
    with pytest.raises(Overpayment):
        await till.charging.charge(till.customer, OrderId(free.id))
    assert till.gateway.calls == 0


async def test_the_provider_is_not_asked_before_the_payment_is_kept(till: Till) -> None:
    order = await till.sell()
    before = till.everything()
    till.shop.database.fail_next_commit(Unavailable())
    with pytest.raises(Unavailable):
        await charge(till, order)
    assert (till.gateway.calls, till.everything()) == (0, before)


async def test_a_verdict_that_is_not_kept_is_asked_for_again(till: Till) -> None:
    order = await till.sell()

    async def fail_to_settle(_: PaymentId) -> None:
        till.shop.database.fail_next_commit(Unavailable())

    charging = till.charging_with(Watched(till.gateway, fail_to_settle))
    with pytest.raises(Unavailable):
        await charging.charge(till.customer, OrderId(order.id))
    [payment] = till.shop.database.all(Payment)
    assert payment.status is PENDING
    assert await till.settle_all() == 1
    assert till.sums(order) == ("10.00", "0.00", "0.00")
    assert till.gateway.collected == {payment.id: gbp("10")}


async def test_a_caller_who_goes_away_leaves_the_payment_to_those_who_ask_again(
    till: Till,
) -> None:
    order = await till.sell()
    reached = asyncio.Event()

    async def hang(_: PaymentId) -> None:
        reached.set()
        await asyncio.Event().wait()

    charging = till.charging_with(Watched(till.gateway, hang))
    caller = asyncio.create_task(charging.charge(till.customer, OrderId(order.id)))
    await reached.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await till.settle_all() == 1
    assert till.sums(order) == ("0.00", "0.00", "10.00")


async def test_who_asked_and_who_settled_are_both_told(till: Till) -> None:
    order = await till.sell()
    till.gateway.script = [Play.APPROVE_LATE]
    asker = replace(till.customer, request_id="req-1")
    payment = await till.charging.charge(asker, OrderId(order.id))
    till.clock.move(minutes=1)
    await till.charging.ask_again(OPERATOR, older_than=timedelta(0))
    told = [one for one in till.shop.database.outbox if one.aggregate_id == order.id]
    assert [(one.type, one.payload["actor_id"], one.payload["request_id"]) for one in told] == [
        ("payment.asked", str(till.ada.id), "req-1"),
        ("payment.received", str(OPERATOR.id), None),
        ("order.confirmed", str(OPERATOR.id), None),
    ]
    assert till.shop.now(payment).actor_id == till.ada.id


@pytest.mark.parametrize("role", [Role.STAFF, Role.ADMIN])
async def test_staff_charges_for_any_customer(till: Till, role: Role) -> None:
    order = await till.sell()
    await till.shop.keep(boss := a_user(role=role))
    payment = await till.charging.charge(actor_of(boss), OrderId(order.id))
    assert (payment.status, payment.actor_id) == (SUCCEEDED, boss.id)

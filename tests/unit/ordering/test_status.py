from itertools import product

import pytest

from domain.ordering.status import TRANSITIONS, InvalidTransition, OrderStatus

# Written out once more, as the business would say it.
LEGAL = {
    ("pending", "confirmed"),
    ("pending", "cancelled"),
    ("confirmed", "shipped"),
    ("confirmed", "cancelled"),
    ("shipped", "delivered"),
}


@pytest.mark.parametrize(("now", "target"), [*product(OrderStatus, OrderStatus)])
def test_an_order_moves_only_along_the_table(now: OrderStatus, target: OrderStatus) -> None:
    if (now, target) in LEGAL:
        assert now.to(target) is target
        return
    with pytest.raises(InvalidTransition, match=f"a {now} order cannot become {target}") as refused:
        now.to(target)
    assert refused.value.details == {
        "from": now,
        "to": target,
        "allowed": [to for to in OrderStatus if (now, to) in LEGAL],
    }


def test_the_table_has_a_row_for_every_status() -> None:
    assert {*TRANSITIONS} == {*OrderStatus}


def test_delivered_and_cancelled_are_final() -> None:
    final = [status for status in OrderStatus if not status.next]
    assert final == [OrderStatus.DELIVERED, OrderStatus.CANCELLED]


def test_every_order_can_come_to_an_end() -> None:
    def ends(status: OrderStatus) -> set[OrderStatus]:
        return {status} if not status.next else set[OrderStatus]().union(*map(ends, status.next))

    assert ends(OrderStatus.PENDING) == {OrderStatus.DELIVERED, OrderStatus.CANCELLED}

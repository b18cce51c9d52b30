from datetime import timedelta

import pytest

from domain.accounts.account import (
    LARGEST_BALANCE,
    Account,
    BalanceTooLarge,
    InsufficientFunds,
)
from domain.accounts.events import AccountOpened
from domain.identity.user import UserId
from domain.shared.money import Currency, Money
from tests.builders import NOON, a_house, a_user, an_account, gbp

GBP = Currency.of("GBP")
LARGEST = Money(LARGEST_BALANCE, GBP)
PENNY = gbp("0.01")


@pytest.mark.parametrize("owner_id", [None, UserId(a_user().id)], ids=["house", "customer"])
def test_an_account_is_opened_empty(owner_id: UserId | None) -> None:
    account = Account.open(owner_id, GBP, at=NOON)
    assert (account.owner_id, account.balance, account.currency) == (owner_id, gbp("0"), GBP)
    assert account.created_at == account.updated_at == NOON
    [recorded] = account.release_events()
    assert recorded.event == AccountOpened(
        account_id=account.id, owner_id=owner_id, currency="GBP", at=NOON
    )


def test_a_customer_spends_what_there_is_and_no_more() -> None:
    account = an_account()
    account.balance = gbp("10")
    assert account.balance_after(gbp("-10")) == gbp("0")
    with pytest.raises(InsufficientFunds) as refused:
        account.balance_after(gbp("-10.01"))
    assert refused.value.details == {"balance": gbp("10"), "amount": gbp("10.01")}
    assert account.balance == gbp("10")


def test_the_house_may_owe() -> None:
    assert a_house().balance_after(gbp("-10")) == gbp("-10")


@pytest.mark.parametrize(("balance", "change"), [(LARGEST, PENNY), (LARGEST * -1, PENNY * -1)])
def test_no_balance_is_larger_than_what_is_stored_safely(balance: Money, change: Money) -> None:
    house = a_house()
    house.balance = balance - change
    assert house.balance_after(change) == balance
    house.balance = balance
    with pytest.raises(BalanceTooLarge) as refused:
        house.balance_after(change)
    assert refused.value.details == {"largest": LARGEST}


def test_a_few_of_the_largest_balances_still_fit_into_64_bits() -> None:
    assert 9 * LARGEST_BALANCE < 2**63


def test_changes_are_one_after_the_other_whatever_the_clock_says() -> None:
    account, later = an_account(), NOON + timedelta(hours=1)
    assert account.next_change(later) == later
    for early in (NOON, NOON - timedelta(hours=1)):
        assert account.next_change(early) == NOON + timedelta(microseconds=1)

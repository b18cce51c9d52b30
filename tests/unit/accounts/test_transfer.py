from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts.account import LARGEST_BALANCE, Account, BalanceTooLarge, InsufficientFunds
from domain.accounts.events import TransferMade
from domain.accounts.transfer import Transfer
from domain.shared.errors import DomainError, InvalidValue
from domain.shared.money import Currency, Money, OtherCurrency
from infrastructure.memory.copying import state_of
from tests.builders import NOON, a_house, a_transfer, a_user, an_account, gbp, usd


def with_balance(amount: Money) -> Account:
    account = an_account(currency=amount.currency.code)
    account.balance = amount
    return account


def is_balanced(transfer: Transfer) -> bool:
    taken, given = transfer.entries
    return (taken.position, given.position) == (1, 2) and (taken.amount + given.amount).minor == 0


def test_a_transfer_takes_from_one_account_what_it_gives_to_the_other() -> None:
    ada, source, target = a_user(), with_balance(gbp("10")), with_balance(gbp("1"))
    later = NOON + timedelta(minutes=1)
    transfer = a_transfer(
        source, target, gbp("2.50"), memo="tea", reference="r", actor=ada, at=later
    )
    assert (source.balance, target.balance) == (gbp("7.50"), gbp("3.50"))
    assert source.updated_at == target.updated_at == transfer.created_at == later
    assert (transfer.from_account_id, transfer.to_account_id) == (source.id, target.id)
    assert (transfer.amount, transfer.memo, transfer.reference) == (gbp("2.50"), "tea", "r")
    assert transfer.actor_id == ada.id
    assert [
        (entry.account_id, entry.amount, entry.balance_after, entry.at)
        for entry in transfer.entries
    ] == [
        (source.id, gbp("-2.50"), gbp("7.50"), later),
        (target.id, gbp("2.50"), gbp("3.50"), later),
    ]
    [recorded] = transfer.release_events()
    assert recorded.event == TransferMade(
        transfer_id=transfer.id,
        from_account_id=source.id,
        to_account_id=target.id,
        amount=gbp("2.50"),
        actor_id=transfer.actor_id,
        at=later,
    )


def test_credit_comes_from_a_house_that_owes_it() -> None:
    house, account = a_house(), an_account()
    a_transfer(house, account, gbp("10"))
    assert (house.balance, account.balance) == (gbp("-10"), gbp("10"))
    a_transfer(account, house, gbp("10"))
    assert (house.balance, account.balance) == (gbp("0"), gbp("0"))


def accounts() -> dict[str, Account]:
    """New ones for each test: what was made before the classes were mapped is of no use after."""
    pound = an_account()
    pound.balance = gbp("1")
    return {
        "empty": an_account(),
        "pound": pound,
        "other": an_account(),
        "dollars": an_account(currency="USD"),
        "full": with_balance(Money(LARGEST_BALANCE, Currency.of("GBP"))),
        "house": a_house(),
    }


@pytest.mark.parametrize(
    ("source", "target", "amount", "refusal", "field"),
    [
        ("pound", "pound", gbp("1"), InvalidValue, "to_account_id"),
        ("pound", "other", gbp("0"), InvalidValue, "amount"),
        ("pound", "other", gbp("-1"), InvalidValue, "amount"),
        ("pound", "other", usd("1"), OtherCurrency, "amount.currency"),
        ("pound", "other", usd("0"), OtherCurrency, "amount.currency"),
        ("pound", "dollars", usd("1"), OtherCurrency, "amount.currency"),
        ("pound", "dollars", gbp("1"), OtherCurrency, "to_account_id"),
        ("pound", "other", gbp("1.01"), InsufficientFunds, None),
        ("empty", "other", gbp("0.01"), InsufficientFunds, None),
        ("pound", "full", gbp("0.01"), BalanceTooLarge, None),
        ("house", "full", gbp("0.01"), BalanceTooLarge, None),
    ],
)
def test_what_may_not_be_moved_changes_neither_account(
    source: str, target: str, amount: Money, refusal: type[DomainError], field: str | None
) -> None:
    known = accounts()
    giving, taking = known[source], known[target]
    before = state_of(giving), state_of(taking)
    with pytest.raises(refusal) as refused:
        a_transfer(giving, taking, amount)
    assert refused.value.details.get("field") == field
    assert (state_of(giving), state_of(taking)) == before


@pytest.mark.parametrize("name", ["memo", "reference"])
@pytest.mark.parametrize("words", ["", " ", "two\nlines", "x" * 201, "\x00"])
def test_what_is_noted_is_one_line_and_a_bad_one_changes_neither_account(
    name: str, words: str
) -> None:
    source, target = with_balance(gbp("1")), an_account()
    with pytest.raises(InvalidValue) as refused:
        Transfer.between(
            source,
            target,
            gbp("1"),
            actor_id=a_transfer(with_balance(gbp("1")), target).actor_id,
            at=NOON,
            memo=words if name == "memo" else None,
            reference=words if name == "reference" else None,
        )
    assert refused.value.details["field"] == name
    assert (source.balance, target.balance) == (gbp("1"), gbp("1"))


def test_a_refusal_tells_the_balance_of_the_payer_alone() -> None:
    payer, rich = with_balance(gbp("1")), with_balance(gbp("1234.56"))
    with pytest.raises(InsufficientFunds) as refused:
        a_transfer(payer, rich, gbp("2"))
    assert "1234" not in f"{refused.value} {refused.value.details}"


def test_the_entries_of_an_account_are_in_the_order_of_their_times() -> None:
    house, accounts = a_house(), [an_account() for _ in range(3)]
    clocks = [NOON, NOON - timedelta(days=1), NOON, NOON + timedelta(hours=1), NOON, NOON]
    transfers = [a_transfer(house, accounts[number % 3], at=at) for number, at in enumerate(clocks)]
    times = [transfer.created_at for transfer in transfers]
    assert times == sorted({*times})
    ids = [transfer.entries[0].id for transfer in transfers]
    assert ids == sorted(ids)
    assert [transfer.entries[0].balance_after for transfer in transfers] == [
        gbp("-1") * number for number in range(1, 7)
    ]


moves = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-1, 10) | st.just(LARGEST_BALANCE)),
    max_size=30,
)


@given(moves)
def test_whatever_is_moved_no_money_comes_into_being_and_none_is_lost(
    moves: list[tuple[int, int, int]],
) -> None:
    house = a_house()
    accounts = [house, *(an_account() for _ in range(3))]
    made: list[Transfer] = []
    for source, target, minor in moves:
        before = [account.balance for account in accounts]
        try:
            amount = Money(minor, house.currency)
            made.append(a_transfer(accounts[source], accounts[target], amount))
        except DomainError:
            assert [account.balance for account in accounts] == before
    assert all(map(is_balanced, made))
    assert sum(account.balance.minor for account in accounts) == 0
    assert all(0 <= account.balance.minor <= LARGEST_BALANCE for account in accounts[1:])
    for account in accounts:
        entries = [
            entry
            for transfer in made
            for entry in transfer.entries
            if entry.account_id == account.id
        ]
        assert entries == sorted(entries, key=lambda entry: (entry.at, entry.id))
        balance = gbp("0")
        for entry in entries:
            balance += entry.amount
            assert entry.balance_after == balance
        assert account.balance == balance

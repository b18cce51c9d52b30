"""Who collects money outside: nobody, or, for tests and demonstrations, whoever is played."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from application.ordering.ports import Approved, Declined, NoVerdict, Verdict
from domain.ordering.payment import PaymentId
from domain.shared.money import Money

_NOBODY: Final = Declined("the shop has no payment provider")


class NoGateway:
    """The shop works with no provider: what comes from outside is entered by staff."""

    async def charge(self, id: PaymentId, amount: Money) -> Verdict:
        return _NOBODY

    async def verdict(self, id: PaymentId) -> Verdict:
        # Whoever was the provider when it was asked may have collected the money.
        raise NoVerdict


class Play(Enum):
    """What a provider may do with a charge."""

    APPROVE = auto()
    DECLINE = auto()
    LOSE = auto()  # it never arrives, and no answer comes
    APPROVE_LATE = auto()  # no answer comes, but the money was collected
    DECLINE_LATE = auto()


@dataclass(slots=True)
class FakeGateway:
    """
    A provider that does as it is told, call by call, and approves once the script is at its end.

    `collected` is what it has taken from customers, by payment; `calls` counts what it was asked.
    """

    script: list[Play] = field(default_factory=list)
    collected: dict[PaymentId, Money] = field(default_factory=dict)
    verdicts: dict[PaymentId, Verdict] = field(default_factory=dict)
    calls: int = 0

    async def charge(self, id: PaymentId, amount: Money) -> Verdict:
        self.calls += 1
        play = self.script.pop(0) if self.script else Play.APPROVE
        if play is Play.LOSE:
            raise NoVerdict
        if id not in self.verdicts:
            self.verdicts[id] = self._decide(play, id, amount)
        if play in (Play.APPROVE_LATE, Play.DECLINE_LATE):
            raise NoVerdict
        return self.verdicts[id]

    async def verdict(self, id: PaymentId) -> Verdict:
        self.calls += 1
        if self.script and self.script.pop(0) is Play.LOSE:
            raise NoVerdict
        return self.verdicts.setdefault(id, Declined("the charge never arrived"))

    def _decide(self, play: Play, id: PaymentId, amount: Money) -> Verdict:
        if play in (Play.DECLINE, Play.DECLINE_LATE):
            return Declined("the card was declined")
        self.collected[id] = amount
        return Approved(f"charge-{id}")

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that a check complains of: its id, and what is wrong with it."""

    id: str
    what: str


@dataclass(frozen=True, slots=True)
class Check:
    """
    A sentence that is true of a shop at every moment.

    `complaint` says where it is not, once the facts of a row are put in.
    """

    code: str
    rule: str
    complaint: str

    def finding(self, id: object, **facts: object) -> Finding:
        return Finding(str(id), self.complaint.format(**facts))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a check of so many rows: how many offend it, and the first of these."""

    check: Check
    rows: int
    offenders: int
    findings: Sequence[Finding]


class AuditQueries(Protocol):
    async def verdicts(self, *, at: datetime) -> Sequence[Verdict]:
        """
        Every check that the storage has need of, all of the same moment of the shop.

        Changes nothing, and holds up nobody who does. `at` is what the time is now; of each check's
        findings there are MOST_SHOWN at most.
        """

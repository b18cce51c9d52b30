from collections.abc import Sequence
from dataclasses import dataclass

from application.auditing.queries import AuditQueries, Verdict
from application.shared.clock import Clock


@dataclass(frozen=True, slots=True)
class Verification:
    """Looking whether everything is true that has to be."""

    audits: AuditQueries
    clock: Clock

    async def verdicts(self) -> Sequence[Verdict]:
        return await self.audits.verdicts(at=self.clock())

"""From what was measured to what it means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any, Final

OURS: Final = "ours"
USUAL: Final = "the usual way"
LIMIT: Final = "the limit"


def percentile(times: Sequence[float], nth: int) -> float:
    """The value that so many of a hundred stay below; that of a lone one is its own."""
    if len(times) == 1:
        return times[0]
    return quantiles(times, n=100, method="inclusive")[nth - 1]


@dataclass(frozen=True, slots=True)
class Slice:
    """A short time under load; None in a series stands for one that does not count."""

    rate: float  # answers a second
    p50: float  # milliseconds
    p99: float
    cpu: float | None = None  # milliseconds of the server's process for each answer

    @classmethod
    def of(cls, rate: float, times: Sequence[float], cpu: float | None = None) -> "Slice":
        return cls(rate, percentile(times, 50), percentile(times, 99), cpu)


@dataclass(frozen=True, slots=True)
class Spread:
    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Something that was to be reached: `ours` in relation to `other`."""

    what: str
    value: float
    wanted: float
    at_most: bool = False

    @property
    def is_reached(self) -> bool:
        return self.value <= self.wanted if self.at_most else self.value >= self.wanted


@dataclass(slots=True)
class Row:
    """One kind of work, done in several ways in turns: a series of slices each, round by round."""

    name: str
    title: str
    clients: int
    targets: Mapping[str, float] = field(default_factory=dict)  # ours over another's rate
    series: dict[str, list[Slice | None]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def slices(self, variant: str) -> list[Slice]:
        """Those that count."""
        return [one for one in self.series[variant] if one is not None]

    def ratio(self, other: str) -> Spread | None:
        """Our rate over the other's in the same round; None if no round has both."""
        pairs = zip(self.series[OURS], self.series[other], strict=True)
        ratios = [ours.rate / theirs.rate for ours, theirs in pairs if ours and theirs]
        return Spread.of(ratios) if ratios else None

    def verdicts(self) -> list[Verdict]:
        verdicts = []
        for other, wanted in self.targets.items():
            if ratio := self.ratio(other):
                verdicts.append(Verdict(f"of {other}", ratio.median, wanted))
        if self.slices(OURS) and USUAL in self.series and self.slices(USUAL):
            p99 = median(one.p99 for one in self.slices(OURS))
            p50 = median(one.p50 for one in self.slices(USUAL))
            verdicts.append(Verdict("p99 ms, below p50 of the usual way", p99, p50, at_most=True))
        return verdicts

    def document(self) -> dict[str, Any]:
        """Everything there is to know of it, as JSON values."""
        variants = {}
        for name in self.series:
            if slices := self.slices(name):
                variants[name] = {
                    "slices": len(slices),
                    "rate": _spread([one.rate for one in slices]),
                    "p50_ms": _spread([one.p50 for one in slices]),
                    "p99_ms": _spread([one.p99 for one in slices]),
                    "cpu_ms": _spread([one.cpu for one in slices if one.cpu is not None]),
                    "ours_over_it": _of(self.ratio(name)),
                }
        return {
            "name": self.name,
            "title": self.title,
            "clients": self.clients,
            "variants": variants,
            "verdicts": [
                {
                    "what": verdict.what,
                    "value": round(verdict.value, 3),
                    "wanted": round(verdict.wanted, 3),
                    "is_reached": verdict.is_reached,
                }
                for verdict in self.verdicts()
            ],
            "complaints": self.complaints,
        }


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    return _of(Spread.of(values)) if values else None


def _of(spread: Spread | None) -> dict[str, float] | None:
    if spread is None:
        return None
    return {name: round(getattr(spread, name), 3) for name in ("min", "median", "max")}

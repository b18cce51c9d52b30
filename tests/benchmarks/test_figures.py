import xml.etree.ElementTree as ElementTree

import pytest

from tests.benchmarks.chart import chart
from tests.benchmarks.figures import LIMIT, OURS, USUAL, Row, Slice, Spread, percentile
from tests.benchmarks.measuring import read_pgbench


def slices(*rates: float | None, p50: float = 2.0, p99: float = 5.0) -> list[Slice | None]:
    return [None if rate is None else Slice(rate, p50, p99) for rate in rates]


def row(**targets: float) -> Row:
    return Row(
        "place",
        "place <an order> & more",
        64,
        {USUAL: targets.get("usual", 6), LIMIT: targets.get("limit", 0.35)},
        {
            OURS: slices(100, 800, 300, None),
            USUAL: slices(50, 100, 100, 100, p50=6.0),
            LIMIT: slices(200, None, 600, 400),
        },
    )


def test_a_ratio_is_the_median_of_the_rounds_that_count() -> None:
    assert row().ratio(USUAL) == Spread(2.0, 3.0, 8.0)
    assert row().ratio(LIMIT) == Spread(0.5, 0.5, 0.5)


def test_without_a_round_that_counts_there_is_no_ratio() -> None:
    nothing = Row("a", "a", 1, {USUAL: 2}, {OURS: slices(None), USUAL: slices(10)})

    assert nothing.ratio(USUAL) is None
    assert nothing.verdicts() == []


def test_each_target_is_reached_or_not() -> None:
    usual, limit, p99 = row(usual=3.1, limit=0.5).verdicts()

    assert (usual.value, usual.is_reached) == (3.0, False)
    assert (limit.value, limit.is_reached) == (0.5, True)
    assert (p99.value, p99.wanted, p99.is_reached) == (5.0, 6.0, True)


def test_the_document_holds_the_spread_of_everything() -> None:
    document = row().document()

    assert document["variants"][OURS]["slices"] == 3
    assert document["variants"][OURS]["rate"] == {"min": 100, "median": 300, "max": 800}
    assert document["variants"][USUAL]["ours_over_it"] == {"min": 2.0, "median": 3.0, "max": 8.0}
    assert [verdict["is_reached"] for verdict in document["verdicts"]] == [False, True, True]


@pytest.mark.parametrize(("times", "nth", "value"), [([7.0], 99, 7.0), ([1.0, 2.0, 3.0], 50, 2.0)])
def test_a_percentile_lies_among_the_times(times: list[float], nth: int, value: float) -> None:
    assert percentile(times, nth) == value


def test_the_chart_is_well_formed_and_shows_every_variant() -> None:
    nothing = Row("b", "b", 1, series={OURS: slices(None)})
    picture = ElementTree.fromstring(chart([row(), nothing], "1 core & <no> more"))  # noqa: S314 (our own)
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]

    assert f"{OURS}: 300" in texts
    assert f"{USUAL}: 100 (× 3.00)" in texts
    assert f"{OURS}: nothing that counts" in texts
    assert "place <an order> & more" in texts
    assert "1 core & <no> more" in texts


def test_pgbench_is_held_to_its_last_seconds() -> None:
    done = [(10.2, 90.0), (11.9, 1.5), (12.4, 2.5), (12.5, 3.5)]
    answered = read_pgbench(0, "", done, 0.5)

    assert answered.answers == 4
    assert answered.times == [2.5, 3.5]
    assert answered.rate == 2 / 0.5
    assert not answered.complaints


@pytest.mark.parametrize(
    ("code", "complained"), [(1, "no such database"), (0, "client 3 aborted in command 9")]
)
def test_pgbench_that_did_not_do_everything_does_not_count(code: int, complained: str) -> None:
    assert complained in read_pgbench(code, complained, [(1.0, 1.0)], 1.0).complaints[0]

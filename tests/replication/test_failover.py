"""A short failover through the real server; `make failover` is the long one."""

import pytest

from tests.replication.__main__ import main


def test_nothing_acknowledged_is_lost_with_the_primary(capsys: pytest.CaptureFixture[str]) -> None:
    ended = main(["--clients", "8", "--seconds", "0.5", "--rounds", "1"])
    assert ended == 0, capsys.readouterr().out
    assert "0 of " in capsys.readouterr().out

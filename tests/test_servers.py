from pathlib import Path

import pytest

from tests.servers import CommandFailed, postgres_cluster, run_tradepost, running_server


def test_a_server_that_will_not_start_shows_why(tmp_path: Path) -> None:
    settings = {"TRADEPOST_SECRET_KEY": "short"}
    with (
        pytest.raises(CommandFailed, match="SECRET_KEY"),
        running_server(settings, tmp_path / "server.log"),
    ):
        pytest.fail("it started")


def test_a_command_that_fails_shows_why(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no-such-command"):
        run_tradepost("no-such-command", environment={}, folder=tmp_path)


@pytest.mark.parametrize("durable", [True, False])
def test_a_cluster_makes_databases_and_leaves_nothing_behind(
    own_folder: Path, durable: bool
) -> None:
    folder = own_folder / "cluster"
    with postgres_cluster(folder, durable=durable) as cluster:
        cluster.create("shop")
        assert cluster.url("shop").startswith("postgresql+asyncpg://postgres@/shop?host=/")
        with pytest.raises(CommandFailed, match="already exists"):
            cluster.create("shop")
    assert not folder.exists()

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import make_url

from tests.servers import GivenServer, PostgresCluster, postgres_cluster


@pytest.fixture(scope="session")
def own_folder() -> Iterator[Path]:
    """
    A folder that the user may enter whom PostgreSQL runs as when we are root. Not one of pytest's,
    which close for all but their owner whenever another run of pytest begins.
    """
    with TemporaryDirectory(prefix="tradepost-tests-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def cluster(own_folder: Path) -> Iterator[PostgresCluster]:
    """A PostgreSQL for the whole run, without a database of ours in it, and its programs."""
    with postgres_cluster(own_folder / "postgres", durable=False) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> PostgresCluster | GivenServer:
    """The PostgreSQL of TRADEPOST_TEST_DATABASE_URL or, where that is not set, the one above."""
    if given := os.environ.get("TRADEPOST_TEST_DATABASE_URL"):
        return GivenServer(make_url(given))
    started: PostgresCluster = request.getfixturevalue("cluster")
    return started

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.servers import PostgresCluster, postgres_cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    """A PostgreSQL for the whole run, without a database of ours in it."""
    # Not below pytest's own temporary folder, which each run that begins shuts to other users, and
    # PostgreSQL never runs as root.
    with (
        TemporaryDirectory(prefix="tradepost-") as folder,
        postgres_cluster(Path(folder) / "cluster", durable=False) as cluster,
    ):
        yield cluster

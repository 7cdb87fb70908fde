"""PostgreSQL as root, where the kernel allows user namespaces and where it does not."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from etld.embedded import identity
from etld.embedded.postgres import PostgresServer
from etld.util.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its identity")]


@pytest.fixture
def private() -> Iterator[Path]:
    """A directory that only root may enter."""
    path = Path(tempfile.mkdtemp(prefix="etld-private-"))
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("how", [identity.Namespace(1), identity.OtherUser(65534, 65534)])
def test_root_runs_postgres(private: Path, how: identity.Identity) -> None:
    """Both ways work below a private directory, over a restart, and leave the directories above as they were."""
    if isinstance(how, identity.Namespace) and not how.works():
        pytest.skip("no user namespaces here")
    server = PostgresServer(private / "postgres", free_port(), private / "log" / "postgres.log", private / "pass", how)
    for _ in range(2):
        server.start()
        try:
            server.wait_ready(30)
            server.ensure_database()
            psycopg.connect(server.dsn).close()
            assert server.child is not None
            assert Path(f"/proc/{server.child.pid}").stat().st_uid == (
                0 if isinstance(how, identity.Namespace) else 65534
            )
        finally:
            server.stop()
    assert private.stat().st_mode & 0o777 == 0o700
    assert private.stat().st_uid == 0

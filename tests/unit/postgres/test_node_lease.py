"""Who a daemon is, as its state directory says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from etld.config import Config, load
from etld.postgres.node_lease import Node

_TOML = '[event_types.purchase]\nschema = "schemas/purchase.avsc"\n'


def config(directory: Path) -> Config:
    """A configuration with a state directory of its own."""
    (directory / "etld.toml").write_text(_TOML)
    (directory / "schemas").symlink_to(Path(__file__).resolve().parents[3] / "schemas")
    return load(directory / "etld.toml", {})


def test_processes_that_begin_at_once_are_one_daemon(tmp_path: Path) -> None:
    """Also when each of them finds the file missing."""
    made = config(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        nodes = set(pool.map(lambda _: Node.of(made).identity, range(64)))
    assert len(nodes) == 1

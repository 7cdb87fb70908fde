"""What lies in the directory where a command is called, or the daemon was started, is never run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.fake_workers_daemon import ROOT, prepared
from support.processes import alive
from support.waiting import wait_until

pytestmark = pytest.mark.integration

#: Modules that etld imports early or late, in one process or another.
_NAMES = (
    "aiohttp click confluent_kafka encodings etld fastavro json logging matplotlib numpy orjson pkgutil polars psycopg"
    " pydantic runpy setproctitle sitecustomize tomllib typing usercustomize uvloop"
)


@pytest.fixture
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """Started in the background in a directory full of modules that note that they ran."""
    made = make_daemon()
    for name in _NAMES.split():
        planted = f"import os\nos.close(os.open({str(made.directory / 'ran')!r} + '.{name}', os.O_CREAT))\n"
        made.directory.joinpath(f"{name}.py").write_text(planted)
    try:
        made.cli("start")
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.directory, ignore_errors=True)


def test_nothing_planted_is_run(etld: Daemon) -> None:
    """By no command, no worker, no process that draws, and no successor of the daemon."""
    client = EtldClient(etld)
    client.send([purchase() for _ in range(5)])
    wait_until(lambda: [*etld.directory.glob("event_summary_charts/*_latest.png")], 30, "the aggregator has drawn")
    for command in (("charts",), ("config", "check"), ("dlq", "list"), ("dlq", "stats"), ("schemas", "check")):
        etld.cli(*command)
    etld.configure({"processor.linger": "70 ms"})
    assert "processor-purchase-0" in etld.cli("reload").stdout
    etld.cli("restart", "aggregator")
    etld.cli("restart")
    status = etld.status()
    pids = [status["pid"], *(worker["pid"] for worker in status["workers"])]
    assert all(map(alive, pids))
    roles = [worker["pid"] for worker in status["workers"] if not worker["kind"].startswith("embedded")]
    for pid in (status["pid"], *roles):
        assert Path(f"/proc/{pid}/cwd").readlink() == etld.state_dir
    assert [path.name for path in etld.directory.glob("ran.*")] == []


def test_a_schema_found_by_the_working_directory_is_found_there_still(tmp_path: Path) -> None:
    """The daemon lives elsewhere; what a reload and a new program read is what the start has read."""
    with prepared(tmp_path) as etld:  # started here, where there are schemas
        etld.edit(f'schema = "{ROOT}/schemas/purchase.avsc"', "")
        etld.start()
        for _ in range(2):
            assert etld.cli("reload").stdout == "nothing has changed\n"
            assert etld.cli("restart").returncode == 0
        assert Path(f"/proc/{etld.status()['pid']}/cwd").readlink() == etld.state

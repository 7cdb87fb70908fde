"""dbt takes the project and its tests pass on real tables; Grafana's own types take the dashboards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etld.embedded import jars
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

PACKAGES = ("dbt-core==1.10.*", "dbt-postgres==1.9.*", "grafana-foundation-sdk==1769699998!10.1.0")


@pytest.fixture(scope="module")
def tools() -> Path:
    """An environment with dbt and Grafana's types, in the user's cache: made once."""
    place = jars.cache_dir(Path("var/cache").absolute()) / "test-dbt-1"
    if not (place / "whole").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, *PACKAGES], check=True)
        (place / "whole").touch()
    return place / "bin"


@pytest.fixture(scope="module")
def daemon(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """With events and summaries."""
    with make_daemon().running() as made:
        made.cli("generate", "--count", "200")
        client = EtldClient(made)
        wait_until(lambda: client.sql("SELECT count(*) FROM processed_events") == [(200,)], 60, "all are stored")
        yield made


def dbt(tools: Path, project: Path, password: Path, *arguments: str) -> str:
    """Run it in the project; what it said."""
    environment = {**os.environ, "ETLD_PGPASSWORD": password.read_text().strip(), "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [str(tools / "dbt"), *arguments, "--profiles-dir", "."],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_dbt_parses_tests_and_builds(tools: Path, daemon: Daemon, tmp_path: Path) -> None:
    """As who may only read; models where that login may create. Written twice, what is the user's own stays."""
    password, project = tmp_path / "dbt.pass", tmp_path / "project"
    daemon.cli("bi", "login", "dbt", "--password-file", str(password))
    assert password.stat().st_mode & 0o077 == 0
    daemon.cli("bi", "dbt", "--out", str(project))
    own = project / "models" / "mine.sql"
    own.write_text("SELECT day, revenue FROM {{ ref('summary_purchase_daily') }}\n")
    daemon.cli("bi", "dbt", "--out", str(project))
    dbt(tools, project, password, "parse", "--show-all-deprecations")
    said = dbt(tools, project, password, "test", "--select", "source:*")
    assert "ERROR=0" in said
    assert "PASS=0" not in said
    EtldClient(daemon).sql("CREATE SCHEMA analytics AUTHORIZATION dbt")
    assert "ERROR=0" in dbt(tools, project, password, "build")
    ((daily, whole),) = EtldClient(daemon).sql(
        "SELECT (SELECT sum(revenue) FROM analytics.mine), (SELECT sum(revenue) FROM etld.summary_purchase)"
    )
    assert daily == whole


def test_grafanas_types_take_the_dashboards(tools: Path, daemon: Daemon, tmp_path: Path) -> None:
    """Read by Grafana's own library, nothing that it knows of is lost or of another form."""
    daemon.cli("bi", "grafana", "--out", str(tmp_path))
    reads = (
        "import json, sys\n"
        "from grafana_foundation_sdk.models.dashboard import Dashboard\n"
        "from grafana_foundation_sdk.cog.encoder import JSONEncoder\n"
        "made = Dashboard.from_json(json.load(open(sys.argv[1])))\n"
        "print(JSONEncoder(sort_keys=True).encode(made))\n"
    )
    for file in sorted(tmp_path.glob("*.json")):
        done = subprocess.run(
            [str(tools / "python"), "-c", reads, str(file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        taken, given = json.loads(done.stdout), json.loads(file.read_text())
        assert (taken["uid"], taken["title"], taken["schemaVersion"]) == (given["uid"], given["title"], 39)
        assert [one["gridPos"] for one in taken["panels"]] == [one["gridPos"] for one in given["panels"]]
        assert [one["type"] for one in taken["panels"]] == [one["type"] for one in given["panels"]]

"""The site of the documentation: builds without a warning, and has every page, every key, command, metric and error."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from etld.explain import CODES
from etld.worker.declared_metrics import DECLARED

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the site is built from."""
    made = tmp_path_factory.mktemp("documentation") / "site"
    subprocess.run([sys.executable, ROOT / "deploy" / "site" / "reference.py", made], check=True)
    return made


def test_it_builds_and_no_link_leads_nowhere(site: Path) -> None:
    """Nor to a heading that is not there."""
    command = [Path(sys.executable).with_name("zensical"), "build", "--strict", "-f", "mkdocs.yml"]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "<h1" in (site / "html" / "index.html").read_text()


def test_every_page_is_in_the_navigation(site: Path) -> None:
    """Once."""
    sections = yaml.safe_load((site / "mkdocs.yml").read_text())["nav"]
    named = [page for section in sections for pages in section.values() for one in pages for page in one.values()]
    there = [str(path.relative_to(site / "docs")) for path in (site / "docs").rglob("*.md")]
    assert sorted(named) == sorted(there)


def test_the_reference_is_whole(site: Path) -> None:
    """Keys of a table in a list, of a table of tables; commands of a group; metrics of the daemon and of workers."""
    reference = site / "docs" / "reference"
    configuration = (reference / "configuration.md").read_text()
    for heading in ("[kafka]", "[event_types.<name>]", "[summaries.<name>.chart]", "[[corrector.rules]]", "[[alerts]]"):
        assert re.search(rf"^#+ `{re.escape(heading)}`$", configuration, re.MULTILINE), heading
    assert "| `dedup_window` |" in configuration
    commands = (reference / "commands.md").read_text()
    for name in ("start", "dlq replay", "console user add"):
        assert f" etld {name}\n" in commands, name
    metrics = (reference / "metrics.md").read_text()
    for name in ("etld_worker_up", "etld_worker_restarts_total", *(f"etld_{one}" for one in DECLARED)):
        assert f"`{name}" in metrics, name
    requests = (reference / "http.md").read_text()
    assert "`POST /v1/batch`" in requests
    assert "`GET /api/v1/dead-letters`" in requests
    errors = (reference / "errors.md").read_text()
    assert [code for code, entry in CODES.items() if f"\n### {code}: {entry.title} " not in errors] == []
    assert "`WORKER_KILLED`" in errors

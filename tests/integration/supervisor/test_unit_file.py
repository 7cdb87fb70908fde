"""The unit file, by systemd's own judgement."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[3] / "systemd" / "etld.service"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"),
]


def test_it_is_hardened() -> None:
    """Exposure 2.0 or better."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", str(UNIT)], capture_output=True, text=True, check=True
    )
    found = re.search(r"Overall exposure level for etld\.service: ([\d.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) <= 2.0


def test_it_leaves_etld_what_that_reads() -> None:
    """The boot's id (`etld/postgres/node_lease.py`): without it set-up does not come to its end."""
    assert re.search(r"^ProcSubset=", UNIT.read_text(), re.MULTILINE) is None


def test_it_is_well_formed() -> None:
    """Not one complaint."""
    done = subprocess.run(["systemd-analyze", "verify", str(UNIT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

"""Where the command line finds the daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from etld.control.client import state_dir
from etld.errors import UsageError


def test_the_client_finds_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the configuration does, but from a broken file too."""
    monkeypatch.delenv("ETLD_STATE_DIR", raising=False)
    (tmp_path / "config").mkdir()
    path = tmp_path / "config" / "etld.toml"
    path.write_text('state_dir = "./v"\n')
    assert state_dir(path) == tmp_path / "v"
    path.write_text("state_dir = [\n")
    assert state_dir(path) == tmp_path / "var"
    monkeypatch.setenv("ETLD_STATE_DIR", "/elsewhere")
    assert state_dir(path) == Path("/elsewhere")
    with pytest.raises(UsageError, match="no such file"):
        state_dir(tmp_path / "none.toml")

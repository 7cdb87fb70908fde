"""What shells and `man` are told: the same commands and texts as --help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from etld import __version__
from etld.cli import COMMANDS, cli


def _complete(words: str, position: int) -> list[str]:
    environment = {"_ETLD_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    done = CliRunner().invoke(cli, prog_name="etld", env=environment)
    return [line.removeprefix("plain,") for line in done.output.splitlines()]


def test_commands_are_completed_without_importing_them() -> None:
    before = set(sys.modules)
    assert _complete("etld ", 1) == list(COMMANDS)
    assert _complete("etld rel", 1) == ["reload"]
    assert {name for name in set(sys.modules) - before if name.startswith("etld.")} == set()
    assert _complete("etld config ", 2) == ["check", "init", "schema", "show"]
    assert "--dry-run" in _complete("etld reload --", 2)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_each_shell(shell: str) -> None:
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0, done.output
    assert f"_ETLD_COMPLETE={shell}_complete" in done.output


def test_the_manual_page_has_every_command_and_its_texts(tmp_path: Path) -> None:
    page = CliRunner().invoke(cli, ["man"]).output
    assert f'"etld {__version__}"' in page
    assert [name for name in COMMANDS if f"\n.SS etld {name.replace('-', chr(92) + '-')} " not in page] == []
    assert ".SS etld dlq rules add " in page
    assert "Only tell what would be done." in page
    assert [line for line in page.splitlines() if line.startswith("'") or line[:2] in (". ", "..")] == []


@pytest.mark.integration
def test_man_takes_the_page(tmp_path: Path) -> None:
    """Without a word of warning from groff."""
    page = tmp_path / "etld.1"
    page.write_text(CliRunner().invoke(cli, ["man"]).output)
    try:
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True, check=False, timeout=60
        )
    except FileNotFoundError:
        pytest.skip("groff is not here")
    assert (done.returncode, done.stderr) == (0, "")

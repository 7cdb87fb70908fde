"""The command line's frame: what it imports, how it says no, and its exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from etld import cli as frame
from etld.errors import ConfigError, EtldError, Problem, Unreachable, UsageError

HEAVY = [
    "pydantic",
    "rich",
    "aiohttp",
    "polars",
    "matplotlib",
    "confluent_kafka",
    "psycopg",
    "fastavro",
    "numpy",
    "asyncio",
]


def modules_after(code: str) -> set[str]:
    """The modules a fresh interpreter has loaded after the code."""
    program = f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.split())


def test_help_imports_no_command() -> None:
    """The list of commands comes from the registry alone."""
    loaded = modules_after("from etld.cli import cli\ncli(['--help'], standalone_mode=False)")
    assert {name for name in loaded if name.startswith(("etld.cli.", "etld.config"))} == {
        "etld.cli.asking",
        "etld.cli.lazy",
    }
    assert not loaded & set(HEAVY)


def test_commands_that_only_ask_the_daemon_stay_light() -> None:
    """`etld status` must answer in 150 ms, so what it and its like import is click and the standard library."""
    names = ["status", "health", "stop", "reload", "scale", "pause", "resume", "drain", "restart", "logs"]
    imports = "\n".join(f"import {frame.COMMANDS[name][0]}" for name in names)
    assert not modules_after(imports) & set(HEAVY)


@pytest.mark.parametrize("name", list(frame.COMMANDS))
def test_every_registered_command_is_there_and_says_what_it_does(name: str) -> None:
    """Its module has `command`, and that has a help text."""
    done = CliRunner().invoke(frame.cli, [name, "--help"])
    assert done.exit_code == 0, done.output
    command = frame.cli.get_command(click.Context(frame.cli), name)
    assert command is not None
    assert command.help


def test_help_lists_every_command() -> None:
    """One line each; what only the console says is left out."""
    text = CliRunner().invoke(frame.cli, ["--help"]).output
    for name, (_module, line) in frame.COMMANDS.items():
        assert f"  {name} " in text
        assert line[:30] in text
    assert "--asked-by" not in text


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of the command line."""
    monkeypatch.setattr(sys, "argv", ["etld", *arguments])
    with pytest.raises(SystemExit) as end:
        frame.main()
    code = end.value.code
    assert isinstance(code, int)
    return code


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every command raise the error."""

    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(frame.cli, "get_command", lambda *_args: command)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EtldError("no disk", code="ETLD-X003"), 1),
        (UsageError("no disk"), 2),
        (Unreachable("no disk"), 3),
        (click.UsageError("no disk"), 2),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    """No traceback for a user's mistake."""
    failing(monkeypatch, error)
    assert run(monkeypatch, "status") == code
    out = capsys.readouterr()
    assert "no disk" in out.err
    assert "Traceback" not in out.err
    assert out.out == ""
    if isinstance(error, EtldError):
        assert out.err == f"etld: no disk ({error.code})\n"
    else:
        assert out.err.endswith("\nError: no disk (ETLD-X001)\n")


def test_every_problem_of_a_configuration_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With file, line and key, and a code of its own."""
    failing(monkeypatch, ConfigError([Problem("a.b", 3, "wrong"), Problem("", 0, "odd", code="ETLD-C002")], "x.toml"))
    assert run(monkeypatch, "status") == 1
    assert capsys.readouterr().err == "etld: x.toml:3: a.b: wrong (ETLD-C006)\netld: x.toml: odd (ETLD-C002)\n"


def test_a_mistake_in_the_code_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is meant for the reader goes without a traceback."""
    failing(monkeypatch, ZeroDivisionError())
    monkeypatch.setattr(sys, "argv", ["etld", "status"])
    with pytest.raises(ZeroDivisionError):
        frame.main()


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with 128 + SIGINT and a word."""
    failing(monkeypatch, KeyboardInterrupt())
    assert run(monkeypatch, "status") == 130
    assert "interrupted" in capsys.readouterr().err


def test_wrong_usage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and a hint for a name that is nearly right."""
    assert run(monkeypatch, "statsu") == 2
    assert 'did you mean "status"?' in capsys.readouterr().err
    assert run(monkeypatch, "xyzzy") == 2
    assert "did you mean" not in capsys.readouterr().err
    assert run(monkeypatch, "status", "--nope") == 2


def test_the_daemon_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3."""
    (tmp_path / "etld.toml").write_text("")
    assert run(monkeypatch, "--config", str(tmp_path / "etld.toml"), "status") == 3
    assert "not running" in capsys.readouterr().err


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The package's."""
    from etld import __version__

    assert run(monkeypatch, "--version") == 0
    assert __version__ in capsys.readouterr().out

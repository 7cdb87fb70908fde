"""`etld new-type`: what it writes, and what it leaves alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etld.cli import cli
from etld.schemas.event_schema import problems, read_file
from etld.supervisor.config_checks import load

ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The shipped configuration."""
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    path = tmp_path / "config" / "etld.toml"
    path.parent.mkdir()
    path.write_bytes((ROOT / "config" / "etld.toml").read_bytes())
    path.chmod(0o640)
    return path


def new(file: Path, *arguments: str) -> Result:
    """Run `etld new-type …`."""
    return CliRunner(env={"ETLD_CONFIG": ""}).invoke(cli, ["--config", str(file), "new-type", *arguments])


@pytest.mark.parametrize("end", [b"", b"\n\n# the end", b"\r\n# the end of a file from elsewhere\r\n"])
def test_the_rest_of_the_file_stays_byte_for_byte(file: Path, end: bytes) -> None:
    """Comments and line ends too; and the type is valid as it is."""
    before = file.read_bytes() + end
    file.write_bytes(before)
    done = new(file, "refund")
    assert done.exit_code == 0
    for step in ("etld config check", "etld reload", "etld generate --event-type refund"):
        assert step in done.stdout
    after = file.read_bytes()
    assert after.startswith(before)
    assert (b"\r\n[summaries.refund]\r\n" in after) == (b"\r\n" in end)
    assert file.stat().st_mode & 0o777 == 0o640
    config = load(file, {})
    assert config.event_types["refund"].schema == file.parents[1] / "schemas" / "refund.avsc"
    assert config.summaries["refund"].chart is not None
    assert problems(read_file(config.event_types["refund"].schema)) == []


def test_its_fields_can_be_said(file: Path) -> None:
    """user_id is who did it; numbers with a fraction are summed up and drawn."""
    fields = "user_id:string, amount:double?,note:string,events:double,When:timestamp,day:date?,Total:float"
    assert new(file, "pay_out", "--fields", fields).exit_code == 0
    config = load(file, {})
    user, details = json.loads(config.event_types["pay_out"].schema.read_text())["fields"][4:]
    assert user["type"]["fields"][0] == {"name": "user_id", "type": "string"}
    assert [field["name"] for field in details["type"]["fields"]] == [
        "amount",
        "note",
        "events",
        "When",
        "day",
        "Total",
    ]
    assert details["type"]["fields"][0] == {"name": "amount", "type": ["null", "double"], "default": None}
    assert problems(read_file(config.event_types["pay_out"].schema)) == []
    assert list(config.summaries["pay_out"].measures) == ["events", "amount"]


def test_a_dry_run_prints_and_writes_nothing(file: Path) -> None:
    """What it prints is what would stand there."""
    before = file.read_bytes()
    told = new(file, "refund", "--dry-run").stdout
    assert file.read_bytes() == before
    assert not (file.parents[1] / "schemas" / "refund.avsc").exists()
    assert new(file, "refund").exit_code == 0
    assert (file.parents[1] / "schemas" / "refund.avsc").read_text() in told
    assert told.endswith(file.read_text().removeprefix(before.decode()).lstrip())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("purchase",), 1, "has [event_types.purchase] already"),
        (("Refund",), 2, "expected a name of a-z, 0-9 and _ that begins with a letter, got 'Refund'"),
        (("re-fund",), 2, "got 're-fund'"),
        (("../x",), 2, "got '../x'"),
        (("r" * 42,), 2, "at most 41"),
        (("refund", "--fields", "amount"), 2, "'amount': expected name:type"),
        (("refund", "--fields", "amount:money"), 2, "expected a type of string, long"),
        (("refund", "--fields", "a:long,a:int"), 2, "'a' stands there twice"),
        (("there",), 1, "schemas/there.avsc is there already"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    file: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """With the reason."""
    (file.parents[1] / "schemas" / "there.avsc").write_text("{}")
    before = file.read_bytes(), sorted(file.parents[1].rglob("*"))
    done = new(file, *arguments)
    assert words in str(done.exception)
    assert getattr(done.exception, "exit_code", 0) == code
    assert (file.read_bytes(), sorted(file.parents[1].rglob("*"))) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('event_types = { a = { schema = "schemas/order.avsc" } }\n', "--dry-run prints them"),
        ('[event_types.a]\nschema = "schemas/order.avsc"\ntopic = "event_refund"\n', "is the topic of event type 'a'"),
    ],
)
def test_what_would_be_wrong_is_undone(file: Path, text: str, words: str) -> None:
    """The new tables do not fit the file: it says why, and neither file is touched."""
    file.write_text(text)
    done = new(file, "refund")
    assert "nothing was written" in str(done.exception)
    assert words in str(done.exception)
    assert file.read_text() == text
    assert not (file.parents[1] / "schemas" / "refund.avsc").exists()


@pytest.mark.integration
def test_types_that_are_made_at_once_are_all_there(file: Path) -> None:
    """And one name is made once."""
    code = "import sys; from etld.cli import main; main()"
    command = [sys.executable, "-c", code, "--config", str(file), "new-type"]
    children = [subprocess.Popen([*command, name], stderr=subprocess.DEVNULL) for name in ("a", "b", "a")]
    assert sorted(child.wait() for child in children) == [0, 0, 1]
    assert {"a", "b"} <= set(load(file, {}).event_types)
    assert (file.parents[1] / "schemas" / "a.avsc").is_file()

"""`etld bi` without a daemon: files are written, and mistakes told."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etld.cli import cli
from support.bi_config import ROOT

DSN = "postgresql://anna:in-the-address@db.example:6432/shop?sslmode=require"


def run(*arguments: object) -> Result:
    """With the shipped configuration."""
    return CliRunner().invoke(cli, ["--config", str(ROOT / "config/etld.toml"), "bi", *map(str, arguments)])


def test_the_bundle_is_written_as_a_directory_and_as_a_file(tmp_path: Path) -> None:
    """The same files; a password of the address stands in none, and one of a file where it is asked for."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    assert run("superset", "--out", tmp_path / "made", "--database", DSN).exit_code == 0
    assert run("superset", "--out", tmp_path / "made.zip", "--database", DSN).exit_code == 0
    found = {str(path.relative_to(tmp_path / "made")) for path in (tmp_path / "made").rglob("*.yaml")}
    with zipfile.ZipFile(tmp_path / "made.zip") as archive:
        assert {name.removeprefix("etld/") for name in archive.namelist()} == found
        assert b"in-the-address" not in b"".join(archive.read(name) for name in archive.namelist())
    database = tmp_path / "made" / "databases" / "etld.yaml"
    uri = json.loads(database.read_text())["sqlalchemy_uri"]
    assert uri == "postgresql+psycopg2://anna:XXXXXXXXXX@db.example:6432/shop?sslmode=require"
    given = ("--database", DSN, "--database-password-file", secret)
    run("superset", "--out", tmp_path / "made", *given)
    assert "s3cret" not in database.read_text()
    run("superset", "--out", tmp_path / "made", *given, "--with-password", "--change")
    assert "s3cret" in database.read_text()
    assert "pop_kpi" in (tmp_path / "made" / "charts" / "purchase-number-revenue.yaml").read_text()


def test_grafana_and_dbt_leave_what_is_not_theirs(tmp_path: Path) -> None:
    """A file beside theirs stays, and theirs are written anew."""
    own = tmp_path / "models" / "mine.sql"
    own.parent.mkdir()
    own.write_text("SELECT 1")
    for _ in range(2):
        assert run("dbt", "--out", tmp_path, "--database", DSN).exit_code == 0
        assert run("grafana", "--out", tmp_path, "--name", "shop").exit_code == 0
        (tmp_path / "shop-overview.json").write_text("")
    assert own.read_text() == "SELECT 1"
    sources = json.loads((tmp_path / "models/etld/sources.yml").read_text())["sources"]
    tables = {one["name"]: one for one in sources[0]["tables"]}
    (event_id,) = (one for one in tables["event_purchase"]["columns"] if one["name"] == "event_id")
    assert event_id["data_tests"] == ["not_null", "unique"]
    assert all(column["description"] for table in tables.values() for column in table["columns"])
    profile = (tmp_path / "profiles.yml").read_text()
    assert "'db.example'" in profile
    assert "in-the-address" not in profile


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["superset"], "say where to"),
        (["superset", "--out", "x", "--url", "http://x"], "say where to"),
        (["superset", "--out", "x", "--with-password"], "--with-password is for --out"),
        (["superset", "--url", "http://x", "--database", DSN], "--url needs --user and --password-file"),
        (["superset", "--out", "x", "--database", "host=db port"], "--database: "),
        (["grafana", "--out", "/dev/null/x"], "cannot write"),
    ],
)
def test_mistakes_are_told(arguments: list[str], told: str) -> None:
    """In a line, and nothing is written."""
    result = run(*arguments)
    assert result.exit_code != 0
    assert told in str(result.exception)

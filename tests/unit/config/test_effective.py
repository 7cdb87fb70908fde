"""The configuration in force, as it is shown: every value with its place, no secret."""

from __future__ import annotations

from pathlib import Path

from etld.config import parse
from etld.config.effective import effective

TEXT = """\
[postgres]
dsn = "postgresql://etld:verysecret@db.example/etld"

[kafka]
bootstrap_servers = "kafka:9092"
client = { "ssl.keystore.password" = "verysecret" }

[ingest]
port = 9000
host = "127.0.0.1"

[event_types.purchase]
schema = "purchase.avsc"
"""
SCHEMA = Path(__file__).parents[3] / "schemas" / "purchase.avsc"


def test_every_value_tells_its_place_and_no_secret(tmp_path: Path) -> None:
    """A line of the file, a variable, or the default."""
    (tmp_path / "purchase.avsc").write_text(SCHEMA.read_text())
    source = tmp_path / "etld.toml"
    source.write_text(TEXT)
    env = {"ETLD_INGEST__HOST": "127.0.0.2", "ETLD_LOG__LEVEL": "debug"}
    found = {one.key: one for one in effective(parse(TEXT, source, env), env)}
    told = {
        key: (found[key].value, found[key].source, found[key].place)
        for key in ("ingest.port", "ingest.host", "log.level", "processor.linger")
    }
    assert told == {
        "ingest.port": (9000, "file", f"{source}:9"),
        "ingest.host": ("127.0.0.2", "environment", "ETLD_INGEST__HOST"),
        "log.level": ("debug", "environment", "ETLD_LOG__LEVEL"),
        "processor.linger": ("50 ms", "default", ""),
    }
    assert found["postgres.dsn"].source == "file"
    assert "verysecret" not in str(found)

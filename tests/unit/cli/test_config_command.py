"""`etld config check|show|init|schema`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from etld.cli import cli
from etld.config import Config, load, parse
from etld.errors import EtldError
from support.certificates import make

ROOT = Path(__file__).parents[3]
DEFAULT = ROOT / "config" / "etld.toml"


def config(*arguments: str, file: Path = DEFAULT) -> Result:
    """Run `etld config …`; an EtldError comes out as the result's exception."""
    return CliRunner(env={"ETLD_CONFIG": ""}).invoke(cli, ["--config", str(file), "config", *arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small good configuration."""
    (tmp_path / "a.avsc").write_text('{"type": "record", "name": "a", "fields": []}')
    path = tmp_path / "etld.toml"
    path.write_text('[event_types.a]\nschema = "a.avsc"\n')
    return path


def test_check_says_good(file: Path) -> None:
    """Exit code 0, and the file's name."""
    done = config("check", file=file)
    assert (done.exit_code, done.stdout) == (0, f"{file}: good\n")
    assert json.loads(config("check", "--json", file=file).stdout) == {"ok": True, "file": str(file), "problems": []}


def test_check_names_every_mistake(file: Path) -> None:
    """`file:line: key.path: message (code)`, on stderr; as JSON on stdout; exit code 1."""
    file.write_text(file.read_text() + '[ingest]\nport = "x"\nprt = 1\n')
    done = config("check", file=file)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"{file}:4: ingest.port: expected a whole number, got 'x' (ETLD-C006)",
        f'{file}:5: ingest.prt: unknown key; did you mean "port"? (ETLD-C004)',
    ]
    done = config("check", "--json", file=file)
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert [(p["path"], p["line"], p["explain"]) for p in found["problems"]] == [
        ("ingest.port", 4, "ETLD-C006"),
        ("ingest.prt", 5, "ETLD-C004"),
    ]


def test_show_is_a_configuration_that_means_the_same(tmp_path: Path) -> None:
    """Its TOML, read again, gives an equal configuration; its JSON says the same."""
    before = load(DEFAULT, {})
    text = config("show").stdout
    assert parse(text, tmp_path / "etld.toml", {}).model_dump() == before.model_dump()
    assert json.loads(config("show", "--json").stdout) == tomllib.loads(text)


def test_show_leaves_rules_in_their_files(file: Path) -> None:
    """So that its TOML, read again, has each of them once."""
    rules = file.parent / "rules"
    rules.mkdir()
    (rules / "a.toml").write_text('name = "from_a_file"\nsteps = [{ trim = "*" }]\n')
    own = '[[corrector.rules]]\nname = "own"\nsteps = [{ cast = "*" }]\n'
    file.write_text(f'{file.read_text()}[corrector]\nrules_dir = "rules"\n{own}')
    before = load(file, {})
    shown = config("show", file=file).stdout
    assert "below: 'from_a_file'" in shown.splitlines()[0]
    again = parse(shown, file, {})
    assert [rule.name for rule in again.corrector.rules] == ["own", "from_a_file"]
    assert again.model_dump() == before.model_dump()


def test_show_hides_passwords(file: Path) -> None:
    """Those in a DSN, as URL and as words, and in the registry's URL; nothing else goes."""
    dsns = {
        "postgresql://etld:can@ary/x@db/etld": "postgresql://etld:***@db/etld",
        "postgresql://db/etld?user=etld&password=canary&sslmode=require": "postgresql://db/etld?user=etld&password=***&sslmode=require",
        "host=db user=etld password='can\\'ary x' dbname=etld": "host=db user=etld password=*** dbname=etld",
        "host=db password = canary dbname=etld": "host=db password = *** dbname=etld",
    }
    for dsn, shown in dsns.items():
        keys = ("dsn", "direct_dsn", "migration_dsn")
        lines = "".join(f"{key} = {json.dumps(dsn)}\n" for key in keys)
        head = f"[postgres]\n{lines}[schema_registry]\nurl = 'https://u:canary@registry:8081'\n"
        file.write_text(head + '[event_types.a]\nschema = "a.avsc"\n')
        for done in (config("show", file=file), config("show", "--json", file=file)):
            assert done.exit_code == 0, done.exception
            assert "ary" not in done.stdout.replace("event_summary", "")
        told = json.loads(config("show", "--json", file=file).stdout)["postgres"]
        assert [told[key] for key in keys] == [shown] * 3


def test_show_hides_secrets_of_the_client(file: Path) -> None:
    """Options of librdkafka that hold one; the others stay."""
    secret = {
        "ssl.keystore.password": "canary",
        "sasl.oauthbearer.assertion.private.key.pem": "canary",
        "sasl.oauthbearer.assertion.private.key.passphrase": "canary",
        "sasl.oauthbearer.config": "principal=canary",
    }
    plain = {"ssl.keystore.location": "/keys/etld.p12", "sasl.kerberos.service.name": "kafka"}
    options = "".join(f'"{name}" = "{value}"\n' for name, value in (secret | plain).items())
    file.write_text(f'[kafka.client]\n{options}[event_types.a]\nschema = "a.avsc"\n')
    assert "canary" not in config("show", file=file).stdout
    told = json.loads(config("show", "--json", file=file).stdout)["kafka"]["client"]
    assert told == dict.fromkeys(secret, "***") | plain


def test_init_writes_the_documented_file_and_its_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it writes is good as it is, and never lost to a second init without --force."""
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "config" / "etld.toml"
    assert config("init").exit_code == 0
    assert target.read_text() == DEFAULT.read_text()
    assert target.stat().st_mode & 0o777 == 0o640
    assert set(load(target, {}).event_types) == {"purchase", "order", "delivery"}
    target.write_text("# mine\n")
    (tmp_path / "schemas" / "order.avsc").write_text("mine")
    again = config("init")
    assert isinstance(again.exception, EtldError)
    assert "--force" in str(again.exception)
    assert target.read_text() == "# mine\n"
    assert config("init", "--force").exit_code == 0
    assert target.read_text() == DEFAULT.read_text()
    assert (tmp_path / "schemas" / "order.avsc").read_text() == "mine"


@pytest.mark.parametrize(
    ("purpose", "check"),
    [("laptop", ["check"]), ("server", ["check", "--without-secrets"]), ("kubernetes", ["check", "--without-secrets"])],
)
def test_each_purpose_is_good_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, purpose: str, check: list[str]
) -> None:
    """But for the files of secrets of the place that it is for; editors find the schema beside it."""
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "config" / "etld.toml"
    assert config("init", "--for", purpose).exit_code == 0
    done = config(*check, file=target)
    assert done.exit_code == 0, done.output
    named = target.read_text().splitlines()[0].removeprefix("#:schema ./")
    assert json.loads((target.parent / named).read_text())["title"] == "etld"
    assert ("embedded" in target.read_text()) == (purpose == "laptop")


def test_init_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A word, no traceback."""
    (tmp_path / "file").write_text("")
    done = config("init", str(tmp_path / "file" / "etld.toml"))
    assert isinstance(done.exception, EtldError)
    assert "cannot write" in str(done.exception)


def test_the_schema_forbids_unknown_keys_and_describes_all() -> None:
    """Every object of a fixed shape is closed, and every property has words, for editors."""
    schema = json.loads(config("schema").stdout)
    tables = [schema, *schema["$defs"].values()]
    for table in tables:
        assert table["title"] == "etld" or table["description"]
        assert table["additionalProperties"] is False, table["title"]
        for name, entry in table["properties"].items():
            assert entry.get("description") or "$ref" in entry, f"{table['title']}.{name}"
    assert set(schema["properties"]) == set(Config.model_fields)
    assert "schema" in schema["$defs"]["EventType"]["properties"]
    assert schema["$defs"]["Ingest"]["properties"]["max_body"]["default"] == "1 MiB"


def test_the_group_lists_its_verbs() -> None:
    """Four of them."""
    command = cli.get_command(click.Context(cli), "config")
    assert isinstance(command, click.Group)
    assert sorted(command.commands) == ["check", "init", "schema", "show"]


def test_credentials_may_come_later(file: Path) -> None:
    """With --without-secrets their files may be missing, and nothing else."""
    text = file.read_text()
    file.write_text(
        '[postgres]\npassword_file = "/nowhere/pw"\ndsn = "postgresql://etld@db.example/etld"\n'
        '[ingest]\nkeys_file = "/nowhere/keys.toml"\n'
        '[kafka]\nbootstrap_servers = "a:9092"\nsecurity_protocol = "sasl_ssl"\nsasl_mechanism = "PLAIN"\n' + text
    )
    assert config("check", file=file).exit_code == 1
    done = config("check", "--without-secrets", file=file)
    assert done.exit_code == 0
    assert "good, once these are there: " in done.stdout
    for key in ("postgres.password_file", "ingest.keys_file", "kafka.sasl_password_file", "kafka.sasl_username"):
        assert key in done.stdout
    assert json.loads(config("check", "--without-secrets", "--json", file=file).stdout)["ok"] is True
    file.write_text(file.read_text().replace("a:9092", "nonsense").replace("a.avsc", "gone.avsc"))
    done = config("check", "--without-secrets", file=file)
    assert done.exit_code == 1
    assert "bootstrap_servers" in done.stderr
    assert "gone.avsc" in done.stderr
    assert "password_file" not in done.stderr


def test_a_certificate_and_its_key(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both or none, of files that belong together; each mistake is a line, from the environment too."""
    one, other = make(file.parent / "one"), make(file.parent / "other")
    text = file.read_text()

    def told(certificate: Path, key: Path | None) -> list[str]:
        named = "" if key is None else f'tls_key_file = "{key}"\n'
        file.write_text(f'[ingest]\ntls_cert_file = "{certificate}"\n{named}{text}')
        return config("check", file=file).stderr.splitlines()

    assert told(one.certificate, one.key) == []
    assert told(one.certificate, None) == [
        f"{file}:1: ingest.tls_key_file: is missing, and tls_cert_file needs it (ETLD-C005)"
    ]
    gone = file.parent / "gone"
    assert told(one.certificate, gone) == [f"{file}:3: ingest.tls_key_file: there is no file {gone} (ETLD-C008)"]
    assert config("check", "--without-secrets", file=file).exit_code == 0
    mismatch = f"ingest.tls_key_file: {other.key} is not the key of the certificate {one.certificate}"
    assert told(one.certificate, other.key) == [f"{file}:3: {mismatch} (ETLD-C012)"]
    told(one.certificate, one.key)
    monkeypatch.setenv("ETLD_INGEST__TLS_KEY_FILE", str(other.key))
    assert config("check", file=file).stderr == f"{file}: {mismatch} (from ETLD_INGEST__TLS_KEY_FILE) (ETLD-C012)\n"

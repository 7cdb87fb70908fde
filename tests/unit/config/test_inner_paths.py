"""Relative paths inside DSNs, options of librdkafka and variables: one meaning, wherever the daemon lives."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg.conninfo import conninfo_to_dict

from etld.config import Config, parse
from etld.config.inner_paths import in_dsn
from etld.config.paths import absolute
from etld.postgres.dsn import parameters
from etld.util import interpreter

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config" / "etld.toml"
FILES = ["passfile", "servicefile", "sslcert", "sslcrl", "sslcrldir", "sslkey", "sslkeylogfile", "sslrootcert"]
KEPT = [
    *((name, value) for name in FILES for value in ("/etc/x.pem", "")),
    ("sslrootcert", "system"),
    ("sslkey", "pkcs11:token"),
    ("krbsrvname", "a/b"),
    ("service", "a/b"),
    ("options", "-c sslkey=a/b passfile=c"),
    ("user", "a/b"),
]
OPTIONS = {
    "ssl.crl.location": "certs/a b.crl",
    "ssl.keystore.location": "./k.p12",
    "https.ca.location": "ca.pem",
    "sasl.kerberos.keytab": "../etld.keytab",
    "sasl.oauthbearer.assertion.file": "a.jwt",
    "sasl.oauthbearer.assertion.private.key.file": "a.pem",
    "sasl.oauthbearer.assertion.jwt.template.file": "a.json",
}


def read(**env: str) -> Config:
    return parse(CONFIG.read_text(), CONFIG, {f"ETLD_{name}": value for name, value in env.items()})


def spellings(name: str, value: str) -> list[str]:
    """A DSN with this parameter, in each spelling."""
    words = value.replace("\\", r"\\").replace("'", r"\'")
    return [
        f"postgresql://u:p%40/s@h/d?{name}={quote(value, safe='')}",
        f"postgres:///d?host=/run/x&{name}={quote(value)}&sslmode=prefer",
        f"host=h user='x\\' passfile=no' {name} = '{words}' dbname=d",
    ]


@pytest.mark.parametrize("name", FILES)
def test_a_path_in_a_dsn_begins_where_those_of_the_file_do(name: str) -> None:
    """In every spelling, and nothing else of the DSN is another."""
    for value in ("certs/a b's&c.pem", "./x.pem", "../x.pem", "~/x.pem"):
        meant = os.path.normpath(ROOT / Path(value).expanduser())
        for given in spellings(name, value):
            made = in_dsn(given, lambda path: str(absolute(Path(path), CONFIG)))
            assert parameters(made) == {**parameters(given), name: meant}
            if name in conninfo_to_dict(""):
                assert conninfo_to_dict(made) == {**conninfo_to_dict(given), name: meant}


@pytest.mark.parametrize("key", ["dsn", "direct_dsn", "migration_dsn"])
def test_each_dsn_of_the_file_has_it(key: str) -> None:
    given = spellings("sslkey", "certs/a b's&c.pem")[0]
    made = getattr(read(**{"POSTGRES__DSN": "host=h", f"POSTGRES__{key.upper()}": given}).postgres, key)
    assert parameters(made) == {**parameters(given), "sslkey": f"{ROOT}/certs/a b's&c.pem"}


@pytest.mark.parametrize(("name", "value"), KEPT)
def test_what_is_no_relative_path_stays(name: str, value: str) -> None:
    """Special words, whole paths, names that only look like one."""
    for given in spellings(name, value):
        made = read(POSTGRES__DSN=given).postgres.dsn
        assert parameters(made) == parameters(given)


@pytest.mark.parametrize("given", ["embedded", "host=h user", "host='h", "postgresql://h/d?passfile", "", "://?a"])
def test_what_is_no_dsn_is_left_to_the_check(given: str) -> None:
    assert in_dsn(given, lambda _: "/x") == given


def test_files_of_the_kafka_clients() -> None:
    """Likewise; `probe`, a kind of keytab and other options stay."""
    kept = {"ssl.cipher.suites": "a/b", "sasl.kerberos.keytab": "FILE:a", "https.ca.location": "probe", "linger.ms": 5}
    for options in (OPTIONS, kept):
        lines = "".join(f'"{name}" = {value!r}\n' for name, value in options.items())
        text = CONFIG.read_text().replace("\n[postgres]\n", f"\n[kafka.client]\n{lines}\n[postgres]\n", 1)
        wanted = kept if options is kept else {k: os.path.normpath(ROOT / str(v)) for k, v in OPTIONS.items()}
        assert parse(text, CONFIG, {}).kafka.client == wanted


def test_variables_mean_the_same_when_the_daemon_has_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's, and those of TLS and Kerberos; the certificates of the system are no file."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(ROOT)
    given = {"PGPASSFILE": "a/../b", "PGSERVICEFILE": "s", "PGSSLCERT": "/c", "PGSSLKEY": "", "PGSSLROOTCERT": "system"}
    more = {"SSL_CERT_FILE": "ca.pem", "KRB5CCNAME": "FILE:x", "KRB5_KTNAME": "k", "PGHOST": "h"}
    for name, value in {**given, **more}.items():
        monkeypatch.setenv(name, value)
    interpreter.settle(tmp_path)
    assert Path.cwd() == tmp_path
    meant = {"PGPASSFILE": f"{ROOT}/b", "PGSERVICEFILE": f"{ROOT}/s", "SSL_CERT_FILE": f"{ROOT}/ca.pem"}
    wanted = {**given, **more, **meant, "KRB5_KTNAME": f"{ROOT}/k"}
    assert {name: os.environ[name] for name in wanted} == wanted

"""What a DSN may say besides where the server is."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from etld.errors import ConfigError
from etld.postgres import dsn
from etld.postgres.connections import conninfo
from etld.supervisor import config_checks

ROOT = Path(__file__).parents[3]


def spellings(**given: Any) -> list[str]:
    """One DSN with these parameters in each spelling."""
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in given.items())
    quoted = [f"{name} = '{str(value).replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}'"
              for name, value in given.items()]  # fmt: skip
    return [
        f"postgresql://u:p%40s@a,b:5433/d?{query}",
        f"postgres://u@[::1]/d?{query}",
        f"postgresql:///?host=/run/x&{query}",
        " ".join(["host=a,b port=5432,5433 user=u dbname=d", *quoted]),
    ]


GOOD = [
    {"connect_timeout": 3},
    {"application_name": "orders"},
    {"fallback_application_name": "orders"},
    {"target_session_attrs": "read-write", "load_balance_hosts": "random"},
    {"target_session_attrs": "any"},
    {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem", "sslcert": "a b's.pem"},
    {"client_encoding": "utf-8"},
    {"keepalives": 0},
    {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 5, "tcp_user_timeout": 0},
    {"options": "-c jit=off --geqo=off -c role=x\\ y"},
    {"options": "-c search_path=public --TimeZone=utc"},
    {"service": "orders"},
    {"passfile": "/x y"},
    {"channel_binding": "require", "require_auth": "scram-sha-256", "gssencmode": "disable"},
]
BAD = [
    ({"connect_timeout": 60}, r"connect_timeout=60 is longer than postgres\.connect_timeout \(5 s\): raise that"),
    ({"connect_timeout": 0}, "connect_timeout=0 is no limit"),
    ({"connect_timeout": -1}, "connect_timeout=-1 is no limit"),
    ({"connect_timeout": "soon"}, "connect_timeout='soon': expected a number of seconds"),
    ({"tcp_user_timeout": "6s"}, "tcp_user_timeout='6s': expected a whole number"),
    ({"keepalives_idle": ""}, "keepalives_idle='': expected a whole number"),
    ({"target_session_attrs": "standby"}, "target_session_attrs='standby': etld writes"),
    ({"client_encoding": "LATIN1"}, "client_encoding='LATIN1': etld reads and writes UTF8"),
    ({"sslmode": "verify"}, "sslmode='verify': expected one of disable, allow"),
    ({"replication": "database"}, "replication: "),
    ({"options": "-c statement_timeout=5"}, r"a key of its own, postgres\.statement_timeout"),
    ({"options": "-csearch_path=a\\ b"}, "options: search_path is 'public' in every session"),
    ({"options": "-c jit=off --search-path=mine"}, "options: search_path is 'public'"),
    ({"aplication_name": "x"}, "'aplication_name' is no parameter of a DSN.*application_name"),
]


@pytest.mark.parametrize("given", GOOD, ids=str)
def test_what_is_safe_is_taken(given: dict[str, Any]) -> None:
    """As libpq reads it, and it reaches libpq, in every spelling."""
    for one in spellings(**given):
        assert list(dsn.problems(one, 5)) == []
        assert {name: dsn.parameters(one)[name] for name in given} == {k: str(v) for k, v in given.items()}
        made = conninfo_to_dict(conninfo(one, {"application_name": "etld x", "connect_timeout": 5}))
        for name, value in given.items():
            if name not in ("client_encoding", "options", "application_name"):
                assert made[name] == str(value)


@pytest.mark.parametrize(("given", "told"), BAD, ids=str)
def test_what_is_not_is_a_mistake_of_the_configuration(
    given: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words, with the key, and without the password that stands beside it."""
    monkeypatch.chdir(ROOT)
    for one in spellings(**given):
        with pytest.raises(ConfigError, match=told) as raised:
            config_checks.load(ROOT / "config/etld.toml", {"ETLD_POSTGRES__DSN": one})
        assert "postgres.dsn" in str(raised.value)
        assert "p%40s" not in str(raised.value)


@pytest.mark.parametrize("key", ["migration_dsn", "direct_dsn"])
def test_the_other_addresses_are_looked_at_too(key: str) -> None:
    env = {"ETLD_POSTGRES__DSN": "postgresql://h/d", f"ETLD_POSTGRES__{key.upper()}": "host=h replication=true"}
    with pytest.raises(ConfigError, match=f"postgres.{key}: replication"):
        config_checks.load(ROOT / "config/etld.toml", env)


@pytest.mark.parametrize(
    "broken", ["host=h user", "host='h", "host=h = 3", "postgresql://h/d?sslmode", "host=h connect_timeout"]
)
def test_what_is_no_dsn_is_told(broken: str) -> None:
    assert "expected name=value" in next(dsn.problems(broken, 5))


def test_what_etld_sets_too_is_one_value() -> None:
    """The shorter wait, both names, both lists of settings with etld's last, and never a TypeError."""
    (_, _, _, given) = spellings(connect_timeout=3, application_name="orders", options="-c jit=off", keepalives=0)
    made = conninfo_to_dict(conninfo(given, {"application_name": "etld x", "connect_timeout": 5}))
    assert (made["connect_timeout"], made["application_name"]) == ("3", "etld x (orders)")
    assert made["options"].startswith("-c jit=off -c timezone=UTC")
    assert (made["keepalives"], made["tcp_user_timeout"], made["client_encoding"]) == ("0", "6000", "UTF8")
    short = conninfo_to_dict(conninfo(given, {"application_name": "etld x", "connect_timeout": 2}))
    assert short["connect_timeout"] == "2"
    assert conninfo_to_dict(conninfo("host=h", {"application_name": "etld x"}))["connect_timeout"] == "5"


def test_every_parameter_of_this_libpq_is_known() -> None:
    """And so is every variable of its environment, which the embedded server must not hear of."""
    known = Conninfo.get_defaults()
    wrong = [one.keyword.decode() for one in known if list(dsn.problems(f"{one.keyword.decode()}=1", 5))
             and "no parameter" in "".join(dsn.problems(f"{one.keyword.decode()}=1", 5))]  # fmt: skip
    assert wrong == []
    environment = {one.envvar.decode(): "x" for one in known if one.envvar} | {"PATH": "/bin", "PGDATA": "/x"}
    dsn.forget_environment(environment)
    assert environment == {"PATH": "/bin", "PGDATA": "/x"}

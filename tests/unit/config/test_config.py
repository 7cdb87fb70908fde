"""Loading: every mistake at once, each with key path and line; the environment; paths; secrets."""

from __future__ import annotations

import pickle
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from etld.config import Config, load, locate, parse, refuse_unsafe, refuse_unsafe_files
from etld.config.key_path import KeyPath
from etld.config.mistakes import Mistake
from etld.errors import ConfigError, EtldError
from etld.supervisor.config_checks import CHECKS
from etld.util import config_file

ROOT = Path(__file__).parents[3]
DEFAULT = ROOT / "config" / "etld.toml"
TEXT = DEFAULT.read_text()


def mistakes(text: str, env: dict[str, str] | None = None) -> dict[str, tuple[int, str]]:
    """Key path to (line, message) of a broken variant of the default file."""
    with pytest.raises(ConfigError) as raised:
        parse(text, DEFAULT, env or {}, CHECKS)
    return {p.path: (p.line, p.message) for p in raised.value.problems}


def line_of(text: str, start: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if line.startswith(start))


def broken(*changes: tuple[str, str]) -> str:
    """The default file with these changes, each of which must apply."""
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(
    ("old", "new", "path", "expected"),
    [
        ("port = 8080", 'port = "eighty"', "ingest.port", "expected a whole number, got 'eighty'"),
        ("port = 8080", "port = true", "ingest.port", "expected a whole number, got true"),
        ("port = 8080", "port = 70000", "ingest.port", "expected at most 65535, got 70000"),
        ("port = 8080", "port = 15432", "postgres.embedded_port", "port 15432 is ingest.port already"),
        ("port = 8080", "port = 19092", "kafka.embedded_port", "port 19092 is ingest.port already"),
        ("segment = true", "segment = 1", "ingest.segment", "expected true or false, got 1"),
        ("cors_origins = []", 'cors_origins = "*"', "ingest.cors_origins", "expected a list, got '*'"),
        ("cors_origins = []", "cors_origins = [1]", "ingest.cors_origins[0]", "expected text in quotes, got 1"),
        ("max_batch = 1000", "max_bach = 1000", "ingest.max_bach", 'unknown key; did you mean "max_batch"?'),
        (
            'catalog = "embedded"',
            'catalog = "rest"',
            "lake.catalog",
            "'rest' needs its uri in [lake.properties]",
        ),
        (
            'warehouse = ""',
            'warehouse = "lake"',
            "lake.warehouse",
            'expected a URL such as "s3://bucket/path", or an absolute path',
        ),
        ("window = 1000", "zzz = 1000", "breaker.zzz", "unknown key; known: ratio, retry_after, window"),
        ("[breaker]", "[braker]", "braker", 'unknown key; did you mean "breaker"?'),
        ('max_body = "1 MiB"', 'max_body = "1 parsec"', "ingest.max_body", "got '1 parsec'"),
        ('max_body = "1 MiB"', 'max_body = "0 B"', "ingest.max_body", 'expected at least "1 B"'),
        ('linger = "50 ms"', "linger = 50", "processor.linger", 'expected a duration such as "500 ms"'),
        ("ratio = 0.5", "ratio = 1.5", "breaker.ratio", "expected at most 1"),
        ("ratio = 0.5", 'ratio = "0.5"', "breaker.ratio", "expected a number, got '0.5'"),
        ('level = "info"', 'level = "loud"', "log.level", "expected 'debug', 'info', 'warning' or 'error', got 'loud'"),
        ('timezone = "UTC"', 'timezone = "Mars/Base"', "ingest.timezone", "expected a time zone"),
        ('prefix = ""', 'prefix = "stage/"', "kafka.prefix", "180 letters, digits, dots, - and _, got 'stage/'"),
        ('prefix = ""', f'prefix = "{"x" * 181}"', "kafka.prefix", "expected at most 180 letters"),
        ('node_id = ""', 'node_id = "a b"', "node_id", "expected letters, digits, dots, - and _, got 'a b'"),
        (
            'transform = ""',
            'transform = "x"',
            "event_types.purchase.transform",
            "expected \"module:function\", got 'x'",
        ),
        ("sample = {}", "sample = { nope = 0.5 }", "event_types.purchase.sample.nope", "is not among event_names"),
        ("[event_types.order]", "[event_types.Order]", "event_types.Order", "begins with a letter, got 'Order'"),
        ('dsn = "embedded"', 'dsn = "db.example"', "postgres.dsn", "or a DSN such as"),
        ('url = "embedded"', 'url = "registry:8081"', "schema_registry.url", "or an http(s) URL"),
        ('servers = "embedded"', 'servers = "kafka-1:9092,kafka-2"', "kafka.bootstrap_servers", "got 'kafka-2'"),
        ('protocol = "plaintext"', 'protocol = "ssl"', "kafka.security_protocol", "a password of its own"),
        ('poll_interval = "5 min"', 'poll_interval = "5 s"', "kafka.max_poll_interval", 'session_timeout ("6 s")'),
        ('poll_interval = "5 min"', 'poll_interval = "2 d"', "kafka.max_poll_interval", 'at most "1 d"'),
        ('keys_file = ""', 'keys_file = "no.toml"', "ingest.keys_file", f"there is no file {ROOT}/no.toml"),
        ('keys_file = ""', 'keys_file = "README.md"', "ingest.keys_file", "README.md: is not TOML"),
        ('metrics = "open"', 'metrics = "key"', "ingest.metrics", "needs write keys: set ingest.keys_file"),
        ("trusted_proxies = []", 'trusted_proxies = ["proxy"]', "ingest.trusted_proxies", "got 'proxy'"),
        (
            "cors_origins = []",
            'cors_origins = ["https://a.example/"]',
            "ingest.cors_origins[0]",
            "as a browser sends it",
        ),
        (
            "cors_origins = []",
            'cors_origins = ["https://a.example:443"]',
            "ingest.cors_origins[0]",
            "as a browser sends",
        ),
        ("cors_origins = []", 'cors_origins = ["a.example"]', "ingest.cors_origins[0]", "as a browser sends it"),
        ('"user_details.name" =', '"user_detials.name" =', 'ingest.segment_map."user_detials.name"', '"user_details"?'),
        ('"user_details.name" =', '"user_details..x" =', 'ingest.segment_map."user_details..x"', "step of this target"),
        ('"context.traits.name"', '"traits..x"', 'ingest.segment_map."user_details.name"', "got 'traits..x'"),
        ('"context.traits.name"', '"a | "', 'ingest.segment_map."user_details.name"', "got ''"),
        ('"schemas/order.avsc"', '"schemas/ordr.avsc"', "event_types.order.schema", "schemas/ordr.avsc"),
        ('"schemas/order.avsc"', '"config/etld.toml"', "event_types.order.schema", "is no Avro schema"),
        ("max_depth = 32", "max_depth = 201", "ingest.max_depth", "at most 200"),
        ('["delivery"]', '["deliverie"]', "summaries.delivery.event_types[0]", "known: purchase, order, delivery"),
        (
            'revenue = { sum = "event_details.price" }',
            'revenue = "sum"',
            "summaries.purchase.measures.revenue",
            "{ sum =",
        ),
        ('revenue = { sum = "event_details.price" }', "revenue = {}", "summaries.purchase.measures.revenue", "{ sum ="),
        (
            'revenue = { sum = "event_details.price" }',
            'revenue = { sum = "event_details.item_name" }',
            "summaries.purchase.measures.revenue",
            "item_name is text",
        ),
        (
            'value = "revenue"',
            'value = "revenues"',
            "summaries.purchase.chart.panels[1].value",
            "no measure 'revenues'",
        ),
        ('by = "carrier"', 'by = "carier"', "summaries.delivery.chart.panels[1].by", "no group column 'carier'"),
        ('name = "transit_delivery_summary"', 'name = "purchase_summary"', "summaries.delivery.chart.name", "already"),
        ('bucket = "1 h"', 'bucket = "1 ms"', "summaries.purchase.bucket", "1 s to 366 d"),
        ('{ cast = "*" }', '{ kast = "*" }', "corrector.rules[0].steps[0].kast", "did you mean 'cast'?"),
        ('name = "trim"', 'name = "cast"', "corrector.rules[1].name", "two rules are called 'cast'"),
        ('name = "trim"\n', "", "corrector.rules[1].name", "is missing"),
        ("[corrector]", "[corrector]\nrules = 3", "corrector.rules", "expected a list, got 3"),
        ("[corrector]", "[alerts]\n[corrector]", "alerts", "a list of tables, each begins with [[alerts]]"),
    ],
)
def test_one_mistake_has_its_key_its_line_and_what_was_expected(old: str, new: str, path: str, expected: str) -> None:
    """One change of the default file at a time; the line is that of the change."""
    if path == "corrector.rules":
        text = re.sub(r"\[corrector\][\s\S]*\[supervisor\]", f"{new}\n[supervisor]", TEXT)
    else:
        text = broken((old, new))
    found = mistakes(text)
    assert path in found
    line, message = found[path]
    assert expected in message
    changed = {i for i, (a, b) in enumerate(zip(TEXT.splitlines(), text.splitlines(), strict=False), 1) if a != b}
    named_elsewhere = {"kafka.embedded_port", "postgres.embedded_port", "corrector.rules[1].name"}
    assert line == min(changed) or path in named_elsewhere
    assert line > 0
    if path not in ("corrector.rules", "event_types.Order", "braker", "breaker.zzz"):
        assert list(found) == [path]


STORAGE = """partition = "auto"
# An event_id is known for so long; what comes later with it is a new event. Left out it is 30 d, or the shortest
# retention where that is less.
# dedup_window = "30 d"
# Events go so long after Kafka took them, by whole partitions: "400 d". "forever" keeps them.
retention = "forever"
"""
OWN = '"90 d". "forever": as there.\nretention = '


@pytest.mark.parametrize(
    ("partition", "window", "retention", "own", "path", "expected"),
    [
        (
            "year",
            "30 d",
            "forever",
            "forever",
            "storage.partition",
            "expected 'auto', 'month', 'week', 'day' or 'none'",
        ),
        ("auto", "30 d", "12 h", "forever", "storage.retention", 'expected "forever" or at least "1 d"'),
        ("auto", "30 d", "long", "forever", "storage.retention", 'expected "forever" or a duration such as "400 d"'),
        ("auto", "12 h", "forever", "forever", "storage.dedup_window", 'expected at least "1 d"'),
        ("auto", "30 d", "7 d", "forever", "storage.dedup_window", 'expected at most storage.retention ("7 d")'),
        (
            "month",
            "7 d",
            "forever",
            "forever",
            "storage.partition",
            '"month" is longer than storage.dedup_window ("7 d"): take "week"',
        ),
        ("week", "2 d", "7 d", "forever", "storage.partition", 'take "day"'),
        (
            "auto",
            "30 d",
            "60 d",
            "90 d",
            "event_types.purchase.retention",
            'expected at most storage.retention ("60 d")',
        ),
        (
            "auto",
            "30 d",
            "60 d",
            "7 d",
            "event_types.purchase.retention",
            'expected at least storage.dedup_window ("30 d")',
        ),
    ],
)
def test_times_of_storage_fit_each_other(
    partition: str, window: str, retention: str, own: str, path: str, expected: str
) -> None:
    new = STORAGE.replace("auto", partition).replace('# dedup_window = "30 d"', f'dedup_window = "{window}"')
    new = new.replace('retention = "forever"', f'retention = "{retention}"')
    found = mistakes(broken((STORAGE, new), (f'{OWN}"forever"', f'{OWN}"{own}"')))
    assert list(found) == [path]
    assert expected in found[path][1]


@pytest.mark.parametrize(
    ("window", "retention", "period"),
    [("30 d", "forever", "month"), ("27 d", "forever", "week"), ("2 d", "7 d", "day"), ("7 d", "7 d", "week")],
)
def test_the_longest_partition_that_fits(window: str, retention: str, period: str) -> None:
    new = STORAGE.replace('# dedup_window = "30 d"', f'dedup_window = "{window}"')
    new = new.replace('retention = "forever"', f'retention = "{retention}"')
    assert parse(broken((STORAGE, new)), DEFAULT, {}, CHECKS).storage.period == period


@pytest.mark.parametrize(
    ("retention", "own", "days"),
    [("forever", "forever", 30), ("60 d", "forever", 30), ("7 d", "forever", 7), ("60 d", "2 d", 2)],
)
def test_a_window_that_is_left_out_fits_the_retentions(retention: str, own: str, days: int) -> None:
    new = STORAGE.replace('retention = "forever"', f'retention = "{retention}"')
    found = parse(broken((STORAGE, new), (f'{OWN}"forever"', f'{OWN}"{own}"')), DEFAULT, {}, CHECKS)
    assert found.storage.dedup_window == days * 86400


def test_what_sasl_needs_is_asked_for() -> None:
    """All that is missing of it; the line is that of the section."""
    servers = ('bootstrap_servers = "embedded"', 'bootstrap_servers = "kafka-1:9093"')
    found = mistakes(broken(servers, ('protocol = "plaintext"', 'protocol = "sasl_ssl"')))
    assert set(found) == {"kafka.sasl_mechanism", "kafka.sasl_username", "kafka.sasl_password_file"}
    assert {line for line, _message in found.values()} == {line_of(TEXT, "[kafka]")}


def test_no_mistake_hides_another() -> None:
    """Wrong types, unknown keys and what only shows when keys are looked at together, in one answer."""
    text = broken(
        ("port = 8080", 'port = "eighty"'),
        ("max_batch = 1000", "max_bach = 1000"),
        ('linger = "50 ms"', "linger = 50"),
        ("[event_types.order]\n", '[event_types.order]\ntopic = "event_purchase"\n'),
        ("[event_types.delivery]\n", '[event_types.delivery]\ntopic = "parked_events"\n'),
        ('["delivery"]', '["deliverie"]'),
        ('kind = "donut"', 'kind = "pie"'),
        ('{ trim = "*" }', '{ trm = "*" }'),
        ('name = "parse_date"\n', ""),
    )
    found = mistakes(text, {"ETLD_INGEST__WORKERS": "many"})
    assert set(found) == {
        "ingest.port",
        "ingest.workers",
        "ingest.max_bach",
        "processor.linger",
        "event_types.order.topic",
        "event_types.delivery.topic",
        "summaries.delivery.event_types[0]",
        "summaries.delivery.chart.panels[0].kind",
        "corrector.rules[1].steps[0].trm",
        "corrector.rules[2].name",
    }
    assert "'purchase'" in found["event_types.order.topic"][1]
    assert "etld itself" in found["event_types.delivery.topic"][1]
    lines = [line for line, _message in found.values()]
    assert lines == sorted(lines)


def test_a_part_may_bring_a_check_of_its_own() -> None:
    """It gets the config and what stands in the file; what it finds is told like the rest, at its line."""
    seen = []

    def check(config: Config, data: dict[str, Any], removed: frozenset[KeyPath]) -> list[Mistake]:
        seen.append((config.ingest.port, data["ingest"]["workers"], removed))
        return [Mistake(("breaker", "window"), "too wide"), Mistake(("ingest", "workers"), "told already")]

    with pytest.raises(ConfigError) as raised:
        parse(broken(("workers = 1", 'workers = "x"')), DEFAULT, {}, [check])
    assert seen == [(8080, "x", frozenset({("ingest", "workers")}))]
    told = {p.path: (p.line, p.message) for p in raised.value.problems}
    assert told["breaker.window"] == (line_of(TEXT, "window = "), "too wide")
    assert told["ingest.workers"][1] == "expected a whole number, got 'x'"
    assert len(told) == len(raised.value.problems) == 2


def test_a_mistake_makes_no_second_one() -> None:
    """A measure that is wrong is not also missing in the chart; a type with a wrong key is not also unknown."""
    assert set(mistakes(broken(('value = { sum = "event_details.order_value" }', "value = 7")))) == {
        "summaries.order.measures.value"
    }
    assert set(mistakes(broken(("[event_types.purchase]", "[event_types]\npurchase = 3\n[nope]")))) >= {
        "event_types.purchase"
    }
    assert "summaries.purchase.event_types[0]" not in mistakes(
        broken(("[event_types.purchase]", "[event_types]\npurchase = 3\n[nope]"))
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[kafka\n", 1),
        ("a = 1\nb = \n", 2),
        ("a = 1\na = 2\n", 2),
        ('a = """\n\nx', 3),
        ("a = [\n1,\n", 3),
        ("a = \x01", 1),
    ],
)
def test_what_is_no_toml_has_a_line(text: str, line: int) -> None:
    """At most one such mistake can be known."""
    found = mistakes(text)
    assert list(found) == [""]
    assert found[""][0] == line
    assert found[""][1].startswith("not TOML: ")
    assert "(at" not in found[""][1]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[kafka\n", 1, "the name of the table on line 1 is not closed: expected ]"),
        ("[[kafka]\na = 1\n", 1, "the name of the table on line 1 is not closed"),
        ('a = 1\ndsn = "embedded\nb = 2\n', 2, 'line 2 with "embedded is not closed: expected " before the end'),
        ("a = '''\nx\n[kafka]\n", 4, "the text that begins on line 1 with ''' is not closed"),
        ('names = [\n"a",\n"b"\nport = 1\n', 4, "the list that [ opens on line 1 is not closed: expected , or ]"),
        ('a = ["x", # ]\n  ["y"]\n[kafka]\nb = 1\n', 3, "the list that [ opens on line 1 is not closed"),
        ("a = { b = 1\nc = 2\n", 1, "the table that { opens on line 1 is not closed: expected , or }"),
        ("[a]\nb = 1\n[a]\n", 3, "this table stands in the file already: `[a]`"),
        ("a = 1\na = 2\n", 2, "this key stands in the file already: `a = 2`"),
        ("a = yes\n", 1, "expected a value after the = of `a = yes`"),
        ("a\n", 1, "expected = after the key in `a`"),
        ("a = 1 b = 2\n", 1, "nothing may follow a value on its line"),
        ('a = "\\d"\n', 1, "inside double quotes is written"),
    ],
)
def test_what_is_no_toml_says_what_is_open(text: str, line: int, words: str) -> None:
    """In words that need no knowledge of the parser."""
    for ends in ("\n", "\r\n"):
        found = mistakes(text.replace("\n", ends))[""]
        assert found[0] == line
        assert words in found[1]


@pytest.mark.parametrize(
    ("old", "new", "variable", "value", "path"),
    [
        ("port = 8080", "port = 70000", "ETLD_INGEST__PORT", "8080", "ingest.port"),
        ('level = "info"', 'level = "loud"', "ETLD_LOG__LEVEL", "info", "log.level"),
        ('url = "embedded"', 'url = "nowhere"', "ETLD_SCHEMA_REGISTRY__URL", "embedded", "schema_registry.url"),
    ],
)
def test_an_override_does_not_hide_a_wrong_value(old: str, new: str, variable: str, value: str, path: str) -> None:
    """The file is as wrong as without it: told with its line."""
    found = mistakes(broken((old, new)), {variable: value})
    assert list(found) == [path]
    assert found[path][0] > 0
    parse(TEXT, DEFAULT, {variable: value}, CHECKS)


def test_an_override_may_stand_in_for_what_is_not_there() -> None:
    """A file of the other host, a port that is taken by another part: nothing is wrong with what is in force."""
    parse(broken(('keys_file = ""', 'keys_file = "/nowhere"')), DEFAULT, {"ETLD_INGEST__KEYS_FILE": ""}, CHECKS)
    parse(broken(("port = 8080", "port = 15432")), DEFAULT, {"ETLD_INGEST__PORT": "8081"}, CHECKS)


def test_deeply_nested_text_is_a_mistake_too() -> None:
    """Not the end of the interpreter."""
    assert mistakes("a = " + "[" * 100_000)[""][1]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a directory, not UTF-8: each has its word and the file's name."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml: there is no such file"):
        load(Path("nowhere.toml"), {})
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path, {})
    (tmp_path / "x.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ConfigError, match=r"x\.toml:2: expected UTF-8"):
        load(tmp_path / "x.toml", {})


def test_where_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, $ETLD_CONFIG, ./config/etld.toml; without any the answer says what to do."""
    monkeypatch.chdir(tmp_path)
    if not config_file.CANDIDATES[-1].exists():
        with pytest.raises(ConfigError, match="etld config init"):
            locate(None, {})
    for name in ("config/etld.toml", "named.toml", "given.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert locate(None, {}) == tmp_path / "config/etld.toml"
    assert locate(None, {"ETLD_CONFIG": "named.toml"}) == tmp_path / "named.toml"
    assert locate(Path("given.toml"), {"ETLD_CONFIG": "named.toml"}) == tmp_path / "given.toml"


def test_an_event_type_is_needed() -> None:
    """An empty file is a mistake: nothing would flow."""
    assert list(mistakes("")) == ["event_types"]


@pytest.mark.parametrize(
    ("name", "value", "get", "expected"),
    [
        ("ETLD_INGEST__PORT", "9000", lambda c: c.ingest.port, 9000),
        ("ETLD_NODE_ID", "12345", lambda c: c.node_id, "12345"),
        ("ETLD_KAFKA__SASL_USERNAME", "0123", lambda c: c.kafka.sasl_username, "0123"),
        ("ETLD_LOG__LEVEL", "debug", lambda c: c.log.level, "debug"),
        ("ETLD_LOG__LEVEL", '"debug"', lambda c: c.log.level, "debug"),
        ("ETLD_INGEST__MAX_BODY", "2 MiB", lambda c: c.ingest.max_body, 2 << 20),
        ("ETLD_INGEST__MAX_BODY", "4096", lambda c: c.ingest.max_body, 4096),
        ("ETLD_CHARTS__EVERY", "1 min", lambda c: c.charts.every, 60.0),
        ("ETLD_INGEST__ACK_PER_REQUEST", "true", lambda c: c.ingest.ack_per_request, True),
        (
            "ETLD_INGEST__CORS_ORIGINS",
            "https://a, https://b",
            lambda c: c.ingest.cors_origins,
            ("https://a", "https://b"),
        ),
        ("ETLD_INGEST__CORS_ORIGINS", '["*"]', lambda c: c.ingest.cors_origins, ("*",)),
        ("ETLD_EVENT_TYPES__ORDER__WORKERS", "4", lambda c: c.event_types["order"].workers, 4),
        ("ETLD_STATE_DIR", "elsewhere", lambda c: c.state_dir, ROOT / "elsewhere"),
        ("ETLD_CORRECTOR__RULES", "[]", lambda c: c.corrector.rules, ()),
    ],
)
def test_the_environment_overrides(name: str, value: str, get: Callable[[Config], object], expected: object) -> None:
    """Any key; text needs no quotes, and text that looks like a number stays text."""
    assert get(parse(TEXT, DEFAULT, {name: value})) == expected


@pytest.mark.parametrize(
    ("name", "value", "path", "expected"),
    [
        ("ETLD_INGEST__PORT", "many", "ingest.port", "expected a whole number, got 'many' (from ETLD_INGEST__PORT)"),
        ("ETLD_INGEST__PRT", "1", "ingest.prt", 'did you mean "port"? (from ETLD_INGEST__PRT)'),
        ("ETLD_KAFKA__BOOTSTRAP_SERVERS", "x", "kafka.bootstrap_servers", "(from ETLD_KAFKA__BOOTSTRAP_SERVERS)"),
        ("ETLD_INGEST_PORT", "1", "ETLD_INGEST_PORT", 'did you mean "ETLD_INGEST__PORT"?'),
        ("ETLD_INGST__PORT", "1", "ETLD_INGST__PORT", 'did you mean "ETLD_INGEST__…"?'),
        ("ETLD_INGEST__", "1", "ETLD_INGEST__", "names no key"),
        ("ETLD_NODE_ID__X", "1", "ETLD_NODE_ID__X", "no table"),
    ],
)
def test_a_wrong_override_is_named(name: str, value: str, path: str, expected: str) -> None:
    """By its variable, and with no line of the file, since it stands in none."""
    line, message = mistakes(TEXT, {name: value})[path]
    assert expected in message
    assert line == 0


def test_variables_of_others_are_left_alone() -> None:
    """Kubernetes makes some for a service that is called etld."""
    others = {
        "ETLD_PORT": "tcp://10.0.0.1:80",
        "ETLD_SERVICE_HOST": "10.0.0.1",
        "ETLD_CONFIG": "x",
        "ETLD_WRITE_KEY": "k",
    }
    assert parse(TEXT, DEFAULT, others).model_dump() == parse(TEXT, DEFAULT, {}).model_dump()


def test_an_override_goes_to_a_section_that_the_file_lacks(tmp_path: Path) -> None:
    """The section comes to be."""
    (tmp_path / "a.avsc").write_text((ROOT / "schemas" / "purchase.avsc").read_text())
    text = '[event_types.a]\nschema = "a.avsc"\n'
    assert parse(text, tmp_path / "x.toml", {"ETLD_BREAKER__WINDOW": "5"}).breaker.window == 5


def test_a_prefix_stands_before_the_names_that_etld_makes() -> None:
    """A topic that an event type names is taken as it is, and may be none of etld's own."""
    shipped = broken(('# topic = "event_purchase"', 'topic = "clicks"'))
    made = parse(shipped, DEFAULT, {"ETLD_KAFKA__PREFIX": "stage-"})
    assert [kind.topic for kind in made.event_types.values()] == ["clicks", "stage-event_order", "stage-event_delivery"]
    assert (made.kafka.dead_letter_topic, made.kafka.parked_topic) == ("stage-dead_letter_queue", "stage-parked_events")
    assert made.consumer_groups == [
        *(f"stage-etld-processor-{name}" for name in made.event_types),
        "stage-etld-aggregator",
        "stage-etld-corrector",
    ]
    longest = "t" * 63
    named = shipped.replace("[event_types.order]", f"[event_types.{longest}]").replace('["order"]', f'["{longest}"]')
    long = parse(named, DEFAULT, {"ETLD_KAFKA__PREFIX": "p" * 180})
    assert max(len(kind.topic) for kind in long.event_types.values()) == 249
    for own in ("stage-dead_letter_queue", "stage-parked_events", "stage-event_order"):
        taken = broken(('# topic = "event_purchase"', f'topic = "{own}"'), ('prefix = ""', 'prefix = "stage-"'))
        assert any("already" in message for _, message in mistakes(taken).values())


def test_paths_start_beside_the_config_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above a directory called "config", else in the file's own; a schema also where the command was called."""
    config = load(DEFAULT, {})
    assert (config.state_dir, config.charts.dir) == (ROOT / "var", ROOT / "event_summary_charts")
    schema = (ROOT / "schemas" / "purchase.avsc").read_text()
    own = tmp_path / "etc" / "own.toml"
    own.parent.mkdir()
    own.write_text('[event_types.a]\nschema = "a.avsc"\n[event_types.b]\n')
    (own.parent / "a.avsc").write_text(schema)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "b.avsc").write_text(schema)
    monkeypatch.chdir(tmp_path)
    config = load(own, {})
    assert config.event_types["a"].schema == own.parent / "a.avsc"
    assert config.event_types["b"].schema == tmp_path / "schemas" / "b.avsc"
    assert config.event_types["a"].topic == "event_a"
    assert config.state_dir == own.parent / "var"
    assert config.source == own


def test_files_of_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the state directory; socket and pid file where systemd says, when it does."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    config = load(DEFAULT, {})
    assert config.socket_path == ROOT / "var" / "etld.sock"
    assert config.pid_path == ROOT / "var" / "etld.pid"
    assert config.log_dir == ROOT / "var" / "log"
    assert config.schemas_path == ROOT / "var" / "schemas.json"
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/etld:/run/other")
    assert config.socket_path == Path("/run/etld/etld.sock")
    assert config.pid_path == Path("/run/etld/etld.pid")


def test_secrets_are_read_when_asked_for(tmp_path: Path) -> None:
    """So that a rotated one counts; without its line end and nothing else."""
    file = tmp_path / "password"
    file.write_text(" pass word \n")
    config = parse(broken(('dsn = "embedded"', f'dsn = "embedded"\npassword_file = "{file}"')), DEFAULT, {})
    assert config.secret("postgres") == " pass word "
    file.write_text("next")
    assert config.secret("postgres") == "next"
    assert config.secret("kafka") is None
    file.write_text("\n")  # as systemd hands over a credential that is not there
    with pytest.raises(EtldError, match=r"password_file: .* is empty, and should hold the secret in one line"):
        config.secret("postgres")
    file.unlink()
    with pytest.raises(EtldError, match=r"postgres\.password_file: cannot read .*: No such file"):
        config.secret("postgres")
    assert config.secrets() == []


def test_it_is_frozen_and_travels() -> None:
    """Nobody can change it, and a worker gets the same over its channel."""
    config = load(DEFAULT, {})
    with pytest.raises(ValueError, match="frozen"):
        config.ingest.port = 1  # type: ignore[misc]
    copy = pickle.loads(pickle.dumps(config))
    assert isinstance(copy, Config)
    assert copy == config
    assert copy.source == config.source


@pytest.mark.parametrize(
    ("mode", "directory", "safe"),
    [(0o640, 0o755, True), (0o666, 0o755, False), (0o640, 0o777, False), (0o644, 0o1777, True)],
)
def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path, mode: int, directory: int, safe: bool) -> None:
    """Or replace, in a directory that is everybody's."""
    place = tmp_path / "etc"
    place.mkdir()
    path = place / "etld.toml"
    path.write_text("")
    path.chmod(mode)
    place.chmod(directory)
    if safe:
        refuse_unsafe(path)
    else:
        with pytest.raises(EtldError, match="chmod o-w"):
            refuse_unsafe(path)


def test_a_link_is_as_safe_as_both_its_places(tmp_path: Path) -> None:
    """Whoever may write where the link lies may point it elsewhere."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "open").mkdir()
    path = tmp_path / "etc" / "etld.toml"
    path.write_text("")
    link = tmp_path / "open" / "etld.toml"
    link.symlink_to(path)
    refuse_unsafe(link)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(EtldError, match=f"chmod o-w {tmp_path}/open"):
        refuse_unsafe(link)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("ingest", "keys_file"),
        ("postgres", "password_file"),
        ("kafka", "ssl_ca_file"),
        ("event_types.order", "schema"),
    ],
)
def test_the_files_of_a_configuration_are_looked_at_too(tmp_path: Path, section: str, key: str) -> None:
    """A schema or a list of keys that everybody may write is as good as the configuration itself."""
    path = tmp_path / "file"
    path.write_text((ROOT / "schemas" / "order.avsc").read_text() if key == "schema" else "")
    values = tomllib.loads(TEXT)
    table = values
    for part in section.split("."):
        table = table[part]
    table[key] = str(path)
    config = parse(tomli_w.dumps(values), DEFAULT, {})
    refuse_unsafe_files(config)
    path.chmod(0o666)
    with pytest.raises(EtldError, match=f"{section}.{key}: .*may be written by everybody"):
        refuse_unsafe_files(config)


def test_modules_of_users_are_found(tmp_path: Path) -> None:
    """In the directories of [python] path, as long as they stand there; a directory that is missing is a mistake."""
    (tmp_path / "functions_of_this_test.py").write_text("def mend(event, error):\n    return event\n")
    rule = '\n[[corrector.rules]]\nname = "hooked"\nhook = "functions_of_this_test:mend"\n'
    before = list(sys.path)
    try:
        config = parse(TEXT.replace("path = []", f'path = ["{tmp_path}"]', 1) + rule, DEFAULT, {}, CHECKS)
        assert config.python.path == (tmp_path,)
        assert sys.path == [*before, str(tmp_path)]
    finally:
        parse(TEXT, DEFAULT, {}, CHECKS)
    assert sys.path == before
    ((key, (_, message)),) = mistakes(TEXT + rule).items()
    assert key.endswith(".hook")
    assert "there is no module" in message
    missing = mistakes(TEXT.replace("path = []", 'path = ["nowhere"]', 1))
    assert missing["python.path[0]"] == (line_of(TEXT, "path = []"), f"there is no directory {ROOT / 'nowhere'}")

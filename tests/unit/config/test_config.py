"""The configuration: every mistake at once, each with key path and line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld.config import Config, load, parse
from etld.config import lines as where
from etld.config.units import parse_duration, parse_size
from etld.errors import ConfigError

ROOT = Path(__file__).parents[3]
DEFAULT = ROOT / "config" / "etld.toml"


def mistakes(text: str, env: dict[str, str] | None = None) -> dict[str, tuple[int, str]]:
    """Key path to (line, message) of a broken variant of the default file."""
    with pytest.raises(ConfigError) as raised:
        parse(text, DEFAULT, env or {})
    return {p.path: (p.line, p.message) for p in raised.value.problems}


def line_of(text: str, start: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if line.startswith(start))


def test_the_shipped_file_is_good_and_complete() -> None:
    """Every key of the models stands in the documented file, with the default it has in the code."""
    config = load(DEFAULT, {})
    data = tomllib.loads(DEFAULT.read_text())
    for name in Config.model_fields:
        assert name in data, f"[{name}] is not documented"
    for section in ("processor", "breaker", "aggregator", "charts", "supervisor", "log", "ingest", "kafka", "postgres"):
        model = type(getattr(config, section))
        text = DEFAULT.read_text()
        for key, field in model.model_fields.items():
            assert f"\n{key} =" in text or f"\n# {key} =" in text or key == "segment_map", f"{section}.{key}"
            if key in data[section]:
                given_default = model.model_validate({key: data[section][key]})
                assert getattr(given_default, key) == getattr(model(), key), f"{section}.{key}: {field.default}"


def test_five_mistakes_are_named_at_once_with_their_lines() -> None:
    """Wrong type, unknown key, bad size, bad duration, one topic twice."""
    text = DEFAULT.read_text()
    text = text.replace("port = 8080", 'port = "eighty"')
    text = text.replace("max_batch = 1000", "max_bach = 1000")
    text = text.replace('max_body = "1 MiB"', 'max_body = "1 parsec"')
    text = text.replace('linger = "50 ms"', "linger = 50")
    found = mistakes(text)
    assert found["ingest.port"] == (line_of(text, "port = "), "expected a whole number, got 'eighty'")
    assert found["ingest.max_bach"] == (line_of(text, "max_bach"), "unknown key; did you mean 'max_batch'?")
    assert found["ingest.max_body"][0] == line_of(text, "max_body")
    assert "64 KiB" in found["ingest.max_body"][1]
    assert found["processor.linger"][0] == line_of(text, "linger")
    assert "duration" in found["processor.linger"][1]


def test_two_event_types_may_not_share_a_topic() -> None:
    """Nor may one take a topic of etld's own."""
    text = DEFAULT.read_text().replace("[event_types.order]\n", '[event_types.order]\ntopic = "event_purchase"\n')
    found = mistakes(text.replace("[event_types.delivery]\n", '[event_types.delivery]\ntopic = "parked_events"\n'))
    assert "'purchase'" in found["event_types.order.topic"][1]
    assert "etld itself" in found["event_types.delivery.topic"][1]


def test_missing_files_and_unknown_types_are_mistakes() -> None:
    """A schema that is not there, and a summary of a type that is not there."""
    text = DEFAULT.read_text().replace('"schemas/order.avsc"', '"schemas/ordr.avsc"')
    text = text.replace('event_types = ["delivery"]', 'event_types = ["deliverie"]')
    found = mistakes(text)
    assert "ordr.avsc" in found["event_types.order.schema"][1]
    assert found["summaries.delivery.event_types[0]"][0] == line_of(text, 'event_types = ["deliverie"]')


def test_a_broken_rule_has_its_line() -> None:
    """A correction rule with a mistake is a mistake of the configuration."""
    text = DEFAULT.read_text().replace('steps = [{ cast = "*" }]\n\n[[corrector.rules]]\nname = "trim"', 'steps = [{ kast = "*" }]\n\n[[corrector.rules]]\nname = "trim"')
    found = mistakes(text)
    (path,) = [p for p in found if p.startswith("corrector.rules[0]")]
    assert found[path][0] == line_of(text, 'steps = [{ kast')


def test_not_toml_and_no_file() -> None:
    """A syntax error has its line; a file that is not there has its name."""
    found = mistakes("[kafka\n")
    assert found[""][0] == 1
    with pytest.raises(ConfigError, match=r"nowhere\.toml.*no such file"):
        load(Path("nowhere.toml"), {})


def test_the_environment_overrides() -> None:
    """Numbers, words, and a name that is no key."""
    text = DEFAULT.read_text()
    config = parse(text, DEFAULT, {"ETLD_INGEST__PORT": "9000", "ETLD_LOG__LEVEL": "debug", "ETLD_CONFIG": "x"})
    assert (config.ingest.port, config.log.level) == (9000, "debug")
    assert "ETLD_NONSENSE__X" in mistakes(text, {"ETLD_NONSENSE__X": "1"})
    assert "ingest.port" in mistakes(text, {"ETLD_INGEST__PORT": "many"})


def test_paths_start_beside_the_config_directory(tmp_path: Path) -> None:
    """Above a directory called "config", else in the file's own."""
    config = load(DEFAULT, {})
    assert config.state_dir == ROOT / "var"
    own = tmp_path / "own.toml"
    own.write_text('[event_types.a]\nschema = "a.avsc"\n')
    (tmp_path / "a.avsc").write_text((ROOT / "schemas" / "purchase.avsc").read_text())
    assert load(own, {}).event_types["a"].schema_ == tmp_path / "a.avsc"
    assert load(own, {}).event_types["a"].topic == "event_a"


@given(st.integers(0, 10**6), st.sampled_from([("B", 1), ("KiB", 1024), ("MiB", 1 << 20), ("GiB", 1 << 30)]))
def test_sizes(number: int, unit: tuple[str, int]) -> None:
    """With and without a space, in any case."""
    name, factor = unit
    assert parse_size(f"{number} {name}") == parse_size(f"{number}{name.lower()}") == number * factor


@given(st.text())
def test_nonsense_is_no_size_or_duration(text: str) -> None:
    """Whatever is written, the answer is a number or a clear word."""
    for parser in (parse_size, parse_duration):
        try:
            assert parser(text) >= 0
        except ValueError as error:
            assert "expected" in str(error)


def test_lines_of_nested_things() -> None:
    """Tables, arrays of tables and inline tables; a multi-line string hides what looks like a key."""
    text = 'a = 1\n[t]\nb = """\nc = 2\n"""\nd = { e = 1, f = { g = 2 } }\n[[r]]\nn = 1\n[[r]]\nn = 2\n[r.s]\nx = 1\n'
    index = where.index(text)
    assert index[("a",)] == 1
    assert index[("t", "d")] == 6
    assert ("t", "c") not in index
    assert index[("r", 1, "n")] == 10
    assert index[("r", 1, "s", "x")] == 12
    assert where.find(index, ("t", "d", "zzz")) == 6

"""The house: one name for one thing, nothing written twice, small files, honest tests, true documents."""

from __future__ import annotations

import re
import tomllib

import pytest

from support.source_checks import (
    ROOT,
    Line,
    class_names,
    modules,
    named_paths,
    own_parts_replaced,
    repeated_runs,
)

LONGEST_FILE = 350
LONGEST_RUN = 10

#: Tests that put something of their own in the place of a part of etld, and why the real part will not do.
REPLACES = {
    "tests/integration/ingest/test_broken_producer.py": "a broker fences a producer after an hour",
    "tests/unit/cli/test_frame.py": "a command that ends with an error of the test's choice",
    "tests/unit/corrector/test_cpu_pressure.py": "the kernel's figures, from a file of the test's own",
    "tests/unit/serdes/test_broken_records.py": "errors that nobody foresaw, in whatever reads a record",
    "tests/unit/serdes/test_wide_schemas.py": "what reads records by themselves, as an error",
    "tests/unit/logs/test_logs.py": "a process-wide redactor, put back after the test",
}


def test_a_class_name_means_one_thing() -> None:
    """No public class name is defined in two modules."""
    clashes = {name: where for name, where in class_names(modules()).items() if len(where) > 1}
    assert clashes == {}


def test_every_folder_has_its_layer() -> None:
    """The import contract names every folder and module of etld/, so that a new one is guarded."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract for contract in contracts if contract["type"] == "layers")
    named = {name.strip() for layer in layers["layers"] for name in layer.split("|")}
    there = {path.split("/")[1].removesuffix(".py") for path in modules()} - {"__init__", "__main__"}
    assert (named, layers["exhaustive"]) == (there, True)


def test_unit_tests_mirror_the_source() -> None:
    """Each folder of tests/unit and of tests/contract is called after a folder or a module of etld."""
    there = {path.split("/")[1].removesuffix(".py") for path in modules()}
    folders = {
        folder.name
        for kind in ("unit", "contract")
        for folder in (ROOT / "tests" / kind).iterdir()
        if folder.is_dir() and any(folder.rglob("*.py"))
    }
    assert folders - there == set()


def test_nothing_is_written_twice() -> None:
    """No run of more than ten lines stands in two places."""
    runs = repeated_runs(modules(), LONGEST_RUN)
    told = [f"{one.path}:{one.number} and {other.path}:{other.number}, {lines} lines" for one, other, lines in runs]
    assert told == []


def test_files_are_small() -> None:
    """A file is one idea, and can be read in one go."""
    lengths = {path: len(text.splitlines()) for path, text in modules().items()}
    assert {path: n for path, n in lengths.items() if n > LONGEST_FILE} == {}


def test_migrations_have_numbers_of_their_own() -> None:
    """Two of one number would both be new, and the second fail."""
    numbers = [path.name[:4] for path in (ROOT / "etld/postgres/migrations").glob("*.sql")]
    assert len(set(numbers)) == len(numbers)


def test_documents_name_files_that_exist() -> None:
    """Every path below etld/ that a document for people names is there."""
    missing = [
        f"{document.name}: {path}"
        for document in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
        if document.name != "CHANGELOG.md"  # which names what was
        for path in named_paths(document.read_text())
        if not any(ROOT.glob(path.rstrip("/")))
    ]
    assert missing == []


def test_tests_use_the_real_parts() -> None:
    """No test replaces a part of etld by a mock; the few that must say why above."""
    replacing = {path: found for path, text in modules(package="tests").items() if (found := own_parts_replaced(text))}
    assert {path: found for path, found in replacing.items() if path not in REPLACES} == {}


def test_clients_of_a_daemons_broker_know_its_password() -> None:
    """By `Daemon.kafka_client`: the embedded one asks for it."""
    by_address = re.compile(r'"bootstrap\.servers": (?!self\b)\w+\.(system\.)?kafka\b')
    assert [path for path, text in modules(package="tests").items() if by_address.search(text)] == []


TEN = "\n".join(f"value_{n} = {n}" for n in range(LONGEST_RUN))
ELEVEN = f"{TEN}\nlast = 1"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ({"a": ELEVEN, "b": ELEVEN}, [("a", 1, "b", 1, 11)]),
        (
            {"a": f"def f():\n{ELEVEN}".replace("\n", "\n    "), "b": f"\n{ELEVEN}\nmore = 2"},
            [("a", 2, "b", 2, 11)],
        ),
        ({"a": ELEVEN.replace("\n", "\n\n"), "b": ELEVEN.replace(" ", "  ")}, [("a", 1, "b", 1, 11)]),
        ({"a": f"{ELEVEN}\nx = 1\n{ELEVEN}"}, [("a", 1, "a", 13, 11)]),
        ({"a": f"{ELEVEN}\nlast = 2", "b": f"{ELEVEN}\nlast = 2\nx = 3"}, [("a", 1, "b", 1, 12)]),
        ({"a": TEN, "b": TEN}, []),
        ({"a": f"{TEN}\nx = 1", "b": f"{TEN}\nx = 2"}, []),
        ({"a": f"{TEN}\nimport x", "b": f"{TEN}\nimport x"}, []),
        ({"a": "x = 1\n" * 30}, [("a", 1, "a", 12, 19)]),
    ],
)
def test_runs_that_stand_twice(texts: dict[str, str], found: list[tuple[str, int, str, int, int]]) -> None:
    """The checker sees them whatever the spaces, and no shorter ones."""
    runs: list[tuple[Line, Line, int]] = repeated_runs(texts, LONGEST_RUN)
    assert [(one.path, one.number, other.path, other.number, lines) for one, other, lines in runs] == found


def test_paths_that_a_document_names() -> None:
    """With a stop or a line number after them; not those of other trees."""
    text = "See `etld/kafka/reader.py:30`, etld/util/. And `etld/*.py`, etld/{a,b_c}.py. Not ~/.cache/etld, /etc/etld."
    assert list(named_paths(text)) == ["etld/kafka/reader.py", "etld/util/", "etld/*.py", "etld/a.py", "etld/b_c.py"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("monkeypatch.setattr(logs, 'x', 1)", True),
        ("monkeypatch.setattr('etld.logs.x', 1)", True),
        ("mock.patch('etld.logs.x')", True),
        ("mock.patch.object(logs, 'x')", True),
        ("logs.handler = MagicMock()", True),
        ("monkeypatch.setattr(os, 'write', 1)", False),
        ("monkeypatch.setattr('time.sleep', 1)", False),
        ("monkeypatch.setenv('ETLD_STATE_DIR', 'x')", False),
    ],
)
def test_what_counts_as_replaced(line: str, found: bool) -> None:
    """Parts of etld, not those of Python."""
    assert bool(own_parts_replaced(f"import os\nfrom etld import logs\n{line}")) is found

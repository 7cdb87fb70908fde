"""Whatever tells a user of an error has its code: exceptions, faults, answers, dead letters.

Read from the source, so that what is raised seldom counts too.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from typing import get_args

from etld.config.mistakes import Mistake
from etld.deadletters.letter_headers import Stage
from etld.errors import Problem
from etld.explain import CODES, WORDS, WordKind
from etld.sinks import base
from support.source_checks import ROOT, modules

TEXTS = {path: text for path, text in modules().items() if not path.startswith("etld/explain/")}
NODES = [(path, node) for path, text in TEXTS.items() for node in ast.walk(ast.parse(text))]

#: Names of faults that stand in no call, by what stands there.
FAULTS = {
    "etld/aggregator/storage_keeper.py: fault": {"storage", "retention"},
    "etld/alerts/channel.py: WEBHOOK + self.name": {"webhook"},
    "etld/console/main.py: _FAULT": {"console"},
    "etld/console/main.py: name": {"users", "tokens"},
    "etld/setup/company.py: FAULT": {"consumer-group"},
    "etld/setup/main.py: server": {"kafka", "postgres", "schema_registry"},
    "etld/stream/loop.py: fault": set(),  # it ends the one before
    "etld/stream/loop.py: name": {"worker", "postgres", "lake", "kafka", "consumer-group"},
    "etld/stream/report.py: name": set(),  # passed on
    "etld/stream/session.py: self._sink.name": {"postgres", "lake"},
}


def calls(*names: str) -> Iterator[tuple[str, ast.Call]]:
    """Each call of a function or method of one of these names, with where it is."""
    for path, node in NODES:
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in names:
                yield f"{path}:{node.lineno}", node


def texts(*arguments: ast.expr | None) -> list[str]:
    """The arguments that are texts; both of a choice between two."""
    parts = [part for one in arguments for part in ((one.body, one.orelse) if isinstance(one, ast.IfExp) else (one,))]
    return [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def unknown(kind: WordKind, found: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    """The words, with where they stand, that have no entry."""
    return [(where, word) for where, word in found if (kind, word.partition(" ")[0]) not in WORDS]


def test_every_exception_has_a_code() -> None:
    """Of its class, of one above it, or of the case: `EtldError` itself has none."""
    bases: dict[str, list[str]] = {}
    own: set[str] = set()
    for _, node in NODES:
        if isinstance(node, ast.ClassDef):
            bases[node.name] = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
            own |= {node.name for part in node.body if isinstance(part, ast.Assign) and _sets_code(part)}

    def ours(name: str) -> bool:
        return name == "EtldError" or any(map(ours, bases.get(name, ())))

    def has_code(name: str) -> bool:
        return (name in own and name != "EtldError") or any(map(has_code, bases.get(name, ())))

    # A ConfigError has those of its problems.
    without = {name for name in bases if ours(name) and not has_code(name)} - {"ConfigError"}
    assert without == {"EtldError"}
    bare = [where for where, call in calls("EtldError") if "code" not in {one.arg for one in call.keywords}]
    assert bare == []


def _sets_code(part: ast.Assign) -> bool:
    return ast.unparse(part.targets[0]) == "code" and bool(texts(part.value))


def test_codes_in_the_source_are_in_the_catalogue_and_each_is_in_use() -> None:
    """An entry that nothing leads to would be about nothing."""
    told = {code for text in TEXTS.values() for code in re.findall(r'"(ETLD-[A-Z][0-9]+)"', text)}
    assert told - CODES.keys() == set()
    assert CODES.keys() - told - set(WORDS.values()) == set()


def test_what_a_worker_ends_with_has_a_code() -> None:
    assert [where for where, call in calls("fatal") if "worker" in ast.unparse(call.func) and len(call.args) < 2] == []


def test_every_fault_has_an_entry() -> None:
    found: list[tuple[str, str]] = []
    others: set[str] = set()
    for where, call in calls("fault"):
        if len(call.args) != 2:
            continue
        name, path = call.args[0], where.partition(":")[0]
        if texts(name):
            found += [(where, word) for word in texts(name)]
        elif path not in ("etld/worker/worker.py", "etld/worker/metrics.py"):
            others.add(f"{path}: {ast.unparse(name)}")
    assert others == FAULTS.keys()
    found += [(where, word) for where, words in FAULTS.items() for word in words]
    # What the supervisor sees by itself.
    report = TEXTS["etld/supervisor/observe/report.py"]
    seen = re.findall(r'\{\}\)\["(\w+)"\]|found\["supervisor"\] = \{"(\w+)"', report)
    assert len(seen) >= 4
    found += [("report", one or other) for one, other in seen]
    for path in ("postgres", "iceberg"):
        sink = TEXTS[f"etld/sinks/{path}/sink.py"]
        found += [(path, word) for word in re.findall(r'^    name: ClassVar\[str\] = "(\w+)"$', sink, re.MULTILINE)]
    assert unknown("fault", iter(found)) == []


def test_every_code_of_an_http_answer_has_an_entry() -> None:
    found = [
        (where, word)
        for where, call in calls("problem", "Refusal", "_refused", "code_of")
        if where.startswith("etld/ingest/") and len(call.args) > 1
        for word in texts(call.args[1])
    ]
    assert len(found) > 30
    assert unknown("http", iter(found)) == []
    assert {word for kind, word in WORDS if kind == "http"} - {word for _, word in found} == set()


def test_every_code_of_the_control_socket_has_an_entry() -> None:
    found = [(where, word) for where, call in calls("VerbError", "failure") for word in texts(call.args[0])]
    own = ("config",)  # which has the code of its error
    assert unknown("control", ((where, word) for where, word in found if word not in own)) == []
    assert {word for kind, word in WORDS if kind == "control"} - {word for _, word in found} == set()


def test_every_class_and_stage_of_a_dead_letter_has_an_entry() -> None:
    """Those that are etld's own: an error of PostgreSQL or of a transform has that of its stage."""
    found = [(where, word) for where, call in calls("DecodeError") for word in texts(call.args[0])]
    found += [(where, word) for where, call in calls("BadRecord") for word in texts(*call.args[1:3])]
    found += [(where, word) for where, call in calls("RefusedRow") for word in texts(*call.args[1:2])]
    for path, node in NODES:
        if isinstance(node, ast.keyword) and node.arg == "error_class":
            found += [(path, word) for word in texts(node.value)]
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("error_class", "ERROR_CLASS"):
            found += [(path, word) for word in texts(node.value)]
        if path == "etld/frames/storable.py" and isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
            found += [(path, word) for word in texts(node.value.elts[0])]
    found += [("stages", stage) for stage in get_args(Stage)]
    assert len({word for _, word in found}) > 20
    assert unknown("letter", ((where, word) for where, word in found if "memory.py" not in where)) == []


def test_every_reason_of_a_halt_has_an_entry() -> None:
    reasons = iter([("halts", one) for one in (base.RECREATED, base.OFFSET_LOST, base.OFFSET_BEYOND)])
    assert unknown("halt", reasons) == []


def test_every_subject_of_an_alert_has_an_entry() -> None:
    told = [node.value for path, node in NODES if path == "etld/alerts/conditions.py" and isinstance(node, ast.Yield)]
    subjects = {word for one in told if isinstance(one, ast.Tuple) for word in texts(one.elts[1])}
    assert subjects == {"down", "parked", "lag"}
    assert [word for word in subjects if not {("alert", word), ("fault", word)} & WORDS.keys()] == []


def test_every_status_of_an_error_of_the_console_has_an_entry() -> None:
    table = tomllib.loads((ROOT / "etld/console/texts.toml").read_text())
    found = [("texts", status) for status in table["status"]]
    for where, call in calls("Refused"):
        if where.startswith("etld/console/") and isinstance(call.args[0], ast.Constant):
            found.append((where, str(call.args[0].value)))
    assert unknown("console", iter(found)) == []


def test_a_mistake_of_the_configuration_has_a_code_without_being_given_one() -> None:
    assert {Mistake((), "").code, Problem("", 0, "").code} == {"ETLD-C006"}

"""What tests/unit/test_house.py asks of the source: names that mean one thing, nothing written twice, small files."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


_PUBLIC_CLASS = re.compile(r"^class ([A-Za-z]\w*)", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*(?:from [\w.]+ import (?:\([^)]*\)|.*)|import [\w.]+.*)$", re.MULTILINE)
#: Without one of these words a test replaces nothing.
_REPLACING = re.compile(r"setattr|[Mm]ock|patch")


@dataclass(frozen=True)
class Line:
    """A line of code without its indentation and its inner runs of spaces; `number` counts from 1."""

    path: str
    number: int
    text: str


def modules(root: Path = ROOT, package: str = "etld") -> dict[str, str]:
    """The text of each module of a package, by its path below `root`."""
    return {str(path.relative_to(root)): path.read_text() for path in sorted((root / package).rglob("*.py"))}


def class_names(texts: dict[str, str]) -> dict[str, list[str]]:
    """Where each public class of a module is defined, by its name; a class inside another belongs to that one."""
    found: dict[str, list[str]] = defaultdict(list)
    for path, text in texts.items():
        for name in _PUBLIC_CLASS.findall(text):
            found[name].append(path)
    return dict(found)


def code_lines(path: str, text: str) -> list[Line]:
    """The lines that can stand twice: neither blank nor part of an import."""
    imports: set[int] = set()
    for match in _IMPORT.finditer(text):
        first = text.count("\n", 0, match.start()) + 1
        imports.update(range(first, first + match.group().count("\n") + 1))
    return [
        Line(path, number, " ".join(line.split()))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and number not in imports
    ]


def repeated_runs(texts: dict[str, str], longer_than: int) -> list[tuple[Line, Line, int]]:
    """Each run of more than `longer_than` equal lines that stands twice: its two first lines and its length."""
    length = longer_than + 1
    files = [code_lines(path, text) for path, text in texts.items()]
    first: dict[tuple[str, ...], tuple[Sequence[Line], int]] = {}
    found: list[tuple[Line, Line, int]] = []
    for lines in files:
        covered = 0
        for start in range(len(lines) - length + 1):
            window = tuple(line.text for line in lines[start : start + length])
            other, at = first.setdefault(window, (lines, start))
            overlaps = other is lines and start < at + length
            if overlaps or start < covered:
                continue
            equal = length
            while (
                start + equal < len(lines)
                and at + equal < len(other)
                and lines[start + equal].text == other[at + equal].text
            ):
                equal += 1
            covered = start + equal - length + 1
            found.append((other[at], lines[start], equal))
    return found


def named_paths(text: str) -> Iterator[str]:
    """Every path below `etld/` that a document names, without a `:line` or a full stop after it; `{a,b}.py` is two."""
    for match in re.finditer(r"(?<![\w/.~-])etld/(?:[\w./*-]|\{[\w,]+\})*", text):
        path = match.group().rstrip(".")
        before, brace, rest = path.partition("{")
        choices, _, after = rest.partition("}")
        yield from (f"{before}{choice}{after}" for choice in choices.split(",")) if brace else (path,)


def own_parts_replaced(text: str) -> list[str]:
    """What a test replaces of etld itself: "line N: code" for each monkeypatch.setattr or mock of a part of etld."""
    if not _REPLACING.search(text):
        return []
    tree = ast.parse(text)
    ours = set(_names_from_etld(tree))
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        if call.split(".")[-1] in ("Mock", "MagicMock", "AsyncMock", "create_autospec"):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
        elif node.args and (call.startswith(("mock.patch", "patch", "mocker.patch")) or call.endswith(".setattr")):
            target = node.args[0]
            text_target = target.value if isinstance(target, ast.Constant) and isinstance(target.value, str) else ""
            root = ast.unparse(target).split(".")[0]
            if text_target.startswith("etld.") or root in ours:
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def _names_from_etld(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "etld":
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.asname or "etld" for alias in node.names if alias.name.split(".")[0] == "etld")

"""What the site is built from: the pages of docs, and those that are made from the code and from the project's top."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click

from etld.cli import cli
from etld.config.file_schema import json_schema
from etld.console import openapi as console_openapi
from etld.console.pages import PAGES
from etld.explain import AREAS
from etld.ingest import openapi as ingest_openapi
from etld.supervisor.observe.metrics_store import MetricsStore
from etld.supervisor.observe.prometheus import DaemonCollector, Facts
from etld.worker.declared_metrics import DECLARED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

#: Where a page of the site stands in the project.
_TAKEN = {
    "index.md": "README.md",
    "reference/changes.md": "CHANGELOG.md",
    "reference/architecture.md": "ARCHITECTURE.md",
}
#: Files that pages link to, outside of docs.
_LINKED = ("config/etld.production.toml", "config/etld.toml", "LICENSE")


def main(directory: Path) -> None:
    """Write the pages of the site, and what builds it, into a directory that need not be there."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(ROOT / "docs", directory / "docs")
    for page in directory.glob("docs/*.md"):
        page.write_text(re.sub(r"\]\(\.\./config/([\w.]+)\)", r"](files/\1)", page.read_text("utf-8")), "utf-8")
    for path, text in _pages().items():
        place = directory / "docs" / path
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, "utf-8")
    shutil.copy(HERE / "mkdocs.yml", directory)


def _pages() -> dict[str, str]:
    return {
        **{page: _moved((ROOT / file).read_text("utf-8"), page) for page, file in _TAKEN.items()},
        "reference/configuration.md": "\n".join(_configuration()),
        "reference/commands.md": "\n".join(_commands(cli, click.Context(cli, info_name="etld"), 2, _COMMANDS)),
        "reference/http.md": "\n".join(_http()),
        "reference/metrics.md": "\n".join(_metrics()),
        "reference/errors.md": "\n".join(_errors()),
        **{f"files/{Path(name).name}": (ROOT / name).read_text("utf-8") for name in _LINKED},
    }


def _moved(text: str, page: str) -> str:
    """A file of the top with its links as they are from the page."""
    up = "../" * page.count("/")
    text = re.sub(r"\]\(docs/([^)]+)\)", rf"]({up}\1)", text)
    return re.sub(r"\]\((README|ARCHITECTURE|CHANGELOG)\.md\)", lambda found: f"]({up}{_page_of(found[1])})", text)


def _page_of(name: str) -> str:
    return next(page for page, file in _TAKEN.items() if file == f"{name}.md")


_CONFIGURATION = """# Configuration

Every key of `etld.toml`, made from the models that check it. `etld config check` names every mistake with its line,
`etld config show` prints what holds, and `etld config init` writes a file with every default, explained. Any key can be
set from the environment: `[ingest] port` is `ETLD_INGEST__PORT`.
"""


def _configuration() -> Iterator[str]:
    schema = json_schema()
    tables = schema["$defs"]
    yield _CONFIGURATION
    yield "## At the top of the file\n"
    yield from _keys(schema, tables)
    for name, described in schema["properties"].items():
        yield from _table(name, described, tables)


def _table(path: str, described: dict[str, Any], tables: dict[str, Any], level: int = 2) -> Iterator[str]:
    """The keys of a table, and of the tables in it."""
    inside, header = _inside(described, tables, path)
    if inside is None:
        return
    yield f"{'#' * level} `{header}`\n"
    if words := described.get("description") or inside.get("description"):
        yield f"{words}\n"
    yield from _keys(inside, tables)
    for name, below in inside.get("properties", {}).items():
        yield from _table(f"{header.strip('[]')}.{name}", below, tables, min(level + 1, 4))


def _inside(described: dict[str, Any], tables: dict[str, Any], path: str) -> tuple[dict[str, Any] | None, str]:
    """The keys of what is a table, a list of tables, or a table of tables; and how it begins in the file."""
    for one in (described, *described.get("anyOf", ())):
        if found := _named(one, tables):
            return found, f"[{path}]"
        if found := _named(one.get("items") or {}, tables):
            return found, f"[[{path}]]"
        for by_name in (one.get("additionalProperties"), *one.get("patternProperties", {}).values()):
            if found := _named(by_name, tables):
                return found, f"[{path}.<name>]"
    return None, ""


def _named(described: Any, tables: dict[str, Any]) -> dict[str, Any] | None:
    if not isinstance(described, dict):
        return None
    name = described.get("$ref", "").rpartition("/")[2]
    found = tables.get(name)
    return found if found and "properties" in found else None


def _keys(table: dict[str, Any], tables: dict[str, Any]) -> Iterator[str]:
    rows = []
    for name, described in table.get("properties", {}).items():
        if _inside(described, tables, name)[0] is None:
            default = "" if described.get("default") is None else f"`{json.dumps(described['default'])}`"
            rows.append((f"`{name}`", default, _example(described), described.get("description", "")))
    if rows:
        yield from _rows(("key", "default", "such as", "is"), rows)
        yield ""


def _example(described: dict[str, Any]) -> str:
    choices = described.get("enum")
    if choices:
        return " ".join(f"`{json.dumps(one)}`" for one in choices)
    found = [one for one in described.get("examples", ()) if one != described.get("default")]
    return f"`{json.dumps(found[0], ensure_ascii=False)}`" if found else ""


_COMMANDS = """# Commands

Made from the texts of `--help`. Exit codes: 0 well, 1 not well, 2 wrong usage, 3 the daemon cannot be reached.
`--config FILE` before the command names the configuration.
"""


def _commands(group: click.Group, context: click.Context, level: int, head: str = "") -> Iterator[str]:
    if head:
        yield head
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = click.Context(command, info_name=name, parent=context)
        usage = " ".join(command.collect_usage_pieces(below))
        yield f"{'#' * level} {below.command_path}\n"
        yield f"    {below.command_path} {usage}\n"
        yield f"{_prose(command.help or '')}\n"
        options = [one.get_help_record(below) for one in command.get_params(below)]
        rows = [(f"`{one[0]}`", one[1]) for one in options if one and not one[0].startswith(("--help", "-h"))]
        if rows:
            yield from _rows(("option", "does"), rows)
            yield ""
        if isinstance(command, click.Group):
            yield from _commands(command, below, min(level + 1, 4))


def _prose(text: str) -> str:
    """A docstring as Markdown: its indented parts are code already."""
    return re.sub(r"<(\w+)>", r"`<\1>`", text.replace("\b\n", ""))


_HTTP = """# HTTP

What ingest and the console answer, made from their own OpenAPI documents. `/openapi.json` and `/api/v1/openapi.json` of
a running daemon have the schemas of your event types too. [Take events](../ingest.md) explains the first, [the
console](../console.md) the second.
"""


def _http() -> Iterator[str]:
    yield _HTTP
    ingest = ingest_openapi.document({}, tuple(ingest_openapi.PATHS), segment_map={})
    console = console_openapi.document(PAGES)
    for title, document in (("Ingest", ingest), ("The console", console)):
        yield f"## {title}\n"
        rows = []
        for path, methods in document["paths"].items():
            for method, told in methods.items():
                codes = " ".join(told.get("responses", {}))
                rows.append((f"`{method.upper()} {path}`", told.get("summary") or told.get("description", ""), codes))
        yield from _rows(("request", "does", "answers"), rows)
        yield ""


_METRICS = """# Metrics

`GET /metrics` of the HTTP port, in Prometheus's form. Counters end with `_total`; times are in seconds, sizes in bytes.
[Operating](../operating.md) has alert rules and a dashboard.
"""


def _metrics() -> Iterator[str]:
    yield _METRICS
    yield "## Of the daemon\n"
    one = {"worker": {"fault": ""}}
    facts = Facts("", ready=True, uptime=0.0, faults=one, memory={"worker": 0}, free={"path": 0})
    slot: Any = SimpleNamespace(name="worker", settled=True, crashes=0)
    families = DaemonCollector(MetricsStore(), [slot], facts).collect()
    told = [(f"{one.name}{'_total' * (one.type == 'counter')}", one.type, one.documentation) for one in families]
    yield from _rows(("metric", "kind", "is"), [(f"`{name}`", kind, text) for name, kind, text in told])
    yield "\n## Of the workers\n"
    rows = [(f"`etld_{one.name}{'_total' * (one.kind == 'counter')}`", one.kind, one.help) for one in DECLARED.values()]
    yield from _rows(("metric", "kind", "is"), rows)
    yield ""


_ERRORS = """# Errors

Behind the text of an error stands its code, as in `etld: not running (ETLD-S001)`; JSON has it as `explain`: the
problem documents of HTTP, the answers of the control socket, `etld health`, `etld status`, `etld dlq list`, alerts and
log lines. `etld explain ETLD-S001` prints what stands here, and takes the words in the last line of an entry as well.
A code keeps its meaning for ever, and that of an error that is no more is not used again.
"""
_MET = {
    "http": "`code` of an HTTP answer",
    "control": "`code` on the control socket",
    "fault": "fault in `etld health`",
    "alert": "alert",
    "letter": "class or stage of a dead letter",
    "halt": "why a partition is halted",
    "console": "status of an answer of the console",
}


def _errors() -> Iterator[str]:
    yield _ERRORS
    for area in AREAS:
        yield f"## {area.title}\n"
        for entry in area.entries:
            yield f"### {entry.code}: {entry.title} {{ #{entry.code.lower()} }}\n"
            yield f"{_plain(entry.meaning)}\n"
            yield f"**What to do.** {_plain(entry.remedy)}\n"
            if entry.words:
                told = [
                    f"{_MET[kind]} {' '.join(f'`{word}`' for word in words)}" for kind, words in entry.words.items()
                ]
                yield f"Met as: {'; '.join(told)}.\n"


def _plain(text: str) -> str:
    """Outside of code a < begins no tag, and a code of another error leads to it."""
    parts = text.split("`")
    linked = (re.sub(r"ETLD-[A-Z]\d{3}", lambda one: f"[{one[0]}](#{one[0].lower()})", part) for part in parts)
    return "`".join(parts[at] if at % 2 else part.replace("<", "&lt;") for at, part in enumerate(linked))


def _rows(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"
    for row in rows:
        yield f"| {' | '.join(_cell(one) for one in row)} |"


def _cell(text: str) -> str:
    """On one line; outside of code a < begins no tag."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if at % 2 else part.replace("<", "&lt;") for at, part in enumerate(parts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

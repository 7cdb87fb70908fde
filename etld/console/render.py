"""Pages as HTML: every value is escaped, every text is from texts.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jinja2

from etld.console import spark
from etld.util.as_json import MANY_LEVELS, as_json
from etld.util.text import span, thousands

if TYPE_CHECKING:
    from etld.console.page import Page

_NONE = "\N{EN DASH}"
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@cache
def texts() -> dict[str, Any]:
    """Every text of the console."""
    return tomllib.loads(resources.files(__package__).joinpath("texts.toml").read_text("utf-8"))


@cache
def environment() -> jinja2.Environment:
    """Where the templates are."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("etld.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"t": texts(), "spark": spark.points, "link": link, "title": title, "rows": _is_rows}
    made.filters |= {
        "number": number,
        "rate": rate,
        "moment": moment,
        "iso": iso,
        "span": span,
        "seconds": seconds,
        "size": size,
        "compact": compact,
        "pretty": pretty,
        "words": words,
        "cell": cell,
    }
    made.globals["ui"] = made.get_template("ui.html").module
    return made


def render(template: str, **values: Any) -> str:
    """All that a template makes."""
    return environment().get_template(template).render(**values)


def page_template(page: Page) -> str:
    """The template of a page; one without its own shows its data plainly."""
    return str(environment().select_template((f"pages/{page.name}.html", "pages/plain.html")).name)


def title(page: Page) -> str:
    """The title of a page; one that has no text is called by its name."""
    found = texts()["pages"].get(page.name)
    return str(found["title"]) if found else words(page.name)


def live_block(page: Page, **values: Any) -> str:
    """What of a page changes by itself."""
    found = environment().get_template(page_template(page))
    return "".join(found.blocks["live"](found.new_context({"page": page, **values})))


def link(path: str, values: Mapping[str, Any], **changes: Any) -> str:
    """A path with filters, without those that are empty."""
    kept = {name: value for name, value in {**values, **changes}.items() if value not in ("", None)}
    return f"{path}?{urlencode(kept)}" if kept else path


def number(value: float | None) -> str:
    """A number with thousands apart, exact."""
    return _NONE if value is None else thousands(value)


def rate(value: float | None) -> str:
    """Events a second."""
    if value is None:
        return _NONE
    return thousands(round(value)) if value >= 100 else thousands(value, 1)


def moment(value: datetime) -> str:
    """A time for people, with its zone."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(value: datetime) -> str:
    """A time for programs."""
    return value.astimezone(UTC).isoformat()


def seconds(value: float | None) -> str:
    """A short time: 12 ms, 3.4 s."""
    if value is None:
        return _NONE
    return f"{value * 1000:,.0f} ms" if value < 1 else f"{value:,.1f} s"


def size(value: int | None) -> str:
    """Bytes, to three digits: 12.3 MiB."""
    if value is None:
        return _NONE
    amount, at = float(value), 0
    while amount >= 1000 and at < len(_UNITS) - 1:
        amount, at = amount / 1024, at + 1
    return f"{amount:.{int(at > 0 and amount < 100)}f} {_UNITS[at]}"


def compact(value: Any) -> str:
    """A value as JSON in one line."""
    return json.dumps(as_json(value, levels=MANY_LEVELS), ensure_ascii=False)


def pretty(value: Any) -> str:
    """A value as JSON for reading."""
    return json.dumps(as_json(value, levels=MANY_LEVELS), ensure_ascii=False, indent=2)


def words(name: str) -> str:
    """The name of a value or of a page as a label."""
    return name.replace("_", " ").replace("-", " ").capitalize()


def cell(value: Any) -> str:
    """Any value in a table."""
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        return value if isinstance(value, str) else compact(value)
    return number(value)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)

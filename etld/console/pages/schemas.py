"""Schemas: the versions of each event type, what changed between two, and whether another may follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.console.asked import NotThere
from etld.console.page import REASON, Field, Page, PageAction
from etld.console.render import texts
from etld.errors import EtldError, UsageError
from etld.schemas.registry import RegistryUnavailable
from etld.schemas.versions import difference, laid_out, refusals, registered

if TYPE_CHECKING:
    from etld.console.access.users import User
    from etld.console.page import Values, View
    from etld.console.sources import Sources
    from etld.schemas.registry import Version

_LONGEST_SCHEMA = 50_000


def _data(sources: Sources, view: View) -> dict[str, Any]:
    values = view.values
    types = sorted(sources.config.event_types)
    chosen = values.get("type", "")
    if chosen and chosen not in types:
        raise NotThere(texts()["schemas"]["unknown"].format(type=chosen))
    found: dict[str, list[Version]] = {name: [] for name in types if chosen in ("", name)}
    away = None
    try:
        for name, version in registered(sources.config, sources.registry()):
            if name in found:
                found[name].append(version)
    except RegistryUnavailable as error:
        away = str(error)
    shown = [_type(name, versions) for name, versions in found.items()]
    return {
        "types": types,
        "registry": away,
        "compatibility": sources.config.schema_registry.compatibility,
        "event_types": shown,
        "detail": _detail(found[chosen], values) if chosen and found[chosen] else None,
    }


def _type(name: str, versions: list[Version]) -> dict[str, Any]:
    return {
        "event_type": name,
        "subject": versions[-1].subject if versions else None,
        "versions": [{"version": one.version, "id": one.id} for one in reversed(versions)],
    }


def _detail(versions: list[Version], values: Values) -> dict[str, Any]:
    """One version, laid out, and what changed since another: by default the one before it."""
    by_number = {one.version: one for one in versions}
    number = int(values.get("version", versions[-1].version))
    before = [one for one in by_number if one < number]
    against = int(values["against"]) if "against" in values else max(before, default=number)
    for one in (number, against):
        if one not in by_number:
            raise NotThere(texts()["schemas"]["no_version"].format(version=one))
    new, old = by_number[number], by_number[against]
    lines = difference(old.schema, new.schema, (f"version {against}", f"version {number}"))
    return {
        "version": number,
        "against": against,
        "id": new.id,
        "schema": "\n".join(laid_out(new.schema)),
        "difference": lines,
    }


def _check(sources: Sources, values: Values, _user: User) -> str:
    event_type = values["type"]
    if event_type not in sources.config.event_types:
        raise UsageError(texts()["schemas"]["unknown"].format(type=event_type), code="ETLD-X002")
    reasons = refusals(sources.config, sources.registry(), event_type, values["schema"])
    if reasons:
        raise EtldError(
            texts()["schemas"]["may_not"].format(type=event_type, reasons="; ".join(reasons)), code="ETLD-R004"
        )
    return str(texts()["schemas"]["may"].format(type=event_type))


def _register(sources: Sources, values: Values, user: User) -> str:
    return sources.command(user, "schemas", "register", "--", values["type"])


PAGE = Page(
    name="schemas",
    path="/schemas",
    description="The registered versions of every event type's schema.",
    data=_data,
    fields=(
        Field("type", "Only this event type, with one version in full."),
        Field("version", "Which version; else the newest.", integer=True, least=1),
        Field("against", "Which version it is compared with; else the one before.", integer=True, least=1),
    ),
    actions=(
        PageAction(
            "check",
            "viewer",
            "Ask whether a schema may follow the versions of an event type; nothing is registered.",
            _check,
            (
                Field("type", "The event type.", required=True),
                Field("schema", "An Avro schema as JSON.", required=True, longest=_LONGEST_SCHEMA),
            ),
            changes=False,
        ),
        PageAction(
            "register",
            "admin",
            "Register the schema file of an event type; a reload uses it.",
            _register,
            (Field("type", "The event type.", required=True), REASON),
        ),
    ),
    key="c",
)

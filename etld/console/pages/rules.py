"""The rule bench: write a rule, try it on all letters that match, save it, have them replayed."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etld import config as configs
from etld.console.letter_choice import FIELDS, choice, chosen_by, named, shown_by
from etld.console.page import Field, Page, PageAction
from etld.console.render import texts
from etld.control.client import RequestRefused
from etld.deadletters.rule_store import RuleStore
from etld.deadletters.rule_writing import draft
from etld.deadletters.rules import config_check, from_toml
from etld.deadletters.service import REPLAY, DeadLetterService, bulk_filter
from etld.errors import EtldError

if TYPE_CHECKING:
    from etld.config import Config
    from etld.console.access.users import User
    from etld.console.dry_runs import RuleTrial
    from etld.console.page import Values, View
    from etld.console.sources import Sources
    from etld.deadletters.letter_filter import LetterFilter

_NEW = """name = "my_rule"
match = { event_type = "purchase", stage = "VALIDATION" }
steps = [
    { cast = "*" },
]
"""
#: A reload waits for every corrector.
_RELOAD_SECONDS = 60.0
_LONGEST_RULE = 32_000
_SAMPLES, _REASONS = 30, 50
_NONE = {"repaired": 0, "failed": 0, "under_way": 0}
_ORIGIN = Path("the rule")


def _data(sources: Sources, view: View) -> dict[str, Any]:
    values = view.values
    shown = shown_by(view)
    run = sources.dry_runs.find(values["run"]) if "run" in values else None
    rules = _store(sources).all()
    with sources.reading() as conn:
        service = DeadLetterService(conn)
        total = service.count(_tried(shown))
        states = service.states(replace(shown, states=None)) if choice(values) else None
        counts = service.repairs([rule.name for rule in rules])
        groups = service.groups(shown, 1).groups if "group" in values else ()
        jobs = service.jobs(1)
    edited = next((rule for rule in rules if rule.name == values.get("edit")), None)
    begun = edited.as_toml() if edited else draft(groups[0]) if groups else _NEW
    return {
        "choice": choice(values),
        "total": total,
        "text": begun if run is None else run.text,
        "edit": None if edited is None else edited.name,
        "states": states,
        "run": None if run is None else _told(run, view),
        "job": jobs[0].as_json() if jobs and jobs[0].state == "running" else None,
        "next_run": secrets.token_urlsafe(9),
        "rules": [{**rule.as_json(), **_NONE, **counts.get(rule.name, {})} for rule in rules],
        "place": None if sources.config.corrector.rules_dir is None else str(sources.config.corrector.rules_dir),
    }


def _told(run: RuleTrial, view: View) -> dict[str, Any]:
    told = {"id": run.id, "state": run.state, "error": run.error, "seconds": round(run.seconds, 1), **run.told}
    told["samples"] = told.get("samples", [])[:_SAMPLES] if view.payloads else []
    told["reasons"] = told.get("reasons", [])[:_REASONS]
    return told


def _tried(chosen: LetterFilter) -> LetterFilter:
    """As `etld dlq test` has it."""
    return chosen if chosen.states or chosen.ids else replace(chosen, states=("new", "parked"))


def _store(sources: Sources) -> RuleStore:
    def load() -> Config:
        return configs.load(sources.config.source, os.environ, (config_check.check,))

    return RuleStore(load)


def _try(sources: Sources, values: Values, _user: User) -> str:
    from_toml.read(values["rule"], _ORIGIN)
    run_id = values.get("run") or secrets.token_urlsafe(9)
    sources.dry_runs.start(run_id, sources.config.source, values["rule"], _tried(chosen_by(values)))
    return str(texts()["rules"]["begun"].format(run=run_id))


def _cancel(sources: Sources, values: Values, _user: User) -> str:
    run = sources.dry_runs.cancel(values["run"])
    return str(texts()["rules"]["ended"].format(run=run.id, state=run.state))


def _apply(sources: Sources, values: Values, user: User) -> str:
    wanted = bulk_filter(REPLAY, chosen_by(values), named="id" in values)
    rule = _store(sources).save(values["rule"], _ORIGIN, replace="replace" in values)
    _reload(sources, rule.place)
    with sources.connection() as conn:
        service = DeadLetterService(conn)
        reason = values.get("reason") or f"rule {rule.name}"
        job = service.begin(REPLAY, named(service, wanted, REPLAY), user.name, reason)
    return str(texts()["rules"]["applied"].format(name=rule.name, place=rule.place, job=job.id, total=job.total))


def _remove(sources: Sources, values: Values, _user: User) -> str:
    rule = _store(sources).remove(values["name"])
    _reload(sources, rule.place)
    return str(texts()["rules"]["removed"].format(name=rule.name, place=rule.place))


def _reload(sources: Sources, place: str) -> None:
    try:
        sources.ask("reload", timeout=_RELOAD_SECONDS, dry_run=False)
    except RequestRefused as refused:
        raise EtldError(
            texts()["rules"]["not_reloaded"].format(place=place, error=refused), code="ETLD-S013"
        ) from refused


_RULE = Field("rule", "The rule, in TOML.", required=True, longest=_LONGEST_RULE)
_RUN = Field("run", "The name of a dry run: any text that no other has.")

PAGE = Page(
    name="rules",
    path="/rules",
    description="The rules that repair dead letters, and a bench to write and try one.",
    data=_data,
    fields=(*FIELDS, _RUN, Field("edit", "The name of a rule to begin with.")),
    actions=(
        PageAction(
            "try", "operator", "Try a rule on all letters that match; nothing is changed.", _try, (*FIELDS, _RULE, _RUN)
        ),
        PageAction("cancel", "operator", "Break a dry run off.", _cancel, (replace(_RUN, required=True),)),
        PageAction(
            "apply",
            "operator",
            "Save a rule, have the daemon take it up, and replay the parked letters that match.",
            _apply,
            (
                *FIELDS,
                _RULE,
                Field("replace", "Any text: overwrite the rule of this name."),
                Field("reason", "Why; for the audit."),
            ),
        ),
        PageAction(
            "remove",
            "operator",
            "Remove a rule with its file, and have the daemon work without it.",
            _remove,
            (Field("name", "The rule's name.", required=True), Field("reason", "Why; for the audit.")),
        ),
    ),
    live=True,
    key="r",
)

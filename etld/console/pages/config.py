"""The configuration in force, what a reload of the file would do, and the reload."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from etld.config.effective import effective
from etld.console.page import REASON, Field, Page, PageAction
from etld.console.render import texts
from etld.control import reload_replies
from etld.control.client import RequestRefused
from etld.errors import EtldError

if TYPE_CHECKING:
    from etld.console.access.users import User
    from etld.console.page import Values, View
    from etld.console.sources import Sources

_SOURCES = ("file", "environment", "default")


def _data(sources: Sources, view: View) -> dict[str, Any]:
    config = sources.config
    found: list[dict[str, Any]] = []
    unreadable = None
    try:
        found = [asdict(one) for one in effective(config, os.environ)]
    except EtldError as error:
        unreadable = str(error)
    key, source = view.values.get("key", "").lower(), view.values.get("source", "")
    return {
        "file": str(config.source),
        "unreadable": unreadable,
        "sources": _SOURCES,
        "values": [one for one in found if key in one["key"].lower() and source in ("", one["source"])],
        "count": len(found),
        "keys_file": config.ingest.keys_file is not None,
        "tokens_file": config.console.tokens_file is not None,
        "users_file": config.console.users_file is not None,
        "types": sorted(config.event_types),
        **sources.planned.get(config.source, sources.ask),
    }


def _reload(sources: Sources, _values: Values, _user: User) -> str:
    try:
        return reload_replies.text(sources.ask("reload", timeout=None))
    except RequestRefused as refused:
        raise reload_replies.in_words(refused) from None
    finally:
        sources.planned.forget()


def _key(sources: Sources, values: Values, user: User) -> str:
    types = [f"--type={values['type']}"] if "type" in values else []
    key = sources.command(user, "keys", "new", *types, "--", values["name"])
    return str(texts()["config"]["made_key"].format(name=values["name"], key=key))


def _add_user(sources: Sources, values: Values, user: User) -> str:
    if not values["password"].isprintable():
        raise EtldError(texts()["config"]["bad_password"], code="ETLD-U003")
    role = f"--role={values['role']}"
    given = f"{values['password']}\n"
    return sources.command(user, "console", "user", "add", role, "--password-file=-", "--", values["name"], given=given)


def _remove_user(sources: Sources, values: Values, user: User) -> str:
    return sources.command(user, "console", "user", "remove", "--", values["name"])


def _add_token(sources: Sources, values: Values, user: User) -> str:
    token = sources.command(user, "console", "token", "add", f"--role={values['role']}", "--", values["name"])
    return str(texts()["config"]["made_token"].format(name=values["name"], token=token))


def _remove_token(sources: Sources, values: Values, user: User) -> str:
    return sources.command(user, "console", "token", "remove", "--", values["name"])


_ROLE = Field("role", "viewer, operator or admin.", required=True)
_NAME = Field("name", "The name.", required=True)

PAGE = Page(
    name="config",
    path="/config",
    description="Every value in force with its place, and what a reload of the file would do.",
    data=_data,
    fields=(
        Field("key", "Only keys with this in their name."),
        Field("source", "Only values from there: file, environment or default."),
    ),
    actions=(
        PageAction("reload", "admin", "Take the edited configuration, as etld reload.", _reload),
        PageAction(
            "key",
            "admin",
            "Make a write key for a client, which is shown once.",
            _key,
            (_NAME, Field("type", "Only for this event type."), REASON),
            shows_secret=True,
        ),
        PageAction(
            "user-add",
            "admin",
            "Let somebody log in to the console, or give one another role and password.",
            _add_user,
            (
                _NAME,
                _ROLE,
                Field("password", "The password.", required=True, secret=True),
                REASON,
            ),
        ),
        PageAction("user-remove", "admin", "Let somebody not log in any more.", _remove_user, (_NAME, REASON)),
        PageAction(
            "token-add",
            "admin",
            "Make a bearer token for a program, which is shown once.",
            _add_token,
            (_NAME, _ROLE, REASON),
            shows_secret=True,
        ),
        PageAction("token-remove", "admin", "Refuse a program's token from now on.", _remove_token, (_NAME, REASON)),
    ),
    key="o",
)

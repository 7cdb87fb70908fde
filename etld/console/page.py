"""What a page is: a file in `etld/console/pages/`, and a line in the `__init__.py` there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from etld.config import Config
    from etld.console.access.users import Role, User
    from etld.console.sources import Sources

Values = Mapping[str, str]
#: The longest text that a field takes.
LONGEST = 500
_NAMES = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Field:
    """What a page or an action is asked with: a filter in the URL, a field of a form.

    `integer` has bounds `least` and `most`; any other is a text of at most `longest` characters. A `secret` is left out
    of the audit.
    """

    name: str
    description: str
    required: bool = False
    integer: bool = False
    least: int = 0
    most: int = 1_000_000
    longest: int = LONGEST
    secret: bool = False


#: Of actions that cannot be taken back.
REASON = Field("reason", "Why; for the audit.", required=True)


@dataclass(frozen=True, slots=True)
class PageAction:
    """What somebody with the role, or a higher one, may do from a page.

    `run` gives what was done for somebody, in words; it raises `EtldError`. One that `changes` nothing is not in the
    audit. The words of one that `shows_secret` are for who asked alone, and stand in no log.
    """

    name: str
    role: Role
    description: str
    run: Callable[[Sources, Values, User], str]
    fields: Sequence[Field] = ()
    changes: bool = True
    shows_secret: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What is asked of a page, and by whom."""

    values: Values
    user: User
    #: May this one see what is in events?
    payloads: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A page, its JSON, and its actions.

    Its template is `templates/pages/NAME.html`, its title stands in texts.toml. Without a template its description and
    its data are shown as they are, lists of rows as tables; without a title its name is one.

    `data` runs in a thread, and gives what template and JSON show; it raises `EtldError` and the errors of PostgreSQL.
    `path` may have names in it: "/events/{event_id}" is a field. `live`: the template has a block of that name, which
    is sent anew when it changes; looking whether it has takes `share` of a core at most. `key`: typed after g, opens
    it; "" for a page that the navigation leaves out. `table` makes the rows of a CSV file from the data, titles first.
    `picture` gives a PNG of the page's values, or None. `is_listed`: is it in the navigation with this configuration?
    """

    name: str
    path: str
    description: str
    data: Callable[[Sources, View], dict[str, Any]]
    fields: Sequence[Field] = ()
    actions: Sequence[PageAction] = ()
    live: bool = False
    share: float = 1.0
    key: str = ""
    table: Callable[[dict[str, Any]], list[list[Any]]] | None = None
    picture: Callable[[Sources, View], bytes | None] | None = None
    is_listed: Callable[[Config], bool] = lambda _config: True

    @property
    def api_path(self) -> str:
        """Where its JSON is."""
        return f"/api/v1/{self.name}" if self.path == "/" else f"/api/v1{self.path}"

    def address(self, values: Values) -> str:
        """Where the page with these values is."""
        named = {name: quote(values.get(name, ""), safe="") for name in _NAMES.findall(self.path)}
        kept = {name: value for name, value in values.items() if value and name not in named}
        path = self.path.format(**named)
        return f"{path}?{urlencode(kept)}" if kept else path

    def action(self, name: str) -> PageAction | None:
        """The action of this name."""
        return next((one for one in self.actions if one.name == name), None)

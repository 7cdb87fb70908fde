"""What migrations may do while another version works beside this one."""

from __future__ import annotations

import re

import pytest

from etld.postgres import migrate

# The first version that goes on with a newer database.
_FIRST = 24
_TAKES_AWAY = re.compile(
    r"\b(DROP (TABLE|COLUMN|VIEW|FUNCTION)|RENAME|ALTER COLUMN \w+ (TYPE|SET NOT NULL)"
    r"|ADD COLUMN [^,;]*NOT NULL(?! DEFAULT))\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize(("number", "name", "text"), [one for one in migrate.available() if one[0] >= _FIRST])
def test_what_breaks_earlier_versions_says_so(number: int, name: str, text: str) -> None:
    """A host of the version before would work on, and fail at what is gone or has another shape."""
    if not text.startswith("-- Breaks earlier versions."):
        assert _TAKES_AWAY.search(text) is None, f"{name} takes something away"


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE etld.a", "ALTER TABLE etld.a DROP COLUMN b", "ALTER TABLE etld.a RENAME b TO c",
        "ALTER TABLE etld.a ALTER COLUMN b TYPE text", "ALTER TABLE etld.a ADD COLUMN b int NOT NULL",
    ],
)  # fmt: skip
def test_what_takes_away_is_seen(statement: str) -> None:
    assert _TAKES_AWAY.search(statement)

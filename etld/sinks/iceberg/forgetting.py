"""What a table says of erasures, so that rows of a subject that was forgotten do not come by a batch of before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etld.sinks.base import Fenced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.sinks.iceberg.rows import LakeRows

#: The table's property that says up to which step of the erasures rows are to be looked through before they come in,
#: and the one that says up to which step this was done with all that is in the table.
ASKED: Final = "etld.erasures.asked"
DONE: Final = "etld.erasures"


def step(properties: Mapping[str, str], name: str) -> int:
    """What one of the properties says; 0 before there is any erasure."""
    return int(properties.get(name, 0))


def refuse_outdated(properties: Mapping[str, str], rows: LakeRows) -> None:
    """Raise `Fenced` for rows that were made before somebody was forgotten."""
    if rows.erasures < step(properties, ASKED):
        raise Fenced("somebody was forgotten since these events were read; they are read again")

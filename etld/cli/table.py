"""Tables of the commands, by rich. Only `etld status` has its own: it has to answer before rich is imported."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# For a reader without a width: no line of ours is longer.
_UNLIMITED = 1_000_000


def table_lines(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[bool], width: int | None
) -> list[str]:
    """The titles and a line for each row, columns two blanks apart; `right` says which stand to the right.

    `width` is that of a line in characters, None for any; what does not fit is cut from the last column.
    """
    # Both here: rich takes 60 ms to import, and most commands print no table.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cell = partial(Text, no_wrap=True, overflow="ellipsis")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for at, (title, to_the_right) in enumerate(zip(titles, right, strict=True)):
        last = at == len(titles) - 1
        table.add_column(cell(title), justify="right" if to_the_right else "left", no_wrap=not last)
    for row in rows:
        table.add_row(*map(cell, row))
    out = io.StringIO()
    Console(file=out, width=width or _UNLIMITED, color_system=None).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]

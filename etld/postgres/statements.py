"""Named blocks of SQL from .sql files that stand beside the modules that use them."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
_INCLUDE = re.compile(r"^[ ]*-- include: (\w+)\s*$", re.MULTILINE)


class Statements:
    """The blocks of one file, as attributes named by their `-- name: …` lines."""

    def __init__(self, file: str, blocks: dict[str, str]) -> None:
        self._file = file
        self._blocks = blocks

    def __getattr__(self, name: str) -> bytes:
        try:
            return self._blocks[name].encode()
        except KeyError:
            raise AttributeError(f"{self._file} has no block named {name}") from None


@cache
def load(package: str, name: str) -> Statements:
    """The statements of `<name>.sql` in a package; raises FileNotFoundError when there is no such file.

    A line `-- include: other` stands for the text of that block, which has no includes of its own.
    """
    text = resources.files(package).joinpath(f"{name}.sql").read_text()
    pieces = _NAME.split(text)
    blocks = dict(zip(pieces[1::2], map(str.strip, pieces[2::2]), strict=True))
    whole = {block: _INCLUDE.sub(lambda found: blocks[found[1]], sql) for block, sql in blocks.items()}
    return Statements(f"{name}.sql", whole)

"""A mistake in the configuration, and what looks for mistakes that a key alone does not show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from etld.errors import WRONG_VALUE

if TYPE_CHECKING:
    from etld.config.key_path import KeyPath
    from etld.config.model import Config


class Mistake(NamedTuple):
    """What is wrong with the value at a key path. `later`: only that credentials are not there yet.

    `code`: as `EtldError` has it.
    """

    path: KeyPath
    message: str
    later: bool = False
    code: str = WRONG_VALUE


#: Gets the config, the data as it stands in the file, and the paths that were left out of the config because of
#: mistakes of their own. What it finds at those paths is not told.
Check = Callable[["Config", dict[str, Any], frozenset["KeyPath"]], Iterable[Mistake]]

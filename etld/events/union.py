"""Unions of several types: which branch a value is of."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from etld.events.violation import Violation, Violations, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.events.checks import Check

_FLOAT = struct.Struct("<f")
_HINTED = "did you mean"
# What a value pays for becoming another one in a branch; the cheapest branch is taken.
_PARSED, _AS_TEXT, _DROPPED = 1, 2, 3


class BranchValue(NamedTuple):
    """A value of a union of more than null and one type, with the index of its branch; null stays None."""

    branch: int
    value: Any


@dataclass(frozen=True, slots=True)
class UnionBranch:
    """A branch that is not null: its index, what messages call it, its check.

    `takes` are the types of parsed JSON that it may take; `fields` the names of a record's. `plain`: values are
    what they were in JSON, and not parsed as a time or a decimal.
    """

    index: int
    name: str
    kind: str
    check: Check
    takes: frozenset[type]
    fields: frozenset[str] = frozenset()
    plain: bool = True


def union(path: str, branches: Sequence[UnionBranch], *, null: bool) -> Check:
    """A check of the branch that fits best: exactly, else by the smallest change; of equals the first.

    So 5 is a long rather than a double, and text only where no branch takes numbers. A value that fits no branch is
    held to the one that it is most like.
    """
    listed = " or ".join([*(["null"] if null else []), *(branch.name for branch in branches)])

    def check(value: Any, errors: Violations) -> Any:
        if value is None and null:
            return None
        best: tuple[int, BranchValue] | None = None
        failed: list[tuple[UnionBranch, Violations]] = []
        for branch in branches:
            if type(value) not in branch.takes:
                continue
            found = Violations(errors.budget)
            result = branch.check(value, found)
            if found:
                failed.append((branch, found))
                continue
            cost = _cost(branch, value, result)
            if cost == 0:
                return BranchValue(branch.index, result)
            if best is None or cost < best[0]:
                best = cost, BranchValue(branch.index, result)
        if best is not None:
            return best[1]
        if failed:
            errors.extend(_told(value, failed))
        else:
            errors.append(Violation(path, listed, show(value)))
        return None

    return check


def _cost(branch: UnionBranch, value: Any, result: Any) -> int:
    if not branch.plain:
        return max(_PARSED, _change(value, result))
    if branch.kind == "float" and type(value) is float and _FLOAT.unpack(_FLOAT.pack(value))[0] != value:
        return _PARSED
    return _change(value, result)


def _change(value: Any, result: Any) -> int:
    """How much of a value became another: 0 for nothing."""
    if type(result) is BranchValue:
        result = result.value
    if type(value) is dict and type(result) is dict:
        return sum(_change(item, result[key]) if key in result else _DROPPED for key, item in value.items())
    if type(value) is list and type(result) is list:
        return sum(map(_change, value, result))
    if type(value) is type(result) and value == result:
        return 0
    return _AS_TEXT if type(value) is int and type(result) is str else _PARSED


def _told(value: Any, failed: list[tuple[UnionBranch, Violations]]) -> list[Violation]:
    """What is wrong with a value that fits none of the branches that take its kind of JSON."""
    if len(failed) == 1:
        return failed[0][1]
    if type(value) is not dict:
        if all(len(found) == 1 for _, found in failed) and len({found[0].path for _, found in failed}) == 1:
            expected = dict.fromkeys(found[0].expected for _, found in failed)
            return [Violation(failed[0][1][0].path, " or ".join(expected), show(value))]
        return min(failed, key=lambda one: len(one[1]))[1]
    branch, found = max(failed, key=lambda one: (_likeness(value, *one), -len(one[1])))
    return [Violation(one.path, f"{one.expected} (as in {branch.name})", one.got) for one in found]


def _likeness(value: dict[str, Any], branch: UnionBranch, found: Violations) -> int:
    """How many names an object shares with a record, or all but shares."""
    hinted = sum(_HINTED in one.expected for one in found)
    return 2 * len(branch.fields.intersection(value)) + hinted

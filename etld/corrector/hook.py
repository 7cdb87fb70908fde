"""A rule's hook: `module:function` (event, error) -> event | None."""

from __future__ import annotations

import ast
import importlib
import re
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any

from etld.corrector.steps.base import Mistake, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.corrector.letter import Failure

    Hook = Callable[[dict[str, Any], Failure], dict[str, Any] | None]

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def check(name: str) -> None:
    """Raise `Mistake` when a hook cannot be there. Nothing of the user's code runs: its source is read."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Mistake(f"expected 'module:function', got {show(name)}")
    module, _, function = name.partition(":")
    path: Any = None
    spec = None
    for depth in range(1, module.count(".") + 2):
        part = ".".join(module.split(".")[:depth])
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            raise Mistake(f"there is no module {part!r}: it must be on PYTHONPATH or installed beside etld")
        path = spec.submodule_search_locations
    if spec is None or not isinstance(spec.loader, SourceFileLoader) or spec.origin is None:
        return
    try:
        tree = ast.parse(spec.loader.get_data(spec.origin))
    except SyntaxError as error:
        raise Mistake(f"the module {module!r} is not valid Python: {error}") from None
    if not _defines(tree, function):
        raise Mistake(f"the module {module!r} has no function {function!r}")


def load(name: str) -> Hook:
    """The function; raises `Mistake` when its module fails to import."""
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:
        raise Mistake(f"the hook {name!r} cannot be loaded: {type(error).__name__}: {error}", "hook") from error
    if not callable(found):
        raise Mistake(f"the hook {name!r} is not a function", "hook")
    hook: Hook = found
    return hook


def _defines(tree: ast.Module, function: str) -> bool:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                if name == function:
                    return True
            case ast.alias(name=name, asname=asname):
                if function in (asname or name, "*") or name == "*":
                    return True
    return False

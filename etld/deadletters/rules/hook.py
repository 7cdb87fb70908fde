"""A rule's hook: `module:function` (event, error) -> event | None."""

from __future__ import annotations

import ast
import contextlib
import ctypes
import importlib
import queue
import re
import threading
import time
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any

from etld.config import user_code
from etld.deadletters.rules.steps.base import RuleError, show
from etld.errors import EtldError
from etld.util.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.deadletters.failure import Failure

    Hook = Callable[[dict[str, Any], Failure], dict[str, Any] | None]

# Seconds for one event.
LIMIT = 10.0
# Each leaves a thread behind that may never end.
_MOST_HUNG = 3
# Seconds for which it is left alone then, and at most.
_FIRST_REST, _LONGEST_REST = 10.0, 600.0
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class HookHung(Exception):
    """A hook does not come back."""


class HookRests(HookHung):
    """It is not called for another `seconds`: its last events hung, which says nothing of this one."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class HookEnded(Exception):
    """A hook wanted to end the process."""


def check(name: str) -> None:
    """Raise `RuleError` when a hook cannot be there. Nothing of the user's code runs: its source is read."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RuleError(f"expected 'module:function', got {show(name)}")
    module, _, function = name.partition(":")
    path: Any = None
    spec = None
    for depth in range(1, module.count(".") + 2):
        part = ".".join(module.split(".")[:depth])
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            raise RuleError(
                f"there is no module {part!r}: it must be in a directory of [python] path, on PYTHONPATH or"
                " installed beside etld"
            )
        path = spec.submodule_search_locations
    if spec is None or not isinstance(spec.loader, SourceFileLoader) or spec.origin is None:
        return
    try:
        tree = ast.parse(spec.loader.get_data(spec.origin))
    except SyntaxError as error:
        raise RuleError(f"the module {module!r} is not valid Python: {error}") from None
    if not _defines(tree, function):
        raise RuleError(f"the module {module!r} has no function {function!r}")


def load(name: str) -> GuardedHook:
    """The function; raises `RuleError` when its module fails to import."""
    module, _, function = name.partition(":")
    try:
        user_code.refuse_unsafe_module(module)
        found = getattr(importlib.import_module(module), function)
    except EtldError as error:
        raise RuleError(f"the hook {name!r} is not loaded: {error}", "hook") from error
    except Exception as error:
        raise RuleError(f"the hook {name!r} cannot be loaded: {type(error).__name__}: {error}", "hook") from error
    if not callable(found):
        raise RuleError(f"the hook {name!r} is not a function", "hook")
    return GuardedHook(name, found)


class GuardedHook:
    """A hook that gets `limit` seconds for an event, in a thread of its own.

    A thread that does not come back is left to itself. After that has happened for `_MOST_HUNG` events, with none
    between that the hook came back from, it is called for one event now and then only, until it comes back again.
    """

    def __init__(self, name: str, function: Hook, limit: float = LIMIT, rest: float = _FIRST_REST) -> None:
        self._name = name
        self._function = function
        self._limit = limit
        self._hung = 0
        self._rest = Backoff(rest, _LONGEST_REST)
        self._rests_until = 0.0
        self._thread: _HookThread | None = None

    @property
    def resting(self) -> str | None:
        """Why it is not called now; None when it is."""
        if time.monotonic() >= self._rests_until:
            return None
        return f"{self._name} hung on the last {self._hung} events and rests: mend it, then `etld restart corrector`"

    def wake(self) -> None:
        """Call it for the next event, whatever it hung on."""
        self._hung, self._rests_until = 0, 0.0

    def __call__(self, event: dict[str, Any], failure: Failure) -> Any:
        """What the hook returns; raises what it raises, `HookHung` and `HookRests`."""
        if (resting := self.resting) is not None:
            raise HookRests(resting, max(1.0, self._rests_until - time.monotonic()))
        if self._thread is None:
            self._thread = _HookThread(self._name, self._function)
        try:
            made, error = self._thread.answer(event, failure, self._limit)
        except queue.Empty:
            self._thread.leave()
            self._thread = None
            self._hung += 1
            if self._hung >= _MOST_HUNG:
                self._rests_until = time.monotonic() + self._rest.next()
            raise HookHung(f"{self._name} did not return within {self._limit:g} s") from None
        self._hung = 0
        self._rest.reset()
        if error is not None:
            raise error
        return made


class _HookThread:
    """The thread that calls a hook, until it is left."""

    def __init__(self, name: str, function: Hook) -> None:
        self._function = function
        self._tasks: queue.SimpleQueue[tuple[dict[str, Any], Failure] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=f"hook {name}", daemon=True)
        self._thread.start()

    def answer(self, event: dict[str, Any], failure: Failure, timeout: float) -> tuple[Any, Exception | None]:
        """What the hook made of an event, or what it raised; raises `queue.Empty`."""
        self._tasks.put((event, failure))
        return self._answers.get(timeout=timeout)

    def leave(self) -> None:
        """Let it end once the hook comes back. An endless loop of Python's is broken off, what waits is not."""
        self._tasks.put(None)
        if self._thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident), ctypes.py_object(HookEnded))

    def _serve(self) -> None:
        with contextlib.suppress(HookEnded):  # it came back just when it was left
            while (task := self._tasks.get()) is not None:
                self._answers.put(self._tried(*task))

    def _tried(self, event: dict[str, Any], failure: Failure) -> tuple[Any, Exception | None]:
        try:
            return self._function(event, failure), None
        except MemoryError as error:
            # Another one: in the frames of this may be what took the memory.
            return None, MemoryError(str(error))
        except Exception as error:
            return None, error
        except BaseException as error:
            # sys.exit ends this thread at most: for whoever waits it is an error like any other.
            return None, HookEnded(f"{type(error).__name__}: {error}")


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

"""One request: parsed, given to its verb, and answered whatever goes wrong."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from etld.control.verbs import Answer, Reply, Request, Verb, VerbError
from etld.errors import ConfigError, EtldError
from etld.explain import code_of

log = logging.getLogger("etld.control")
T = TypeVar("T")


def failure(code: str, message: str, explain: str = "", **details: object) -> Reply:
    """An answer that says no; `explain` is the code of an error that has one, else it is that of `code`."""
    told = explain or code_of("control", code)
    return {"ok": False, "error": {"code": code, "message": message, "explain": told, **details}}


def answer(line: bytes, verbs: Mapping[str, Verb]) -> Answer:
    """What the verb of a request (one line of JSON) answers."""
    return guarded(lambda: _run(line, verbs))


def guarded(call: Callable[[], T]) -> T | Reply:
    """A mistake of a verb, or of its caller, ends in an answer, never in the daemon."""
    try:
        return call()
    except VerbError as error:
        return failure(error.code, str(error), error.explain, **error.details)
    except ConfigError as error:
        return failure("config", str(error), error.code, problems=[problem.as_json() for problem in error.problems])
    except EtldError as error:
        return failure("failed", str(error), error.code)
    except Exception as error:
        log.exception("a verb failed")
        return failure("internal", f"{type(error).__name__}: {error}")


def _run(line: bytes, verbs: Mapping[str, Verb]) -> Answer:
    request = _parse(line)
    verb = verbs.get(request["verb"])
    if verb is None:
        raise VerbError("unknown_verb", f"unknown verb {request['verb']!r}; there are {', '.join(verbs)}")
    return verb(request)


def _parse(line: bytes) -> Request:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise VerbError("bad_json", "a request is one JSON object on one line") from None
    if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
        raise VerbError("bad_request", 'a request is an object with a text "verb"')
    return request

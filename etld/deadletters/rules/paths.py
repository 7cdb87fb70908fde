"""Field paths such as "event_details.price" in a decoded event."""

from __future__ import annotations

from typing import Any, Final

Path = tuple[str, ...]

ROOT: Final[Path] = ()
TOP_LEVEL: Final = ("event_id", "event_name", "event_type", "triggered_at", "user_details", "event_details")


class _Missing:
    """Stands for a field that is not there, which null does not."""

    def __repr__(self) -> str:
        return "missing"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()


def parse(text: str) -> Path:
    """The path that a text names; "" is the event itself. Raises ValueError for an empty step."""
    if text == "":
        return ROOT
    parts = tuple(text.split("."))
    if not all(parts):
        raise ValueError(f"{text!r} is not a field path such as 'event_details.price'")
    return parts


def text(path: Path) -> str:
    """How a path is written."""
    return ".".join(path)


def get(event: Any, path: Path) -> Any:
    """The value at a path, or `MISSING`."""
    for part in path:
        if isinstance(event, dict) and part in event:
            event = event[part]
        elif isinstance(event, list) and part.isdecimal() and int(part) < len(event):
            event = event[int(part)]
        else:
            return MISSING
    return event


def put(event: dict[str, Any], path: Path, value: Any) -> bool:
    """Set the value at a path, making objects on the way; False when something else is in the way."""
    here: Any = event
    for part in path[:-1]:
        if isinstance(here, list):
            if not part.isdecimal() or int(part) >= len(here):
                return False
            here = here[int(part)]
            continue
        if not isinstance(here, dict):
            return False
        if here.get(part) is None:
            here[part] = {}
        here = here[part]
    if isinstance(here, list) and path[-1].isdecimal() and int(path[-1]) < len(here):
        here[int(path[-1])] = value
    elif isinstance(here, dict):
        here[path[-1]] = value
    else:
        return False
    return True


def take(event: dict[str, Any], path: Path) -> Any:
    """Remove the field at a path and return its value, or `MISSING`."""
    parent = get(event, path[:-1])
    return parent.pop(path[-1], MISSING) if isinstance(parent, dict) else MISSING


def replace(event: dict[str, Any], changed: dict[str, Any]) -> None:
    """Make an event, in place, what a copy of it has become."""
    event.clear()
    event.update(changed)

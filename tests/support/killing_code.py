"""User code that ends the process for events of certain names: a transform and a hook."""

from __future__ import annotations

#: What ends a process, by the name of the item that does.
ENDS = {
    "exit": "os._exit(1)",
    "crash": "os.kill(os.getpid(), signal.SIGSEGV)",
    "loop": "exec('while True: pass')",
    "memory": "grown = [bytearray(1 << 24) for _ in iter(int, 1)]",
    "raise": "raise SystemExit(3)",
}
#: What is said of that.
HOW = {
    "exit": "ended with exit code 1",
    "crash": "killed by SIGSEGV",
    "loop": "took more than",
    "memory": "MemoryError",
    "raise": "SystemExit",
}


def transform_module(prefix: str = "") -> str:
    """With a transform `purchase`; before the names of items stands `prefix`."""
    return "\n".join(
        [
            "import os, signal",
            "def purchase(frame):",
            "    names = frame['event_details'].struct.field('item_name')",
            *(f"    if (names == '{prefix}{name}').any(): {code}" for name, code in ENDS.items()),
            "    return frame",
            "",
        ]
    )


def hook_module(prefix: str = "") -> str:
    """With a hook `repair`, which changes nothing; before the names of items stands `prefix`."""
    return "\n".join(
        [
            "import os, signal",
            "def repair(event, error):",
            "    name = (event.get('event_details') or {}).get('item_name')",
            *(f"    if name == '{prefix}{name}': {code}" for name, code in ENDS.items()),
            "    return event",
            "",
        ]
    )

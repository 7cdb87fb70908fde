"""Sends as an application does, through an unmodified library; prints which events the library gave up.

Arguments: module, address, directory, number of events. It sends the second half when the file `go` is there.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Send, flush, and say what was sent and what failed."""
    module, host, directory, count = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    failed: list[str] = []
    told: list[str] = []

    def on_error(error: Exception, items: list[dict[str, Any]]) -> None:
        told.append(str(error))
        failed.extend(item["messageId"] for item in items)

    client = importlib.import_module(f"{module}.client").Client(
        "KEY", host=host, on_error=on_error, upload_size=10, upload_interval=0.1, max_retries=20
    )
    half = count // 2
    for number in range(count):
        if number == half:
            directory.joinpath("half").touch()
            while not directory.joinpath("go").exists():
                time.sleep(0.05)
        own = f"{module}-{number}"
        details = {"order_id": number, "order_value": 9.5}
        client.track("7", "order_placed", details, message_id=own)
    for size, own in ((20_000, f"{module}-large"), (0, f"{module}-bad")):
        client.track("7", "order_placed", {"order_id": "x" * (size or 1), "order_value": 1}, message_id=own)
    client.identify("7", {"email": "a@b.example"})
    client.page("7", "shop", "Home")
    client.screen("7", "shop", "Cart")
    client.group("7", "g-1", {"name": "G"})
    client.alias("a-1", "7")
    client.flush()
    for size, own in ((1, "before"), (28_000, "huge"), (1, "after")):
        details = {"order_id": 1, "order_value": 1, "note": "x" * size}
        client.track("7", "order_placed", details, message_id=f"{module}-{own}")
    client.flush()
    client.join()
    print(json.dumps({"failed": failed, "told": told}))


if __name__ == "__main__":
    main()

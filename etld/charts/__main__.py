"""Draw what standard input asks for and end, so that matplotlib's memory leaves with the process.

Argument: the pid of its parent, with which it ends.
In: {"directory", "directory_mode", "file_mode", "keep", "dpi", "stamp", "drawn_at", "charts": [chart, …]} as JSON;
a mode may be null.
Out: {"paths": [path, …], "error": text or null}; exit code 1 with an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

from setproctitle import setproctitle

from etld.util.parent_death import end_with_parent


def main() -> int:
    """The process; drawing gives way to everything else on the machine."""
    with contextlib.suppress(OSError):
        # An aggregator of before an upgrade, not replaced yet, does not name itself.
        end_with_parent(int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid())
    with contextlib.suppress(OSError):
        os.nice(10)
    setproctitle("etld: drawing charts")
    order = json.load(sys.stdin)
    from etld.charts import files
    from etld.charts.render import render
    from etld.summaries.chart_model import Chart

    paths = []
    error = None
    try:
        # An aggregator of before an upgrade says nothing of permissions.
        files.make(Path(order["directory"]), order.get("directory_mode"))
        for given in order["charts"]:
            chart = Chart.from_dict(given)
            png = render(chart, order["dpi"], order["drawn_at"])
            directory, mode = Path(order["directory"]), order.get("file_mode")
            path = files.write(directory, chart.name, order["stamp"], png, order["keep"], mode)
            paths.append(str(path))
    except OSError as failure:
        error = f"cannot write charts to {order['directory']}: {failure.strerror or failure}"
    json.dump({"paths": paths, "error": error}, sys.stdout)
    return 1 if error else 0


if __name__ == "__main__":
    sys.exit(main())

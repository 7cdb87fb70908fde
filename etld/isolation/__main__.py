"""The process that forks the children that try: `python -P __main__.py CONTROL PROGRAM` (two descriptors)."""

from __future__ import annotations

import os
import pickle
import socket
import sys

if __name__ == "__main__":
    with os.fdopen(int(sys.argv[2]), "rb") as file:
        # The worker's own path: what it can import, this process can. Before anything of etld is known here.
        sys.path[:] = pickle.load(file)  # noqa: S301  # of the worker that started this process
        from etld.isolation.server import serve

        name, entry, payload, memory = pickle.load(file)  # noqa: S301  # as above
    serve(socket.socket(fileno=int(sys.argv[1])), name, entry, payload, memory)

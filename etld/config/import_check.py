"""Run as a program by `user_code`: imports functions one by one, and tells of each what is wrong with it.

Arguments: a descriptor to write to, the parent's pid, and JSON {"names", "path"}. Nothing of etld is
imported here: what the user's modules see is what they bring along.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys


def problem(name: str) -> str:
    """Why "module:function" cannot be had; "" when it can."""
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function, None)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            return f"there is no module {error.name!r}: it must be on PYTHONPATH or installed beside etld"
        return f"its import fails: {error}"
    except BaseException as error:
        return f"its import fails: {type(error).__name__}: {error}".partition("\n")[0]
    if found is None:
        return f"the module {module!r} has no function {function!r}"
    return "" if callable(found) else f"{function!r} in the module {module!r} is not a function"


def main() -> None:
    """Tell of one name after the other, each as soon as it is known."""
    output, parent, job = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG: end with the parent
    if os.getppid() != parent:
        return
    os.set_inheritable(output, False)
    sys.dont_write_bytecode = True
    sys.argv = [sys.argv[0]]
    sys.path[:] = job["path"]
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    for name in job["names"]:
        told = problem(name)
        os.write(output, json.dumps([name, told]).encode() + b"\n")
    os._exit(0)


if __name__ == "__main__":
    main()

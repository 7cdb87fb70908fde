"""List the parts of a wheel (SBOM).

PYTHON deploy/sbom.py PINS DIRECTORY writes in CycloneDX's JSON what the file PINS names, to etld-VERSION.cdx.json.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

import environment

TOOLS = environment.ROOT / "deploy" / "sbom.txt"


def version() -> str:
    """The version of etld."""
    (found,) = re.findall(r'__version__ = "(.*)"', (environment.ROOT / "etld/__init__.py").read_text())
    return str(found)


def write(pins: Path, file: Path) -> None:
    """Write it. Raises CalledProcessError when a tool fails."""
    with tempfile.TemporaryDirectory() as work:
        uv = environment.uv(Path(work, "uv"))
        tools = str(Path(work, "tools"))
        environment.run(uv, "venv", "--quiet", "--python", sys.executable, tools)
        environment.run(
            *(uv, "pip", "install", "--quiet", "--python", tools, "--no-deps", "--require-hashes", "-r", str(TOOLS))
        )
        # It warns that a file of pins does not tell what needs what.
        list_parts = (f"{tools}/bin/python", "-W", "ignore", "-m", "cyclonedx_py", "requirements")
        options = ("--output-reproducible", "--output-file", str(file))
        environment.run(*list_parts, *options, "--pyproject", str(environment.ROOT / "pyproject.toml"), str(pins))
    listed = json.loads(file.read_text())
    listed["metadata"]["component"]["version"] = version()  # which pyproject.toml does not tell
    file.write_text(json.dumps(listed, indent=1))


if __name__ == "__main__":
    pinned, directory = map(Path, sys.argv[1:3])
    made = directory / f"etld-{version()}.cdx.json"
    write(pinned, made)
    sys.stderr.write(f"{made.absolute()} ({made.stat().st_size // 1024} KiB)\n")

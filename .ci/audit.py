"""Are vulnerabilities known of what constraints.txt pins, and under which licences is it?

Asks https://osv.dev, the database behind pip-audit, with one request. Exit codes: 0 well; 1 a vulnerability, or a
licence that does not go with ours; 3 the service cannot be reached, so that nothing was looked up (0 with --notice).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import urllib.request
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_SERVICE = "https://api.osv.dev/v1/querybatch"
# What is distributed with etld, or imported by it, may not ask for etld's own source.
_REFUSED = re.compile(r"\b(A?GPL|Affero|SSPL|BUSL)|(?<!Lesser )General Public License", re.IGNORECASE)


def pins(name: str) -> list[tuple[str, str]]:
    """Names and versions, of a file of pins: a package may have several, for several versions of Python."""
    return re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", (ROOT / name).read_text(), re.MULTILINE)


def vulnerabilities(service: str, found: list[tuple[str, str]]) -> list[str]:
    """A line for each; raises OSError when the service does not answer, ValueError when it answers something else."""
    asked = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in found]
    body = json.dumps({"queries": asked}).encode()
    request = urllib.request.Request(service, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        results: Any = json.load(answer)["results"]
    return [
        f"{name} {version}: {one['id']} (https://osv.dev/vulnerability/{one['id']})"
        for (name, version), result in zip(found, results, strict=True)
        for one in result.get("vulns", ())
    ]


def licence(name: str) -> str:
    """What a package says of itself; "" where it is not installed."""
    try:
        of = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    named = [one.rpartition(" :: ")[2] for one in of.get_all("Classifier", []) if one.startswith("License ::")]
    text = of.get("License-Expression") or "; ".join(named) or (of.get("License") or "").strip().partition("\n")[0]
    return text or "not told"


def main() -> int:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notice", action="store_true", help="a service that cannot be reached is no failure")
    parser.add_argument("--service", default=_SERVICE, help="where to ask (%(default)s)")
    chosen = parser.parse_args()
    everything, own = pins("constraints.txt"), {name for name, _ in pins("deploy/requirements.txt")}
    wrong = []
    for name, version in everything:
        found = licence(name)
        if found:
            print(f"{name:28} {version:16} {found}")
        if name in own and _REFUSED.search(found):
            wrong.append(f"{name} {version}: the licence {found!r} does not go with etld's")
    unreachable = False
    try:
        wrong += vulnerabilities(chosen.service, everything)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        unreachable = True
        print(f"NOT CHECKED for vulnerabilities: {chosen.service} cannot be asked: {error}", file=sys.stderr)
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong and not unreachable:
        print(f"no vulnerability is known of {len(everything)} pins")
    return 1 if wrong else 3 if unreachable and not chosen.notice else 0


if __name__ == "__main__":
    sys.exit(main())

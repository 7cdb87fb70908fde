"""`make faults`: every fault, or the ones named with --only."""

from __future__ import annotations

import sys

from faults.command import Suite, main
from faults.scenarios import load_all
from faults.system import System

if __name__ == "__main__":
    sys.exit(main(Suite("faults", "Hurt a real etld and count every event.", load_all(), System)))

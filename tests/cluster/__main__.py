"""`make cluster`: every fault of many hosts, or the ones named with --only."""

from __future__ import annotations

import sys

from cluster.scenarios import load_all
from cluster.system import ClusterSystem
from faults.command import Suite, main

if __name__ == "__main__":
    about = "Hurt a real cluster of etld, Kafka and PostgreSQL, and count every event."
    sys.exit(main(Suite("cluster", about, load_all(), ClusterSystem)))

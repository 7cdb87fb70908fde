"""Whatever the kernel's hash does, a few rounds even the connections out."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from etld.ingest.http.connection_balancer import ConnectionBalancer


@pytest.mark.parametrize("processes", [2, 3, 4, 6])
@pytest.mark.parametrize("seed", range(5))
def test_64_connections_end_within_a_factor_of_1_5(tmp_path: Path, processes: int, seed: int) -> None:
    source = Random(seed)
    tables = [ConnectionBalancer(tmp_path / "table", index) for index in range(processes)]
    counts = [0] * processes
    for _ in range(64):
        counts[source.randrange(processes)] += 1
    for second in range(60):
        for index, table in enumerate(tables):
            surplus = table.surplus(counts[index], 1000.0 + second)
            counts[index] -= surplus
            for _ in range(surplus):
                counts[source.randrange(processes)] += 1
    assert max(counts) <= 1.5 * min(counts)


def test_the_count_of_a_process_that_is_gone_does_not_count(tmp_path: Path) -> None:
    one, two = ConnectionBalancer(tmp_path / "table", 0), ConnectionBalancer(tmp_path / "table", 1)
    assert two.surplus(10, 1000.0) == 0
    assert one.surplus(100, 1000.0) == 45
    assert one.processes == 2
    assert one.surplus(100, 1010.0) == 0
    two.surplus(10, 1010.0)
    two.close()
    assert one.surplus(100, 1010.0) == 0

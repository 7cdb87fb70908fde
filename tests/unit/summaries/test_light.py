"""Parts that are started often, or are many, load no library that they have no use for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from etld.charts.panels import DRAWERS
from etld.config.sections.summaries import PanelSection
from etld.summaries.chart_model import PANEL_KINDS


@pytest.mark.integration
def test_the_check_of_summaries_loads_no_client() -> None:
    """The supervisor runs it."""
    heavy = "{'psycopg', 'polars', 'matplotlib', 'confluent_kafka', 'aiohttp', 'fastavro'}"
    assert _loaded("etld.summaries.config_check", heavy) == ""


@pytest.mark.integration
@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("etld.setup.main, etld.corrector.handler, etld.reconcile.run, etld.reconcile.trace", "{'polars'}"),
        ("etld.deadletters.service", "{'polars', 'numpy', 'confluent_kafka'}"),
    ],
)
def test_who_has_no_use_for_frames_or_a_broker_does_without(modules: str, heavy: str) -> None:
    """Frames are a third of the start of a command and of the corrector's memory."""
    assert _loaded(modules, heavy) == ""


def _loaded(modules: str, of: str) -> str:
    """Which of some libraries come with some modules."""
    code = f"import sys, {modules}; print(*sorted({of} & set(sys.modules)), end='')"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_every_kind_of_panel_can_be_configured_and_drawn() -> None:
    """The configuration, the model and the drawing know the same kinds."""
    (known,) = (PanelSection.model_json_schema()["properties"]["kind"]["enum"],)
    assert set(known) == PANEL_KINDS.keys() == DRAWERS.keys()

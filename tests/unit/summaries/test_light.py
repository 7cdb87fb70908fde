"""The check of the configuration knows what a summary is without the libraries that keep one."""

from __future__ import annotations

import subprocess
import sys

from etld.charts.panels import DRAWERS
from etld.config.sections.summaries import PanelSection
from etld.summaries.chart_model import PANEL_KINDS


def test_the_check_of_summaries_loads_no_client() -> None:
    """The supervisor runs it."""
    heavy = "{'psycopg', 'polars', 'matplotlib', 'confluent_kafka', 'aiohttp', 'fastavro'}"
    code = f"import sys, etld.summaries.config_check; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_kind_of_panel_can_be_configured_and_drawn() -> None:
    """The configuration, the model and the drawing know the same kinds."""
    (known,) = (PanelSection.model_json_schema()["properties"]["kind"]["enum"],)
    assert set(known) == PANEL_KINDS.keys() == DRAWERS.keys()

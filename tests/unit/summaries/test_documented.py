"""The example of docs/summaries.md is one that works."""

from __future__ import annotations

import json
import re
from pathlib import Path

from etld.config import parse
from etld.summaries import definition
from etld.supervisor.config_checks import CHECKS

ROOT = Path(__file__).parents[3]


def test_the_example_is_a_summary_and_a_chart(tmp_path: Path) -> None:
    """With an event type as the text describes it; nothing in it is a mistake."""
    example = re.search(r"```toml\n(.*?)```", (ROOT / "docs/summaries.md").read_text(), re.DOTALL)
    assert example is not None
    (tmp_path / "schemas").symlink_to(ROOT / "schemas")
    schema = json.loads((ROOT / "schemas/purchase.avsc").read_text())
    details = next(field for field in schema["fields"] if field["name"] == "event_details")["type"]
    details["fields"] = [{"name": "reason", "type": "string"}, {"name": "amount", "type": "double"}]
    (tmp_path / "refund.avsc").write_text(json.dumps(schema))
    refund = '[event_types.refund]\ntopic = "event_refund"\nschema = "refund.avsc"\n'
    text = f"{(ROOT / 'config/etld.toml').read_text()}\n{refund}\n{example[1]}"
    config = parse(text, tmp_path / "etld.toml", {}, CHECKS)
    (summary,) = (one for one in definition.read(config.summaries, config.event_types) if one.name == "refunds")
    assert [measure.name for measure in summary.measures] == ["refunds", "amount", "largest", "mean"]

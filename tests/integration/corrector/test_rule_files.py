"""The way of a rule in a file of its own: tried, added, taken up, at work, counted, removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event, purchase

pytestmark = pytest.mark.integration

RULE = """# prices with a comma
name = "comma"
match = { event_type = "purchase", where = { "event_details.price" = { matches = "," } } }
steps = [{ parse_number = "event_details.price" }]
"""


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Any:
    """A daemon with one rule of its own, and an empty directory for others."""
    made = make_daemon()
    (made.directory / "rules").mkdir(mode=0o755)
    made.configure({"corrector.rules": [{"name": "trim", "steps": [{"trim": "*"}]}], "corrector.rules_dir": "./rules"})
    with made.running():
        yield EtldClient(made)


def rules(etld: EtldClient) -> dict[str, Any]:
    """What `etld dlq rules list` tells, by name."""
    told = etld.daemon.cli("dlq", "rules", "list", "--json").stdout.splitlines()
    return {rule["name"]: rule for rule in map(json.loads, told)}


def test_a_rule_is_tried_added_and_repairs(etld: EtldClient) -> None:
    """Tried only on letters that it is for; after `add --reload` and a replay they are stored, and counted."""
    daemon = etld.daemon
    wrong = purchase(price="12,5")
    etld.track(wrong)
    other = etld.track(event("order", {"order_value": "x"}))
    for event_id in (wrong["event_id"], other["event_id"]):
        etld.letter(event_id, "parked")
    (group,) = (one["group"] for one in daemon.json("dlq", "stats")["errors"] if one["event_type"] == "purchase")
    assert 'parse_number = "event_details.price"' in daemon.cli("dlq", "rules", "draft", group).stdout
    file = daemon.directory / "comma.toml"
    file.write_text(RULE)
    summed = daemon.json("dlq", "test", "--file", str(file), "--all", "--summary")
    assert (summed["repaired"], summed["broken"], summed["unmatched"], summed["over"]) == (1, 0, 1, True)
    assert summed["samples"][0]["changes"] == [{"path": "event_details.price", "before": '"12,5"', "after": "12.5"}]
    tried = daemon.cli("dlq", "test", "--file", str(file))
    assert "repaired by comma" in tried.stdout
    assert "event_details.price: 12,5 -> 12.5" in tried.stdout.replace('"', "")
    assert "1 would be repaired, 0 would stay broken, 1 do not match; nothing was changed" in tried.stdout
    assert list((daemon.directory / "rules").iterdir()) == []

    added = daemon.cli("dlq", "rules", "add", str(file), "--as", "10-comma.toml", "--reload").stdout
    assert "reload   corrector-0  (corrector.rules)" in added
    assert "nothing has changed" in daemon.cli("reload").stdout
    daemon.cli("dlq", "replay", wrong["event_id"])
    etld.letter(wrong["event_id"], "resolved")
    assert etld.price(wrong["event_id"]) == 12.5
    told = rules(etld)
    assert list(told) == ["trim", "comma"]
    assert (told["comma"]["repaired"], told["trim"]["repaired"]) == (1, 0)
    assert told["comma"]["file"] == str(daemon.directory / "rules" / "10-comma.toml")
    assert "# repaired 1, failed 0" in daemon.cli("dlq", "rules", "show", "comma").stdout


def test_a_reload_sees_each_file(etld: EtldClient) -> None:
    """One that came, changed or went is a change of the corrector; a comment is none; a mistake changes nothing."""
    daemon = etld.daemon
    path = daemon.directory / "rules" / "30-upper.toml"
    path.write_text('name = "upper"\nsteps = [{ upper = "event_name" }]\n')

    def planned() -> list[str]:
        told = daemon.json("reload", "--dry-run")
        assert [step["worker"] for step in told["plan"]] in ([], ["corrector-0"])
        return [str(key) for key in told["changed"]]

    assert planned() == ["corrector.rules"]
    daemon.cli("reload")
    path.write_text(path.read_text() + "# a comment\n")
    assert planned() == []
    path.write_text(path.read_text().replace("upper =", "lower ="))
    assert planned() == ["corrector.rules"]
    path.write_text(path.read_text().replace("lower =", "lover ="))
    for command in (["reload"], ["reload", "--dry-run"], ["config", "check"]):
        refused = daemon.cli(*command, check=False)
        assert refused.returncode == 1
        assert f"{path}:2: steps[0].lover: unknown step 'lover'; did you mean 'lower'?" in refused.stderr
    path.chmod(0o646)
    path.write_text('name = "upper"\nsteps = [{ upper = "event_name" }]\n')
    assert f"corrector.rules_dir: {path} may be written by everybody" in daemon.cli("reload", check=False).stderr
    path.chmod(0o644)
    removed = daemon.cli("dlq", "rules", "remove", "upper", "--yes", "--reload").stdout
    assert "reload   corrector-0  (corrector.rules)" in removed
    assert not path.exists()
    assert "upper" not in rules(etld)


def test_a_rule_that_is_added_waits_for_a_reload(etld: EtldClient, tmp_path: Path) -> None:
    """Without --reload nothing has taken it up; and a rule of etld.toml stays."""
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.toml").write_text(f'name = "{name}"\nsteps = [{{ trim = "*" }}]\n')
        assert "`etld reload`" in etld.daemon.cli("dlq", "rules", "add", str(tmp_path / f"{name}.toml")).stdout
    assert list(rules(etld)) == ["trim", "comma", "a", "b", "c"]
    refused = etld.daemon.cli("dlq", "rules", "remove", "trim", "--yes", check=False)
    assert refused.returncode == 1
    assert f"rule 'trim' stands in {etld.daemon.config_path}:" in refused.stderr
    assert etld.daemon.json("reload", "--dry-run")["changed"] == ["corrector.rules"]

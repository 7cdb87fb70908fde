"""`etld dlq rules`, `config check` and `config show` on rules in files of their own, without a daemon."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etld.cli import cli
from etld.config import refuse_unsafe_files
from etld.errors import ConfigError, EtldError
from etld.supervisor.config_checks import load

RULE = '# ours\nname = "{}"\nmatch = {{ event_type = "a" }}\nsteps = [{{ trim = "*" }}]\n'
IN_TABLE = '[[corrector.rules]]\nname = "{}"\nsteps = [{{ trim = "*" }}]\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small configuration with a rule of its own, an empty directory for others, and a file with a rule."""
    names = ("event_id", "event_name", "event_type", "triggered_at", "user_details", "event_details")
    record = {"type": "record", "fields": []}
    types = ["string"] * 3 + [{"type": "long", "logicalType": "timestamp-micros"}]
    types += [{**record, "name": "U"}, {**record, "name": "E"}]
    fields = [{"name": name, "type": kind} for name, kind in zip(names, types, strict=True)]
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "a.avsc").write_text(json.dumps({"type": "record", "name": "A", "fields": fields}))
    (tmp_path / "rules").mkdir(mode=0o755)
    text = '[event_types.a]\n[corrector]\nrules_dir = "rules"\n' + IN_TABLE.format("own")
    (tmp_path / "etld.toml").write_text(text)
    (tmp_path / "etld.toml").chmod(0o644)
    (tmp_path / "mine.toml").write_text(RULE.format("mine"))
    return tmp_path


def run(root: Path, *arguments: str, given: str = "") -> Result:
    """Run `etld ARGUMENTS`."""
    return CliRunner(env={"ETLD_CONFIG": ""}).invoke(cli, ["--config", str(root / "etld.toml"), *arguments], given)


def mistakes(root: Path) -> list[str]:
    """What `etld config check` says, below the root."""
    done = run(root, "config", "check")
    assert done.exit_code == 1, done.stdout
    return [line.replace(f"{root}/", "") for line in done.stderr.splitlines()]


def names(root: Path) -> list[str]:
    """The rules in their order."""
    return [json.loads(line)["name"] for line in run(root, "dlq", "rules", "list", "--json").stdout.splitlines()]


def test_a_rule_that_is_added_keeps_its_text_and_can_go_again(root: Path) -> None:
    """After those of the configuration's file, in the order of the names; in every command that shows rules."""
    done = run(root, "dlq", "rules", "add", str(root / "mine.toml"), "--as", "20-mine.toml")
    assert "etld reload" in done.stdout
    assert (root / "rules" / "20-mine.toml").read_text() == RULE.format("mine")
    assert (root / "rules" / "20-mine.toml").stat().st_mode & 0o777 == 0o644
    added = run(root, "dlq", "rules", "add", "-", "--as", "10-first.toml", "--json", given=IN_TABLE.format("first"))
    assert json.loads(added.stdout)["file"] == str(root / "rules" / "10-first.toml")
    assert names(root) == ["own", "first", "mine"]
    assert [
        rule["name"] for rule in json.loads(run(root, "config", "show", "--json").stdout)["corrector"]["rules"]
    ] == [
        "own",
        "first",
        "mine",
    ]
    listed = run(root, "dlq", "rules", "list").stdout
    assert "etld.toml:4" in listed
    assert "20-mine.toml" in listed
    assert "event_type a" in listed
    assert RULE.format("mine") in run(root, "dlq", "rules", "show", "mine").stdout
    assert f"# {root}/etld.toml:4" in run(root, "dlq", "rules", "show", "own").stdout
    assert run(root, "dlq", "rules", "remove", "first").exit_code == 0
    assert names(root) == ["own", "mine"]


def test_a_rule_can_be_replaced_in_its_file(root: Path) -> None:
    """Only when that is said, and by one of the same name."""
    assert run(root, "dlq", "rules", "add", str(root / "mine.toml"), "--as", "20-mine.toml").exit_code == 0
    text = RULE.format("mine") + "# changed\n"
    (root / "mine.toml").write_text(text)
    refused = run(root, "dlq", "rules", "add", str(root / "mine.toml"))
    assert f"a rule 'mine' already, in {root}/rules/20-mine.toml; --replace" in str(refused.exception)
    assert run(root, "dlq", "rules", "add", str(root / "mine.toml"), "--replace").exit_code == 0
    assert [path.name for path in (root / "rules").iterdir()] == ["20-mine.toml"]
    assert (root / "rules" / "20-mine.toml").read_text() == text


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (RULE.format("own"), (), "there is a rule 'own' already, in {root}/etld.toml:4"),
        (RULE.format("own"), ("--replace",), "there is a rule 'own' already, in {root}/etld.toml:4"),
        (RULE.format("x"), ("--as", "there.toml"), "rules/there.toml is there already"),
        (RULE.format("x"), ("--as", "../x.toml"), "is no name for a rule's file"),
        (RULE.format("x"), ("--as", ".x.toml"), "is no name for a rule's file"),
        (RULE.format("x"), ("--as", "x.txt"), "is no name for a rule's file"),
        ('name = "x"\nsteps = [{ trin = "*" }]\n', (), "mine.toml:2: steps[0].trin: unknown step"),
        ('name = "x"\nnome = 1\nsteps = [{ trim = "*" }]\n', (), "mine.toml:2: nome: unknown key"),
        (f'name = "{"x" * 101}"\nsteps = [{{ trim = "*" }}]\n', (), "mine.toml:1: name: expected a length of at most"),
        ('name = "x"\nhook = "nowhere:f"\n', (), "mine.toml:2: hook: there is no module 'nowhere'"),
        (
            'name = "x"\nhook = "broken_hooks:f"\n',
            (),
            "mine.toml:2: hook: broken_hooks:f: its import fails: ZeroDivisionError",
        ),
        ('steps = [{ trim = "*" }]\n', (), "mine.toml: name: is missing"),
        (IN_TABLE.format("x") + IN_TABLE.format("y"), (), "mine.toml:4: holds 2 rules"),
        (IN_TABLE.format("x") + "[corrector]\nrate = 1\n", (), "mine.toml"),
        ("[log]\nlevel = 'info'\n" + IN_TABLE.format("x"), (), "mine.toml:1: log: a file of corrector.rules_dir holds"),
        ("= 1", (), "mine.toml:1: not TOML"),
        ("", (), "mine.toml: has no rules"),
    ],
)
def test_what_cannot_be_a_rule_is_not_written(
    root: Path, monkeypatch: pytest.MonkeyPatch, text: str, options: tuple[str, ...], words: str
) -> None:
    """With the place of the mistake in the file that was given; nothing changes."""
    monkeypatch.syspath_prepend(root)
    (root / "broken_hooks.py").write_text("1 / 0\ndef f(event, error): ...\n")
    (root / "rules" / "there.toml").write_text(RULE.format("there"))
    (root / "mine.toml").write_text(text)
    done = run(root, "dlq", "rules", "add", str(root / "mine.toml"), *options)
    assert words.format(root=root) in str(done.exception)
    assert isinstance(done.exception, EtldError)
    assert names(root) == ["own", "there"]


def test_a_rule_of_the_configurations_file_is_taken_out_there(root: Path) -> None:
    """The command says where it stands; and what is meant by a name that is none."""
    assert f"rule 'own' stands in {root}/etld.toml:4" in str(run(root, "dlq", "rules", "remove", "own").exception)
    assert 'did you mean "own"' in str(run(root, "dlq", "rules", "show", "Own").exception)
    assert "there is no rule" in str(run(root, "dlq", "rules", "remove", "nothing_like_it").exception)


def test_without_a_directory_the_command_says_what_to_do(root: Path) -> None:
    """None is named; the one that is named is not there; is no directory."""
    text = (root / "etld.toml").read_text()
    (root / "etld.toml").write_text(text.replace('rules_dir = "rules"\n', ""))
    assert "rules_dir names no directory" in str(run(root, "dlq", "rules", "add", str(root / "mine.toml")).exception)
    (root / "etld.toml").write_text(text.replace('"rules"', '"mine.toml"'))
    told = (
        "etld.toml:3: corrector.rules_dir: there is no directory mine.toml: make it, or leave the key out (ETLD-C008)"
    )
    assert mistakes(root) == [told]


def test_every_mistake_of_every_file_has_its_file_line_and_key(root: Path) -> None:
    """Also beside mistakes of the configuration's file; what is none of ours is left alone."""
    rules = root / "rules"
    (rules / "10.toml").write_text('name = "own"\nsteps = [{ trim = "*" }]\n')
    (rules / "20.toml").write_text('name = "x"\nsteps = [{ trin = "*" }]\nnome = 1\n')
    (rules / "30.toml").write_text('name = "y"\nsteps = [\n')
    (rules / "40.toml").write_text("")
    (rules / "50.toml").symlink_to("nowhere")
    (rules / "60.toml").write_bytes(b'name = "z"\nsteps = "\xff"\n')
    (rules / "70.toml").write_text('[[corrector.rules]]\nname = "z"\nhook = "nowhere:f"\n')
    (rules / "80.toml").write_text('name = "z"\nsteps = [{ trim = "*" }]\n')
    (rules / "README.md").write_text("not TOML")
    (rules / ".hidden.toml").write_text("not TOML")
    (root / "etld.toml").write_text((root / "etld.toml").read_text() + "[log]\nlevel = 'loud'\n")
    told = mistakes(root)
    wanted = [
        "etld.toml:8: log.level: expected",
        "rules/10.toml:1: name: two rules are called 'own': the other is in etld.toml:4",
        "rules/20.toml:2: steps[0].trin: unknown step 'trin'; did you mean 'trim'?",
        "rules/20.toml:3: nome: unknown key",
        "rules/30.toml:3: not TOML: the list that [ opens on line 2 is not closed",
        "rules/40.toml: has no rules",
        "rules/50.toml: cannot be read: No such file or directory",
        "rules/60.toml:2: expected UTF-8",
        "rules/70.toml:3: corrector.rules[0].hook: there is no module 'nowhere'",
        "rules/80.toml:1: name: two rules are called 'z': the other is in rules/70.toml",
    ]
    assert [line[: len(start)] for line, start in zip(told, wanted, strict=True)] == wanted
    found = json.loads(run(root, "config", "check", "--json").stdout)["problems"]
    assert {one.get("file") for one in found} == {None, *(str(rules / f"{n}0.toml") for n in range(1, 9))}


def test_a_hook_that_cannot_be_imported_has_the_place_of_its_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of the configuration's file has."""
    monkeypatch.syspath_prepend(root)
    (root / "broken_hooks.py").write_text("1 / 0\ndef f(event, error): ...\n")
    (root / "rules" / "a.toml").write_text('name = "x"\nhook = "broken_hooks:f"\n')
    assert mistakes(root) == [
        "rules/a.toml:2: hook: broken_hooks:f: its import fails: ZeroDivisionError: division by zero (ETLD-W001)"
    ]


def test_files_that_everybody_may_write_are_refused(root: Path) -> None:
    """As the configuration's own is; the directory too, in which anybody could put a rule."""
    refuse_unsafe_files(load(root / "etld.toml", {}))
    rule = root / "rules" / "mine.toml"
    rule.write_text(RULE.format("mine"))
    rule.chmod(0o646)
    with pytest.raises(EtldError, match=r"corrector\.rules_dir: .*mine\.toml may be written by everybody"):
        refuse_unsafe_files(load(root / "etld.toml", {}))
    rule.unlink()
    (root / "rules").chmod(0o1777)
    with pytest.raises(EtldError, match=r"corrector\.rules_dir: .*rules may be written by everybody"):
        refuse_unsafe_files(load(root / "etld.toml", {}))
    refused = run(root, "dlq", "rules", "add", str(root / "mine.toml"))
    assert "may be written by everybody" in str(refused.exception)


def test_the_directory_may_come_from_a_variable(root: Path) -> None:
    """As any key; and a mistake there is told of the variable."""
    (root / "other").mkdir()
    (root / "other" / "mine.toml").write_text(RULE.format("mine"))
    config = load(root / "etld.toml", {"ETLD_CORRECTOR__RULES_DIR": "other"})
    assert [rule.name for rule in config.corrector.rules] == ["own", "mine"]
    with pytest.raises(ConfigError, match=r"there is no directory .*gone.*\(from ETLD_CORRECTOR__RULES_DIR\)"):
        load(root / "etld.toml", {"ETLD_CORRECTOR__RULES_DIR": "gone"})


@pytest.mark.integration
def test_of_many_that_add_one_rule_one_succeeds(root: Path) -> None:
    """The others are told that there is one; files of others stay."""
    code = "import sys; from etld.cli import main; main()"
    text = RULE.format("mine")
    children = []
    for number in range(4):
        (root / f"{number}.toml").write_text(text)
        command = [sys.executable, "-c", code, "--config", str(root / "etld.toml"), "dlq", "rules", "add"]
        children.append(subprocess.Popen([*command, str(root / f"{number}.toml")], stderr=subprocess.PIPE, text=True))
    told = [child.communicate()[1] for child in children]
    assert sorted(child.returncode for child in children) == [0, 1, 1, 1]
    assert sum("there is a rule 'mine' already" in one for one in told) == 3
    assert names(root) == ["own", "mine"]

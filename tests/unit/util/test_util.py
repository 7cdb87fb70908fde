"""What several folders need once: pauses, rates, suggestions, texts, files, ports, the death of a parent."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld.util.backoff import Backoff
from etld.util.exit_status import describe
from etld.util.files import write_atomically
from etld.util.ports import LOOPBACK, free_port, is_free
from etld.util.suggest import did_you_mean, nearest
from etld.util.text import one_line, shortened
from etld.util.token_bucket import TokenBucket

# -- backoff


def test_pauses_double_up_to_the_longest() -> None:
    """Without jitter they are exact; after a success they begin anew."""
    backoff = Backoff(0.5, 3.0, jitter=0.0)
    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next() == 0.5


def test_pauses_are_spread() -> None:
    """Each within the share of its value, and not two who wait the same."""
    firsts = [Backoff(1.0, 8.0, jitter=0.3).next() for _ in range(200)]
    assert all(0.7 <= pause <= 1.3 for pause in firsts)
    assert max(firsts) > 1.05
    assert min(firsts) < 0.95
    backoff = Backoff(1.0, 8.0, jitter=0.3)
    assert all(0.7 * step <= backoff.next() <= 1.3 * step for step in (1, 2, 4, 8, 8))


# -- token bucket


def test_a_burst_passes_and_then_the_rate() -> None:
    """What is saved goes at once; the next waits until its token has come; a refused try takes nothing."""
    bucket = TokenBucket(rate=10, capacity=5, now=0.0)
    assert [bucket.take(1, 0.0) for _ in range(5)] == [0.0] * 5
    assert bucket.take(1, 0.0) == pytest.approx(0.1)
    assert bucket.take(1, 0.05) == pytest.approx(0.05)
    assert bucket.take(1, 0.1) == 0.0


def test_no_more_is_saved_than_the_capacity() -> None:
    """However long nothing came."""
    bucket = TokenBucket(rate=10, capacity=5, now=0.0)
    assert bucket.available(1000.0) == 5.0
    assert TokenBucket(rate=0.1, capacity=0.1, now=0.0).take(1, 0.0) == 0.0


def test_a_batch_larger_than_the_bucket_is_paid_off() -> None:
    """It passes, and nothing else does until its debt is gone."""
    bucket = TokenBucket(rate=10, capacity=5, now=0.0)
    assert bucket.take(25, 0.0) == 0.0
    assert bucket.available(0.0) == -20.0
    assert bucket.take(1, 1.0) == pytest.approx(1.1)
    assert bucket.take(1, 2.1) == 0.0


def test_tokens_may_be_spent_unasked_and_given_back() -> None:
    """For what another limit decides."""
    bucket = TokenBucket(rate=1, capacity=5, now=0.0)
    bucket.spend(7)
    assert bucket.available(0.0) == -2.0
    bucket.give_back(3)
    assert bucket.available(0.0) == 1.0


@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0, 0.5)), min_size=1, max_size=60))
def test_the_long_run_rate_holds_for_any_mixture(calls: list[tuple[int, float]]) -> None:
    """Taken in all: at most the burst, what came in the time, and the one batch that made the debt."""
    bucket, now, taken, largest = TokenBucket(20, 10, 0.0), 0.0, 0, 0
    for count, pause in calls:
        now += pause
        if bucket.take(count, now) == 0.0:
            taken += count
            largest = max(largest, count)
    assert taken <= 10 + 20 * now + largest


# -- suggestions


def test_the_nearest_name() -> None:
    """Whatever the case, underscores and hyphens; as it is written where it is known."""
    known = ("user_id", "price", "itemName")
    assert nearest("userId", known) == "user_id"
    assert nearest("PRICE", known) == "price"
    assert nearest("pirce", known) == "price"
    assert nearest("item-name", known) == "itemName"
    assert nearest("i-t-e-m-n-a-m-e", known, likeness=1.0) == "itemName"
    assert nearest("carrier", known) is None
    assert nearest("price", ()) is None


def test_how_like_it_must_be() -> None:
    """The caller says."""
    assert nearest("prize", ("price",), likeness=0.9) is None
    assert nearest("prize", ("price",), likeness=0.5) == "price"


def test_no_work_for_a_word_of_any_length() -> None:
    """A stranger's long word is not compared with all that is known."""
    assert nearest("x" * 64, ("x" * 63,)) == "x" * 63
    assert nearest("x" * 65, ("x" * 64,)) is None


def test_did_you_mean() -> None:
    """The end of a sentence, or nothing."""
    assert did_you_mean("pric", ("price", "carrier")) == '; did you mean "price"?'
    assert did_you_mean("zzz", ("price", "carrier")) == ""


# -- texts


def test_a_text_on_one_line() -> None:
    """An error's too; every run of white space is one blank."""
    assert one_line("  a\n\tb   c\r\n") == "a b c"
    assert one_line(ValueError("two\nlines")) == "two lines"


def test_a_text_cut_to_a_length() -> None:
    """The ellipsis counts."""
    assert shortened("12345", 5) == "12345"
    assert shortened("123456", 5) == "1234…"


# -- files


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Who has the old one open reads it to its end; the name is the new one's; nothing is left beside."""
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    with path.open("rb") as before:
        write_atomically(path, b"new content")
        assert before.read() == b"old"
    assert path.read_bytes() == b"new content"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("durable", [True, False])
def test_a_new_file_has_the_mode_that_was_asked_for(tmp_path: Path, mode: int, durable: bool) -> None:
    """Whatever the umask, and whatever the file before it had."""
    path = tmp_path / "secret"
    path.touch(0o666)
    before = os.umask(0o077)
    try:
        write_atomically(path, b"x", mode=mode, durable=durable)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """The old one stays, and no part lies beside it."""
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(taken, b"x")
    assert list(tmp_path.iterdir()) == [taken]
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "file", b"x")


# -- ports


def test_a_port_is_free_until_somebody_listens() -> None:
    """And again when that one has gone."""
    port = free_port()
    assert is_free(port)
    with socket.socket() as sock:
        sock.bind((LOOPBACK, port))
        sock.listen()
        assert not is_free(port)
    assert is_free(port)


# -- the death of a parent


#: A parent that forks a child, which ends with it by the signal that is named.
_PARENT = """
import os, signal, sys, time
from etld.util.parent_death import end_with_parent
parent = os.getpid()
if os.fork() == 0:
    end_with_parent(parent, signal.Signals(int(sys.argv[1])))
    print("ready", flush=True)
time.sleep(60)
"""


def ends(reader: int, within: float) -> bool:
    """Does the pipe's last writer go within so many seconds?"""
    os.set_blocking(reader, False)
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            return os.read(reader, 1) == b""
        except BlockingIOError:
            time.sleep(0.01)
    return False


@pytest.mark.parametrize("death_signal", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_its_parent(death_signal: signal.Signals) -> None:
    """Even when the parent is killed: the pipe that both hold comes to its end."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(int(death_signal))], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == b"ready\n"
        assert not ends(parent.stdout.fileno(), 0.2)
        parent.kill()
        parent.wait()
        assert ends(parent.stdout.fileno(), 10.0)


def test_a_child_whose_parent_has_gone_already_ends_at_once() -> None:
    """No signal would come any more."""
    program = "import os; from etld.util.parent_death import end_with_parent; end_with_parent(os.getppid() + 1)"
    assert subprocess.run([sys.executable, "-c", f"{program}; os._exit(7)"], check=False).returncode == 1


def test_exit_codes_in_words() -> None:
    """Signals by name."""
    assert describe(3) == "ended with exit code 3"
    assert describe(-9) == "killed by SIGKILL"
    assert describe(-99) == "killed by signal 99"

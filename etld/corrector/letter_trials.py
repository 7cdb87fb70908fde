"""Letters that may end the corrector are tried in a process of their own before it works on them.

Which letters that are, the note of what is in hand says (`etld.isolation.in_hand`), and for a while after one was found
that ends processes, all. A letter that is tried is set aside in the table, so the others go on.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from typing import TYPE_CHECKING

from etld.deadletters.rules import hook
from etld.deadletters.trials import Trials
from etld.isolation.fork_server import ForkServer, Order
from etld.isolation.in_hand import PREPARING, Held, InHand, Killer, text_of
from etld.isolation.program import Program, memory_for
from etld.isolation.search import Death, Means, SearchStopped, search
from etld.schemas.registry.asked import schema_texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from etld.config import Config
    from etld.deadletters.letters import Attempt, PendingLetter
    from etld.isolation.program import Ending
    from etld.worker import Worker

    Item = tuple[PendingLetter, Sequence[Attempt]]

log = logging.getLogger("etld.corrector")

#: What all letters have in common, for the note.
_KIND = "letter"
#: Seconds for which all letters are tried after one that ended a process.
_CAREFUL = 60.0


class LetterTrials(Trials):
    """Of one worker. `problem` is what is searched, in words, or None."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        path = worker.config.state_dir / "in-hand" / worker.name
        self._note = InHand(path, ended_by_itself=worker.ended_by_itself)
        self._suspects = {one.key for one in self._note.suspects()}
        self._lock = threading.Lock()
        self._config = worker.config
        self._server: ForkServer | None = None
        #: What a life before has found counts: each search takes its time.
        self._verdicts: dict[str, Death | None] = {
            one.held.key: Death(one.stage, one.how, one.times) for one in self._note.killers
        }
        self._under_way: set[str] = set()
        self._killers = 0
        self._pages: queue.SimpleQueue[Sequence[Item]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.problem: str | None = None
        for one in self._suspects:
            log.warning("this worker ended with the same dead letter in hand before: %s", one)
        if self._suspects:
            # Where one letter ends processes, more may: each of them would cost a life of the worker.
            self._note.be_careful(_KIND, _CAREFUL)

    # -- for the repairer

    @property
    def under_way(self) -> Collection[str]:
        """Those whose search has not come to its end."""
        with self._lock:
            return tuple(self._under_way)

    def verdicts(self) -> Mapping[str, Death | None]:
        """What was found so far."""
        with self._lock:
            return dict(self._verdicts)

    def wants(self, letter: str) -> bool:
        """Is it suspect, or are all letters for a while?"""
        return letter in self._suspects or letter in self._under_way or bool(self._note.careful)

    def submit(self, items: Sequence[Item]) -> None:
        """Have them tried one page after another, in a thread of their own."""
        with self._lock:
            page = [item for item in items if item[0].id not in self._under_way]
            self._under_way |= {letter.id for letter, _ in page}
        if not page:
            return
        self._pages.put(page)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="search", daemon=True)
            self._thread.start()

    def holding(self, letters: Iterable[str]) -> contextlib.AbstractContextManager[None]:
        """Note them as in hand."""
        return self._note.holding(PREPARING, text_of(Held(_KIND, one) for one in letters))

    def suspect(self, letter: str) -> None:
        """Try it next time."""
        self._suspects.add(letter)
        self._note.suspect([Held(_KIND, letter)])

    def settled(self, letters: Iterable[str]) -> None:
        """Nobody needs to look at these again."""
        with self._lock:
            for one in letters:
                self._verdicts.pop(one, None)
                self._suspects.discard(one)
                if self._note.suspicions or self._note.killers:
                    self._note.passed(Held(_KIND, one))

    # -- for the role

    def reload(self, config: Config) -> None:
        """Try by the rules of another configuration from now on."""
        with self._lock:
            self._config = config
            server, self._server = self._server, None
        if server is not None:
            server.close()

    def killers(self) -> int:
        """How many letters were found since the last call that end processes."""
        with self._lock:
            found, self._killers = self._killers, 0
        return found

    def close(self) -> None:
        """End the processes."""
        self._stop.set()
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.close()

    # -- in the thread

    def _run(self) -> None:
        while not self._stop.is_set():
            page = self._pages.get()
            try:
                search(page, self._means(page))
            except SearchStopped:
                return
            except Exception:
                # Rather the worker than nobody.
                log.exception("cannot try %d dead letters", len(page))
            self.problem = None
            with self._lock:
                left = {letter.id for letter, _ in page} & self._under_way
                self._verdicts |= dict.fromkeys(left)
                self._under_way -= left

    def _means(self, page: Sequence[Item]) -> Means:
        searching = f"searching {len(page)} dead letters for one that ends the worker"
        hang = self._worker.config.supervisor.hang_timeout

        def wait(seconds: float) -> None:
            if self._stop.wait(seconds):
                raise SearchStopped

        def attempt(items: Sequence[Item], each: bool, cpu: float) -> Ending:
            wait(0)
            # A hook that waits for too long is the worker's to give up.
            ending = self._fork_server().trial(items, Order("", each, cpu, hang + hook.LIMIT))
            if ending.kind != "passed":
                self.problem = searching
            return ending

        def tell(why: str | None) -> None:
            self.problem = f"{searching}; that stands still: {why}" if why else self.problem and searching

        def condemn(at: int, death: Death) -> None:
            letter, _ = page[at]
            log.error("dead letter %s ends the process that works on it: %s; it is parked", letter.id, death.how)
            self._note.condemn(Killer(Held(_KIND, letter.id), "", death.stage, death.how, death.times))
            self._note.be_careful(_KIND, _CAREFUL)
            with self._lock:
                self._verdicts[letter.id] = death
                self._under_way.discard(letter.id)
                self._killers += 1

        # A hook that does not return is given up by then, be there nothing else to do for this machine.
        return Means(attempt, wait, tell, 1.2 * hook.LIMIT, condemn=condemn, together=False)

    def _fork_server(self) -> ForkServer:
        with self._lock:
            if self._stop.is_set():
                raise SearchStopped
            if self._server is None:
                config, worker = self._config, self._worker
                answer = schema_texts(config, worker.addresses)
                program = Program("etld.corrector.isolated:opened", config, answer, memory_for(config))
                self._server = ForkServer(worker.name, program)
            return self._server

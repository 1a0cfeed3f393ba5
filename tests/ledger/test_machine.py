"""Whatever happens in whatever order: each request is paid for once at most, and nothing that is paid for is lost."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from apimodels_async import NotSubmittedError, SubmissionUnknownError
from apimodels_async.errors import ApimodelsError, DownloadError
from apimodels_async.ledger import SqliteLedger, Step
from tests.ledger.machine import PICTURE, UNDECIDED, World

FAULTS = ["", "", "lost", "429", "503, taken", "503, not taken", "402", "400", "refused"]
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""What survives a process need not survive the machine, and here nobody waits for a disk."""
WHICH = st.integers(0, 5)
"""A picture or an entry. How many there are may differ when a run is repeated: threads write them."""
BACKENDS = st.sampled_from(["asyncio", "asyncio", "asyncio", "trio"])


class LedgerMachine(RuleBasedStateMachine):
    """Lines are added, removed and moved; runs end or die; the vendor fails; people decide."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(dir=MEMORY))
        self.world = World(self.home)
        self.lines: list[str] = []

    def teardown(self) -> None:
        shutil.rmtree(self.home)

    @rule(prompts=st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
    def lines_are_added(self, prompts: list[str]) -> None:
        self.lines = (self.lines + prompts)[-6:]

    @rule(data=st.data())
    def lines_are_moved_and_removed(self, data: st.DataObject) -> None:
        lines = data.draw(st.permutations(self.lines))
        self.lines = list(lines)[: data.draw(st.integers(0, 6))]

    @rule(faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4))
    def the_vendor_will_fail(self, faults: list[str]) -> None:
        self.world.vendor.faults = list(faults)

    @rule(events=st.integers(1, 30), backend=BACKENDS)
    @precondition(lambda self: self.lines)
    def a_run_dies(self, events: int, backend: str) -> None:
        before = self._undecided()
        self.world.batch(backend, events, self.lines)
        self._check_undecided(before)

    @rule(backend=BACKENDS)
    @precondition(lambda self: self.lines)
    def a_run_ends(self, backend: str) -> None:
        before = self._undecided()
        earlier = self.world.entries()
        posts = self.world.vendor.posts.total()

        outcomes = self.world.batch(backend, None, self.lines)

        assert outcomes is not None
        assert len(outcomes) == len(self.lines)
        self._check_undecided(before)
        entries = self.world.entries()
        seen: list[str] = []
        for outcome in outcomes:
            prompt = outcome.request.prompt
            if outcome.error is None:
                assert outcome.task is not None
                assert outcome.task.id in self.world.vendor.accepted[prompt]
                assert [file.read_bytes() for file in outcome.files] == [PICTURE]
                seen.append(outcome.task.id)
            else:
                assert isinstance(outcome.error, ApimodelsError)
        assert len(seen) == len(set(seen))
        unknown = [outcome for outcome in outcomes if isinstance(outcome.error, SubmissionUnknownError)]
        left = [entry for entry in entries.values() if entry.step is Step.UNKNOWN]
        assert len(unknown) <= len(left)
        done = [key for key, entry in earlier.items() if entry.step not in (Step.INTENT, Step.REJECTED)]
        assert self.world.vendor.posts.total() - posts <= (len(self.lines) + len(entries) - len(done)) * 5

    @rule(backend=BACKENDS)
    def nothing_fails_any_more(self, backend: str) -> None:
        """Everything that can come out comes out, and a second run after that needs nobody."""
        self.world.vendor.faults = []
        outcomes = self.world.batch(backend, None, self.lines) or []
        for outcome in outcomes:
            assert outcome.ok or isinstance(outcome.error, (SubmissionUnknownError, NotSubmittedError)), outcome
        posts = self.world.vendor.posts.total()
        self.world.vendor.links_gone = True
        again = self.world.batch(backend, None, self.lines) or []
        self.world.vendor.links_gone = False
        assert self.world.vendor.posts.total() == posts
        assert sorted(type(each.error).__name__ for each in again) == sorted(
            type(each.error).__name__ for each in outcomes
        )

    @rule(which=WHICH, how=st.sampled_from(["cut", "changed", "removed"]), gone=st.booleans(), backend=BACKENDS)
    def a_picture_is_spoiled(self, which: int, how: str, gone: bool, backend: str) -> None:
        """It is downloaded again, and if its link is gone, it is not made again."""
        saved = [Path(entry.files[0].path) for entry in self.world.entries().values() if entry.step is Step.SAVED]
        if not saved or not self.lines:
            return
        picture = saved[which % len(saved)]
        match how:
            case "cut":
                picture.write_bytes(PICTURE[:20])
            case "changed":
                picture.write_bytes(PICTURE + b"!")
            case _:
                picture.unlink(missing_ok=True)
        self.world.vendor.links_gone = gone
        accepted = {prompt: len(ids) for prompt, ids in self.world.vendor.accepted.items()}
        outcomes = self.world.batch(backend, None, self.lines) or []
        self.world.vendor.links_gone = False
        for outcome in outcomes:
            assert [file.read_bytes() for file in outcome.files] == [PICTURE] * len(outcome.files)
            if isinstance(outcome.error, DownloadError):
                assert gone
        entries = self.world.entries().values()
        for prompt, times in accepted.items():
            assert times <= sum(entry.request["prompt"] == prompt for entry in entries)

    @rule(key=st.sampled_from(["k1", "k2"]), events=st.none() | st.integers(1, 8), backend=BACKENDS)
    def a_create_has_a_key(self, key: str, events: int | None, backend: str) -> None:
        posts = self.world.vendor.posts[f"for {key}"]
        before = self.world.entries().get(key)

        async def work(client: Any, ledger: SqliteLedger) -> Any:
            try:
                return await client.create(f"for {key}", ledger=ledger, key=key)
            except ApimodelsError as error:
                return error

        result = self.world.in_a_process(backend, events, work)
        if before is not None and before.step not in (Step.INTENT, Step.REJECTED):
            assert self.world.vendor.posts[f"for {key}"] == posts
            if before.step in UNDECIDED and result is not None:
                assert isinstance(result, SubmissionUnknownError)

    @rule(which=WHICH, abandon=st.booleans())
    def somebody_decides(self, which: int, abandon: bool) -> None:
        """After a look at the vendor's console, where all that was accepted is to be seen."""
        entries = self.world.entries()
        open_ones = [entry for entry in entries.values() if entry.step in UNDECIDED]
        if not open_ones:
            return
        entry = open_ones[which % len(open_ones)]
        known = {each.task.id for each in entries.values() if each.task is not None}
        found = [each for each in self.world.vendor.accepted.get(entry.request["prompt"], []) if each not in known]
        abandoned = [each for each in entries.values() if each.step is Step.ABANDONED and each.request == entry.request]
        how = "abandon" if abandon else (found[-1] if len(found) > len(abandoned) else "resubmit")
        if how == "resubmit" and found:
            return
        with SqliteLedger(self.world.path) as ledger:
            resolved = ledger.resolve(entry.key, how)
        expected = {"abandon": Step.ABANDONED, "resubmit": Step.INTENT}
        assert resolved.step is expected.get(how, Step.CREATED)

    @invariant()
    def nothing_is_paid_for_twice_or_lost(self) -> None:
        self.world.check()

    def _undecided(self) -> set[str]:
        return {key for key, entry in self.world.entries().items() if entry.step in UNDECIDED}

    def _check_undecided(self, before: set[str]) -> None:
        assert before <= self._undecided(), "decided by itself"


TestLedgers = LedgerMachine.TestCase
TestLedgers.settings = settings(
    max_examples=int(os.environ.get("LEDGER_EXAMPLES", "25")),
    stateful_step_count=12,
    suppress_health_check=list(HealthCheck),
    database=None,
    # Whoever asks for more examples wants to know whether there is a mistake, not the shortest way to it.
    phases=[Phase.generate] if "LEDGER_EXAMPLES" in os.environ else list(Phase),
)

"""What somebody sees who watches: a spinner, and notes that no pipe ever gets."""

import os
import re
import select
import signal
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest

from apimodels_async.cli.batch.progress import BatchProgress

fcntl = pytest.importorskip("fcntl", reason="a terminal of this kind is a Unix thing")
termios = pytest.importorskip("termios")

PATIENCE = 45.0


class Terminal:
    """A terminal that a command can be started on, and what has appeared on it."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
        self.shown = ""

    def until(self, *words: str) -> str:
        """Everything shown, once all the words have been."""
        ends = time.monotonic() + PATIENCE
        while not all(word in self.shown for word in words):
            assert time.monotonic() < ends, f"{words} did not appear in {self.shown!r}"
            if select.select([self._ours], [], [], 0.1)[0]:
                self.shown += os.read(self._ours, 65536).decode(errors="replace")
        return self.shown

    def until_more(self) -> None:
        """Return when more has appeared."""
        assert select.select([self._ours], [], [], PATIENCE)[0], f"nothing follows {self.shown!r}"
        self.shown += os.read(self._ours, 65536).decode(errors="replace")

    def wait(self, process: Any) -> int:
        """The exit code of a command; what it shows is read meanwhile, or a full terminal would stop it."""
        ends = time.monotonic() + PATIENCE
        while process.poll() is None:
            assert time.monotonic() < ends, f"still running, after {self.shown!r}"
            if select.select([self._ours], [], [], 0.05)[0]:
                self.shown += os.read(self._ours, 65536).decode(errors="replace")
        code: int = process.returncode
        return code

    def type(self, keys: bytes) -> None:
        """What a person types."""
        os.write(self._ours, keys)

    def drain(self) -> str:
        """Everything shown by a command that has ended."""
        while select.select([self._ours], [], [], 0)[0]:
            self.shown += os.read(self._ours, 65536).decode(errors="replace")
        return self.shown

    def close(self) -> None:
        os.close(self._ours)
        os.close(self.theirs)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.fixture
def watched(apimodels: Any, terminal: Terminal) -> Any:
    """Starts a command with all its streams on the terminal."""
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal.theirs)

    def start(*arguments: str, settings: Any = None, **other: Any) -> Any:
        return apimodels.start(*arguments, settings=settings, **streams | other)

    return start


def plain(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def test_the_spinner_tells_state_time_and_id_and_the_path_comes_last(
    watched: Any, terminal: Terminal, here: Any
) -> None:
    process = watched("generate", "a fox", "--size", "64x64", settings=here)

    assert terminal.wait(process) == 0
    shown = plain(terminal.drain())
    assert re.search(r"waiting for the picture \((pending|processing)\)… \d+ s  task \w+", shown)
    assert re.search(r"1 picture in \d+\.\d s\r\n\S+-0\.png\r\n$", shown)


def test_the_spinner_notices_that_a_task_is_being_processed(watched: Any, terminal: Terminal, slow: Any) -> None:
    process = watched("generate", "a fox", settings=slow)

    terminal.until("(pending)")
    terminal.until("(processing)")
    process.send_signal(signal.SIGINT)
    assert terminal.wait(process) == 130


def test_brackets_in_a_prompt_are_no_markup(watched: Any, terminal: Terminal, here: Any) -> None:
    process = watched("generate", "a [bold]fox[/nothing]", "--size", "64x64", settings=here)

    assert terminal.wait(process) == 0


def test_no_color_is_obeyed(watched: Any, terminal: Terminal, here: Any) -> None:
    process = watched("models", settings={**here, "NO_COLOR": "1"})

    assert terminal.wait(process) == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", terminal.drain())


def test_a_piped_stdout_has_only_the_path_while_the_spinner_turns_on_the_terminal(
    watched: Any, terminal: Terminal, here: Any
) -> None:
    import subprocess

    process = watched("generate", "a fox", "--size", "64x64", settings=here, stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=PATIENCE)

    assert re.fullmatch(r"\S+-0\.png\n", out)
    assert "waiting for the picture" in terminal.drain()


def test_models_come_with_their_prices_and_the_day_these_were_read(watched: Any, terminal: Terminal, here: Any) -> None:
    assert watched("models", settings=here).wait(PATIENCE) == 0

    shown = plain(terminal.drain())
    assert re.search(r"grok-image/grok-4\.2-image +0\.03 \(1K\)", shown)
    assert "as published on" in shown


def test_the_balance_names_its_currency(watched: Any, terminal: Terminal, here: Any) -> None:
    assert watched("balance", settings=here).wait(PATIENCE) == 0

    assert "US$ " in terminal.drain()


def test_a_wait_shows_the_state_of_a_task_from_before(
    watched: Any, apimodels: Any, terminal: Terminal, slow: Any
) -> None:
    task_id = apimodels("create", "a fox", settings=slow).stdout.strip()

    process = watched("wait", task_id, settings=slow)

    terminal.until("waiting for the picture (p", task_id)
    process.send_signal(signal.SIGINT)
    assert terminal.wait(process) == 130


def test_a_batch_shows_how_far_it_is_and_a_summary_at_the_end(
    watched: Any, apimodels: Any, terminal: Terminal, here: Any
) -> None:
    (apimodels.folder / "p.jsonl").write_text(
        '{"prompt": "a fox", "size": "64x64"}\n' * 6 + '{"prompt": "contraband"}\n'
    )

    process = watched("batch", "p.jsonl", "-o", "out", "--max-in-flight", "3", settings=here)

    assert terminal.wait(process) == 17
    shown = plain(terminal.drain())
    assert re.search(r"━+ +\d/7  in flight [123]  failed \d  \d+\.\d/s  [-:\d]+ left  US\$ 0\.\d\d", shown)
    assert re.search(r"7/7  in flight 0  failed 1  .*US\$ 0\.18", shown)
    assert re.search(
        r"7 of 7 requests done, 6 pictures saved .*\r\n.*ContentPolicyError.*\r\napimodels: 1 of 7 .*\r\n$", shown
    )
    assert ".png" not in shown


def test_a_batch_is_left_with_one_ctrl_c(watched: Any, apimodels: Any, terminal: Terminal, slow: Any) -> None:
    (apimodels.folder / "p.txt").write_text("a fox\n" * 9)

    process = watched("batch", "p.txt", "-o", "out", "--max-in-flight", "4", "--no-ledger", "-v", settings=slow)
    terminal.until("0/9", "in flight 4")
    while len(re.findall(r"task \w+ created", plain(terminal.shown))) < 4:
        terminal.until_more()
    process.send_signal(signal.SIGINT)

    assert terminal.wait(process) == 130
    shown = plain(terminal.drain())
    assert (
        "4 tasks are under way and not lost: take them up again with: apimodels wait --from out/results.jsonl" in shown
    )
    assert terminal.shown.rstrip().endswith("--from out/results.jsonl")
    assert (apimodels.folder / "out" / "results.jsonl").read_text().count('"detached"') == 4


def test_a_batch_whose_paths_are_piped_shows_how_far_it_is_all_the_same(
    watched: Any, terminal: Terminal, here: Any
) -> None:
    import subprocess

    process = watched("batch", "-", settings=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write("a fox\na kite\n")
    process.stdin.close()
    assert terminal.wait(process) == 0
    out = process.stdout.read()

    assert re.fullmatch(r"(00000\d-\w+\.png\n){2}", out)
    assert re.search(r"2  in flight 0  failed 0  \d+\.\d/s  US\$ 0\.06", plain(terminal.drain()))


@pytest.mark.parametrize("answer", [b"y\n", b"n\n"])
def test_a_person_is_asked_before_much_is_spent(
    watched: Any, apimodels: Any, terminal: Terminal, here: Any, answer: bytes
) -> None:
    code = {b"y\n": 0, b"n\n": 18}[answer]
    (apimodels.folder / "p.jsonl").write_text('{"prompt": "a fox", "size": "64x64"}\n' * 2)

    process = watched("batch", "p.jsonl", "-o", "out", "--confirm-above", "0.05", settings=here)
    terminal.until("2 new requests would cost about US$ 0.06. Send them? [y/N]:")
    terminal.type(answer)

    assert terminal.wait(process) == code
    assert ("not confirmed: nothing was sent" in terminal.drain()) == (code == 18)
    assert (apimodels.folder / "out").exists() == (code == 0)


def test_the_time_left_counts_only_the_work_of_this_run() -> None:
    now = 0.0
    shown = BatchProgress(1000, clock=lambda: now)
    shown.figures()
    for done in range(1, 901):  # at once, from the ledger
        shown.count(done, 0, own=False)
    now = 10.0
    assert "-:--:-- left" in shown.figures()
    for done in range(901, 911):
        shown.count(done, 0, own=True)
    now = 20.0

    assert "910/1000" in shown.figures()
    assert "0.5/s  0:03:00 left" in shown.figures()

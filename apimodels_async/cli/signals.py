"""The signals that end a command in good order: Ctrl-C, and those that would otherwise lose the ids of paid tasks."""

import contextlib
import os
import signal
import threading
from collections.abc import Generator
from types import FrameType

__all__ = ["ending_signals", "like_ctrl_c"]


def ending_signals() -> tuple[signal.Signals, ...]:
    """SIGINT, SIGTERM and, where there are such, SIGQUIT and SIGHUP.

    SIGHUP (a closed terminal, a dropped connection) is left alone where it was ignored at the start, as `nohup` does.
    """
    found = [signal.SIGINT, signal.SIGTERM]
    if os.name == "posix":
        found.append(signal.SIGQUIT)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            found.append(signal.SIGHUP)
    return tuple(found)


@contextlib.contextmanager
def like_ctrl_c() -> Generator[None]:
    """While the block lasts, let the other signals do what Ctrl-C does. Outside the main thread, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    others = [number for number in ending_signals() if number is not signal.SIGINT]
    before = {number: signal.signal(number, _interrupt) for number in others}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)  # while a loop runs, its own, which ends things in good order
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)

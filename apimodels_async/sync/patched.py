"""Whether gevent or eventlet has replaced what a background event loop needs. Pure look-ups: nothing is imported."""

import sys

from apimodels_async.errors import ConfigurationError

_NEEDED = (
    ("gevent", "gevent.monkey", "is_module_patched", ("threading", "queue", "selectors")),
    ("eventlet", "eventlet.patcher", "is_monkey_patched", ("thread", "select")),
)
"""The library, its module and function that say what is replaced, and what must not be. Sockets and time may be."""


def check_not_patched() -> None:
    """Check that the interpreter's own threads, queues and selectors are in place.

    With theirs, a "thread" is a green thread of its starter. An event loop in it would be taken for the running loop of
    the whole program, which then can have no other one.

    Raises:
        ConfigurationError: they are replaced.
    """
    for library, module, function, needed in _NEEDED:
        is_patched = getattr(sys.modules.get(module), function, None)
        found = [name for name in needed if is_patched is not None and is_patched(name)]
        if found:
            raise ConfigurationError(
                f"{library} has replaced {' and '.join(found)} in this process, and the background event loop of a "
                "blocking client needs the real ones: use the client in a process that is not patched, such as a "
                "worker with threads, or one AsyncImagesClient at a time in asyncio.run"
            )

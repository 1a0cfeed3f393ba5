"""The command line, ``apimodels``. It needs the extra ``cli``; importing this module does not."""

from apimodels_async.cli.entry import main

__all__ = ["main"]

"""``python -m apimodels_async``: the same as ``apimodels``."""

import sys

from apimodels_async.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())

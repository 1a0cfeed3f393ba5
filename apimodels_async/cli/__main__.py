"""``python -m apimodels_async.cli``: the same as ``apimodels``."""

import sys

from apimodels_async.cli.entry import main

sys.exit(main())

"""Django under gunicorn, with threads or with gevent."""

import sys
from pathlib import Path

from served import free_port, get, get_all, server, with_prompts
from told import tell

port = free_port()
common = ("gunicorn", "django_site", "--bind", f"127.0.0.1:{port}", "--timeout", "120", "--log-level", "warning")
if sys.argv[1] == "threads":
    with server(*common, "--workers", "2", "--threads", "8", "--preload", port=port) as url:
        answers = get_all(with_prompts(f"{url}/make", 16))
        assert get(f"{url}/database") == {"row": 1}
    refused = 0
else:
    with server(*common, "--worker-class", "gevent", port=port) as url:
        refusals = get_all([*with_prompts(f"{url}/make", 6), f"{url}/database"])
        assert refusals.pop() == {"row": 1}
        assert all("gevent" in answer["refused"] for answer in refusals), refusals
        answers = get_all([*with_prompts(f"{url}/make-awaited", 3)])
        assert get(f"{url}/database") == {"row": 1}
    refused = len(refusals)
tell([Path(path) for answer in answers for path in answer["files"]], refused)

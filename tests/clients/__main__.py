"""Clients that others wrote, installed and run against the gateway: ``python tests/clients FOLDER [NAME …]``.

Each is used as its users use it, with nothing changed but the address and the key. FOLDER is where the packages of npm
are installed. ``--write`` writes the versions into the guide.
"""

import argparse
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from apimodels_async.gateway import LocalGateway
from tests.clients import browser, mcp_server, node, pages_words, python_packages
from tests.clients.workplace import Workplace

CLIENTS: dict[str, Callable[[Workplace], str]] = {
    "apimodels-mcp": mcp_server.check,
    "openai (Python)": python_packages.check_openai,
    "openai (Node)": node.check_openai,
    "ai, @ai-sdk/openai-compatible": node.check_ai_sdk,
    "litellm": python_packages.check_litellm,
    "langchain-community, DallEAPIWrapper": python_packages.check_langchain,
    "express": node.check_express,
    "curl": pages_words.check_curl,
    "wget": pages_words.check_wget,
    "httpie": pages_words.check_httpie,
    "Chromium": browser.check,
}
"""Each uses one client, raises what goes wrong, and returns its version."""

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "gateway.md"
HEADING = "| client | version |\n| --- | --- |\n"


def write(versions: dict[str, str]) -> None:
    """Put the versions into the guide."""
    text = PAGE.read_text(encoding="utf-8")
    before, heading, rest = text.partition(HEADING)
    if not heading:
        raise ValueError(f"{PAGE} has no table of clients")
    after = rest.partition("\n\n")[2]
    rows = "".join(f"| {name} | {version} |\n" for name, version in versions.items())
    PAGE.write_text(f"{before}{heading}{rows}\n{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    wanted = [name for name in CLIENTS if not given.names or any(each in name for each in given.names)]
    versions: dict[str, str] = {}
    with LocalGateway(latency="0.3/0.5", cors=["*"], balance=1000.0) as gateway:
        place = Workplace(gateway, given.folder.resolve())
        for name in wanted:
            try:
                versions[name] = CLIENTS[name](place)
            except Exception:  # noqa: BLE001  (the other clients are tried all the same)
                traceback.print_exc()
                print(f"FAILED  {name}", flush=True)
            else:
                print(f"ok      {name} {versions[name]}", flush=True)
    if given.write and len(versions) == len(CLIENTS):
        write(versions)
    return 0 if len(versions) == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())

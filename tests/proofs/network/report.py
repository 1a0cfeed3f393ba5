"""The table: a line for each setting and lane as it is measured, and a page with one line for each setting."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.proofs.network.result import Result
from tests.proofs.network.settings import ALL_LANES, Setting, judge

HEADING = "## The network, measured"
INTRODUCTION = """
`nox -s network` puts real parts (nginx, haproxy, tinyproxy, dnsmasq, a firewall that forgets connections, loss, delay)
between this client and a server that writes down every create request it accepts, each in a network namespace of its
own. It runs a batch through every fault on asyncio with the extra `fast` (*fast*) and without (*plain*), and on trio,
and counts what was paid for twice and what was lost. It needs root and programs of the distribution, which it names if
they are missing. `nox -s network -- outage_1s --lane fast` runs one; `--write` writes this part of the page.
"""
LEGEND = """
*Unknown* n/m: n requests ended as `SubmissionUnknownError`, of which the server had accepted m. *Ideal*: seconds that a
client would take which knows everything beforehand. Paid for twice, and lost: {twice} and {lost} in all these runs.
"""
LIMITS = """
### Limits of a client of your own

What an `http_client=` receives belongs to httpcore, which sends all of a request before it looks for the answer. This
cannot be had from outside of it (httpcore 1.0.9):

- HTTP/1.1 on asyncio: a refusal before the body was read (413, 407, 401) is lost when the server closes the connection
  then, because the failed write closes the socket with the answer in it. The outcome is `SubmissionUnknownError`. On
  trio the answer is read.
- HTTP/2: an answer is found as soon as httpcore reads, which it does when the server accepts no more bytes. If the
  server accepts all of them and then closes the connection, the failed write ends the request, and nothing reads what
  has arrived.
- HTTP/2: when a server goes away (GOAWAY) and our stream is not beyond its limit, httpcore gives up all streams that
  are under way, although their answers may still come. Those create requests are unknown.
"""
HEAD = "| setting | what | lane | n | outcomes | twice | lost | s | ideal s | must | verdict |"
RULE = "| --- | --- | --- | ---: | --- | ---: | ---: | ---: | ---: | --- | --- |"


@dataclass(frozen=True)
class Row:
    """One setting on one lane, measured."""

    setting: Setting
    lane: str
    result: Result

    @property
    def missed(self) -> list[str]:
        """What it misses, in words."""
        return judge(self.setting, self.result)

    def line(self) -> str:
        """Everything about it, as a line of Markdown."""
        setting, result, missed = self.setting, self.result, self.missed
        under_way = f" ({result.under_way} create requests were under way)" if result.under_way else ""
        measured = "".join(f", {name} {value:.4g}" for name, value in result.measured.items())
        return _line(
            *(setting.name, setting.part, self.lane, result.n, result.text() + under_way + measured),
            *(result.twice, result.lost, f"{result.seconds:.1f}", f"{setting.ideal:g}", setting.must),
            "**missed**: " + "; ".join(missed) if missed else "good",
        )


def keep(row: Row, file: Path) -> None:
    """Append a row to a file of JSON lines."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"setting": row.setting.name, "lane": row.lane, "result": asdict(row.result)}) + "\n")


def kept(file: Path, settings: Mapping[str, Setting]) -> list[Row]:
    """Read the rows of such a file in the order of the settings; of each setting and lane, the last one counts."""
    found: dict[tuple[str, str], Result] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[row["setting"], row["lane"]] = Result(**row["result"])
    return [
        Row(setting, lane, found[name, lane])
        for name, setting in settings.items()
        for lane in ALL_LANES
        if (name, lane) in found
    ]


def page(rows: list[Row]) -> str:
    """The part of the documentation below `HEADING`: a line for each setting, a column for each lane."""
    lines = [f"| setting | n | ideal s | {' | '.join(ALL_LANES)} | must |"]
    lines.append("| --- | ---: | ---: | " + "--- | " * len(ALL_LANES) + "--- |")
    settings = {row.setting.name: row.setting for row in rows}
    for name, setting in settings.items():
        lanes = {row.lane: row.result for row in rows if row.setting.name == name}
        cells = [f"{lanes[lane].text()}; {lanes[lane].seconds:.1f} s" if lane in lanes else "" for lane in ALL_LANES]
        n = next(iter(lanes.values())).n
        lines.append(_line(f"`{name}`: {setting.part}", n, f"{setting.ideal:g}", *cells, setting.must))
    legend = LEGEND.format(twice=sum(row.result.twice for row in rows), lost=sum(row.result.lost for row in rows))
    return INTRODUCTION + "\n" + "\n".join(lines) + "\n" + legend + LIMITS


def _line(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

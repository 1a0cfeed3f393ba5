"""What each pacing costs beside the best schedule there is, in virtual time: nothing waits here.

First, 64 tasks in flight at a time, each looked at by its pacing, until some thousand are done; a duration becomes
known only when a look finds the task done. The cost of a task is its lag (seconds between its end and the look that
sees it) plus 0.1 seconds a look. The best schedule knows the distribution and comes from dynamic programming.

Then, two thousand tasks of three models under a poll rate that binds: who is asked first?

Run by itself it lists every case, and with --plot FILE.svg it draws them. Needs numpy and scipy; to draw, matplotlib.
"""

import argparse
import heapq
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

from apimodels_async.pacing import AdaptivePacing, Pacing

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.rows import Row, at_least, at_most, just, show

# Not imported the usual way, so that types can be checked where they are not installed.
try:
    np: Any = import_module("numpy")
    lognorm: Any = import_module("scipy.stats").lognorm
except ImportError as missing:
    raise SystemExit(f"this measurement needs numpy and scipy: {missing}") from missing

COST = 0.1
IN_FLIGHT = 64
LEARNING = 300
TASKS = 1200
SEEDS = 6
PUBLISHED = (48.0, 83.0)
Floats = Any  # an array


# --- distributions, and the best that can be done about them


@dataclass
class Durations:
    """A mixture of log-normals, each with its share, median and 90th percentile in seconds."""

    parts: Sequence[tuple[float, float, float]]

    def _laws(self) -> list[tuple[float, Any]]:
        z = 1.2815515655446004  # standard deviations from the median to the 90th percentile of a normal distribution
        return [(share, lognorm(math.log(p90 / median) / z, scale=median)) for share, median, p90 in self.parts]

    def done(self, ages: Floats) -> Floats:
        """The probability to have ended by each age."""
        return sum(share * law.cdf(ages) for share, law in self._laws())

    def range(self, rest: float) -> tuple[float, float]:
        """Ages outside of which at most `rest` ends, on each side."""
        return min(law.ppf(rest) for _, law in self._laws()), max(law.isf(rest) for _, law in self._laws())

    def drawn(self, number: int, seed: int) -> Floats:
        """Random durations."""
        random = np.random.default_rng(seed)
        laws = self._laws()
        which = random.choice(len(laws), number, p=[share for share, _ in laws])
        all_ = np.array([law.rvs(number, random_state=random) for _, law in laws])
        return all_[which, np.arange(number)]

    def percentiles(self) -> tuple[float, float]:
        """Median and 90th."""
        low, high = self.range(1e-6)
        ages = np.geomspace(low, high, 100_000)
        median, p90 = np.interp([0.5, 0.9], self.done(ages), ages)
        return float(median), float(p90)


def best_looks(durations: Durations, points: int = 4000) -> tuple[list[float], float]:
    """The looks that minimise lag + COST * looks, and that minimum, by dynamic programming from the last look back.

    After a look at age s that finds the task running, the next at age t costs COST, and the time between the end and
    t; summed over all tasks, those are COST * running(s), and the integral of done(x) - done(s) for x from s to t.
    """
    low, high = durations.range(1e-6)
    ages = np.concatenate([[0.0], np.linspace(low, high, points)])
    done = durations.done(ages)
    done[0], done[-1] = 0.0, 1.0
    area = np.concatenate([[0.0], np.cumsum(np.diff(ages) * (done[1:] + done[:-1]) / 2)])
    area[1] = 0.0  # hardly anything ends before the first point
    rest = np.zeros(len(ages))
    following = np.zeros(len(ages), dtype=int)
    for s in range(len(ages) - 2, -1, -1):
        lag = area[s + 1 :] - area[s] - done[s] * (ages[s + 1 :] - ages[s])
        totals = lag + rest[s + 1 :]
        t = int(np.argmin(totals))
        rest[s] = COST * (1 - done[s]) + totals[t]
        following[s] = s + 1 + t
    looks, at = [], 0
    while at < len(ages) - 1:
        at = int(following[at])
        looks.append(float(ages[at]))
    return looks, float(rest[0])


# --- what happens to tasks


@dataclass
class Seen:
    """What became of tasks, in order of their creation.

    Attributes:
        looks: looks at each.
        lag: seconds between the end of each and the look that saw it.
        known: how many durations were known when each was created.
    """

    looks: Floats
    lag: Floats
    known: Floats

    def mean(self, which: Floats) -> tuple[float, float, float]:
        """Looks, lag and cost of these."""
        looks, lag = float(self.looks[which].mean()), float(self.lag[which].mean())
        return looks, lag, lag + COST * looks


def by_list(looks: Iterator[float], durations: Floats) -> Seen:
    """Every task is looked at after the same times."""
    ages: list[float] = []
    while not ages or ages[-1] < durations.max():
        ages.append(next(looks))
    at = np.searchsorted(ages, durations)
    return Seen(at + 1, np.array(ages)[at] - durations, np.zeros(len(durations)))


def by_pacing(pacing: Pacing, durations: Floats) -> Seen:
    """64 tasks in flight, each looked at by its pacing."""
    seen = Seen(*(np.zeros(len(durations)) for _ in range(3)))
    due: list[tuple[float, int, float]] = []
    completions = 0
    waiting = iter(range(len(durations)))

    def create(now: float) -> None:
        for task in waiting:
            seen.known[task] = completions
            heapq.heappush(due, (now + pacing.next_delay("model", 0.0), task, now))
            return

    for _ in range(IN_FLIGHT):
        create(0.0)
    while due:
        now, task, born = heapq.heappop(due)
        seen.looks[task] += 1
        if now - born < durations[task]:
            heapq.heappush(due, (now + pacing.next_delay("model", now - born), task, born))
            continue
        seen.lag[task] = now - born - durations[task]
        completions += 1
        pacing.observe("model", float(durations[task]))
        create(now)
    return seen


def extended(looks: Sequence[float]) -> Iterator[float]:
    yield from looks
    last = looks[-1]
    while True:
        last *= 1.02
        yield last


def every(interval: float) -> Callable[[], Iterator[float]]:
    return lambda: count(interval, interval)


def doubling() -> Iterator[float]:
    return (0.5 * 2.0**n for n in count())


PEERS: dict[str, Callable[[], Iterator[float]]] = {
    **{f"every {interval:g} s": every(interval) for interval in (0.1, 0.5, 3, 6)},
    "doubling": doubling,
}

STEADY = {
    "narrow": Durations([(1.0, 30.0, 34.0)]),
    "wide": Durations([(1.0, 40.0, 200.0)]),
    "two humps": Durations([(0.5, 12.0, 15.0), (0.5, 70.0, 85.0)]),
    "sub-second": Durations([(1.0, 0.4, 0.7)]),
    "published image": Durations([(1.0, *PUBLISHED)]),
    "published slow": Durations([(1.0, 121.0, 324.0)]),
}
DRIFTS = {
    "drift to slower": (STEADY["published image"], Durations([(1.0, 96.0, 166.0)])),
    "drift to quicker": (STEADY["published image"], Durations([(1.0, 16.0, 27.7)])),
}


@dataclass
class Cost:
    """One line of the table: a way to look at one distribution, as looks, lag, and cost."""

    durations: str
    pacing: str
    looks: float
    lag: float
    cost: float
    ratio: float


def averaged(durations: str, pacing: str, rows: Sequence[tuple[float, float, float]], best: float) -> Cost:
    looks, lag, cost = (float(x) for x in np.mean(rows, axis=0))
    return Cost(durations, pacing, looks, lag, cost, cost / best)


def steady(name: str, durations: Durations) -> list[Cost]:
    """All pacings on one distribution, on the same durations; what learns, after 300 completions and before."""
    looks, expected = best_looks(durations)
    median, p90 = durations.percentiles()
    beginners = {
        "first 300": PUBLISHED,
        "first 300, prior x 3": (median * 3, p90 * 3),
        "first 300, prior / 3": (median / 3, p90 / 3),
    }
    late: list[tuple[float, float, float]] = []
    best: list[tuple[float, float, float]] = []
    early: dict[str, list[tuple[float, float, float]]] = {label: [] for label in beginners}
    early_best: list[tuple[float, float, float]] = []
    peers: dict[str, list[tuple[float, float, float]]] = {label: [] for label in PEERS}
    first = np.arange(TASKS) < LEARNING
    for seed in range(SEEDS):
        drawn = durations.drawn(TASKS, seed)
        ideal = by_list(extended(looks), drawn)
        seen = by_pacing(AdaptivePacing(COST), drawn)
        learned = seen.known >= LEARNING
        late.append(seen.mean(learned))
        best.append(ideal.mean(learned))
        early_best.append(ideal.mean(first))
        for label, prior in beginners.items():
            began = seen if prior == PUBLISHED else by_pacing(AdaptivePacing(COST, prior=prior), drawn)
            early[label].append(began.mean(first))
        for label, ages in PEERS.items():
            peers[label].append(by_list(ages(), drawn).mean(learned))
    bound = float(np.mean(best, axis=0)[2])
    early_bound = float(np.mean(early_best, axis=0)[2])
    if abs(bound / expected - 1) > 0.1:
        raise SystemExit(f"{name}: the best schedule cost {bound:.2f} on these tasks, and should cost {expected:.2f}")
    return [
        averaged(name, "optimum", best, bound),
        averaged(name, "adaptive", late, bound),
        *(averaged(name, label, rows, bound) for label, rows in peers.items()),
        *(averaged(name, label, rows, early_bound) for label, rows in early.items()),
    ]


def drifting(name: str, halves: tuple[Durations, Durations]) -> list[Cost]:
    """A model that changes halfway: each half after its first 300 completions."""
    tables = [best_looks(half)[0] for half in halves]
    adaptive: list[list[tuple[float, float, float]]] = [[], [], []]
    best: list[list[tuple[float, float, float]]] = [[], [], []]
    peers: dict[str, list[tuple[float, float, float]]] = {label: [] for label in PEERS}
    for seed in range(SEEDS):
        drawn = [half.drawn(TASKS, seed * 2 + which) for which, half in enumerate(halves)]
        seen = by_pacing(AdaptivePacing(COST), np.concatenate(drawn))
        order = np.arange(2 * TASKS)
        second = order >= TASKS
        ideals = [by_list(extended(looks), part) for looks, part in zip(tables, drawn, strict=True)]
        ideal = Seen(
            *(np.concatenate([getattr(part, field) for part in ideals]) for field in ("looks", "lag", "known"))
        )
        settled = seen.known >= np.where(second, TASKS + LEARNING, LEARNING)
        for which, chosen in enumerate((settled & ~second, settled & second, ~settled & second)):
            adaptive[which].append(seen.mean(chosen))
            best[which].append(ideal.mean(chosen))
        for label, ages in PEERS.items():
            peers[label].append(by_list(ages(), np.concatenate(drawn)).mean(settled))
    rows: list[Cost] = []
    bounds = [float(np.mean(part, axis=0)[2]) for part in best]
    for which, label in enumerate(("before", "after", "in between")):
        rows.append(averaged(name, f"optimum, {label}", best[which], bounds[which]))
        rows.append(averaged(name, f"adaptive, {label}", adaptive[which], bounds[which]))
    rows += [averaged(name, label, figures, (bounds[0] + bounds[1]) / 2) for label, figures in peers.items()]
    return rows


# --- a poll rate that binds


ALIVE, RATE = 2000, 50
MODELS = [("quick", 10.0), ("usual", 50.0), ("slow", 150.0)]


class Task:
    """One task of the crowd."""

    def __init__(self, model: str, born: float, duration: float) -> None:
        self.model, self.born, self.duration = model, born, duration
        self.looked = born
        self.due = 0.0


def crowd(order: str, seed: int, seconds: int = 1500, settled: int = 500) -> float:
    """Mean lag when tasks are asked "in turn", all of them, or by "urgency", those whose time has come."""
    random = np.random.default_rng(seed)
    pacing = AdaptivePacing(COST)

    def create(born: float) -> Task:
        model, median = MODELS[random.integers(3)]
        task = Task(model, born, float(random.lognormal(math.log(median), 0.43)))
        task.due = born + pacing.next_delay(model, 0.0)
        return task

    births = sorted(random.uniform(0.0, 150.0, ALIVE), reverse=True)
    tasks: list[Task] = []
    lags: list[float] = []
    for second in range(seconds):
        now = float(second)
        while births and births[-1] <= now:
            tasks.append(create(births.pop()))
        if order == "in turn":
            chosen = sorted(tasks, key=lambda task: task.looked)[:RATE]
        else:
            due = [task for task in tasks if task.due <= now]
            due.sort(key=lambda task: -pacing.urgency(task.model, task.looked - task.born, now - task.born))
            chosen = due[:RATE]
        for place, task in enumerate(chosen):
            at = now + place / RATE
            if at - task.born >= task.duration:
                tasks.remove(task)
                pacing.observe(task.model, task.duration)
                if second >= settled:
                    lags.append(at - task.born - task.duration)
                tasks.append(create(at))
            else:
                task.looked = at
                task.due = at + pacing.next_delay(task.model, at - task.born)
    return float(np.mean(lags))


# --- what one call costs


def microseconds_a_call() -> float:
    """Processor time, learning included, over the life of ten thousand tasks at a time."""
    calls: list[tuple[bool, float]] = []
    pacing = AdaptivePacing(COST)

    class Recording:
        def next_delay(self, key: str, elapsed: float) -> float:
            calls.append((True, elapsed))
            return pacing.next_delay(key, elapsed)

        def observe(self, key: str, duration: float) -> None:
            calls.append((False, duration))
            pacing.observe(key, duration)

    by_pacing(Recording(), STEADY["published image"].drawn(10_000, 0))
    fresh = AdaptivePacing(COST)
    began = time.process_time()
    for asked, seconds in calls:
        if asked:
            fresh.next_delay("model", seconds)
        else:
            fresh.observe("model", seconds)
    return (time.process_time() - began) / len(calls) * 1e6


# --- the report


def draw(rows: Sequence[Cost], file: Path) -> None:
    """Cost beside the optimum for each distribution, and looks against lag for the published image latency."""
    mpl: Any = import_module("matplotlib")
    mpl.use("Agg")
    mpl.rcParams.update(
        {"svg.hashsalt": "pacing", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    plt: Any = import_module("matplotlib.pyplot")
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.4), gridspec_kw={"width_ratios": [1.6, 1]})
    shown = ["adaptive", *PEERS]
    colours = dict(zip(shown, ["#1b7f5c", "#d9a441", "#c4762b", "#7a8fb8", "#4a5f8f", "#a0527a"], strict=True))
    names = list(STEADY)
    for place, label in enumerate(shown):
        ratios = [next(row.ratio for row in rows if (row.durations, row.pacing) == (name, label)) for name in names]
        left.plot(
            [at + 0.09 * (place - 2.5) for at in range(len(names))],
            ratios,
            "o" if place else "D",
            color=colours[label],
            markersize=7,
            label=label,
            alpha=0.9,
        )
    left.axhline(1.0, color="#444444", linewidth=1)
    left.set_yscale("log")
    ticks = [1, 1.5, 2, 3, 5, 10, 20, 40]
    left.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    left.minorticks_off()
    left.set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names])
    left.grid(axis="y", color="#e4e4e4")
    left.set_axisbelow(True)
    left.set_title("lag + 0.1 s a poll, as a multiple of the optimum's", loc="left", fontsize=10)
    left.legend(frameon=False, ncols=3, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14))

    image = STEADY["published image"]
    drawn = image.drawn(20_000, 1)
    curve = [by_list(count(step, step), drawn) for step in np.geomspace(0.4, 12, 40)]
    right.plot([seen.lag.mean() for seen in curve], [seen.looks.mean() for seen in curve], color="#7a8fb8")
    right.annotate("fixed intervals", (0.6, 45.0), color="#4a5f8f", xytext=(6, 4), textcoords="offset points")
    for label, colour, offset in (("optimum", "#444444", (-50, -3)), ("adaptive", colours["adaptive"], (-6, -16))):
        row = next(row for row in rows if (row.durations, row.pacing) == ("published image", label))
        right.plot(row.lag, row.looks, "s" if label == "optimum" else "D", color=colour, markersize=5)
        right.annotate(label, (row.lag, row.looks), color=colour, xytext=offset, textcoords="offset points")
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
    right.set_yticks([5, 10, 20, 50, 100], ["5", "10", "20", "50", "100"])
    right.minorticks_off()
    right.grid(color="#e4e4e4")
    right.set_axisbelow(True)
    right.set_xlabel("mean lag, seconds")
    right.set_title("polls a task, published image latency", loc="left", fontsize=10)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None, dpi=110)


def all_costs() -> list[Cost]:
    """Every distribution with every pacing."""
    costs: list[Cost] = []
    for name, durations in STEADY.items():
        costs += steady(name, durations)
    for name, halves in DRIFTS.items():
        costs += drifting(name, halves)
    return costs


def rows(costs: Sequence[Cost] = ()) -> Iterator[Row]:
    costs = costs or all_costs()

    def worst(*names: str, pacing: str) -> float:
        return max(cost.ratio for cost in costs if cost.durations in names and cost.pacing.startswith(pacing))

    single = [name for name in STEADY if name != "two humps"]
    for words, ratio, bound in (
        ("after 300 completions, worst of one hump", worst(*single, pacing="adaptive"), 1.1),
        ("after 300 completions, two humps", worst("two humps", pacing="adaptive"), 1.15),
        ("after drifting", max(worst(*DRIFTS, pacing=f"adaptive, {when}") for when in ("before", "after")), 1.1),
        ("over the first 300, prior off by 3, worst", worst(*STEADY, pacing="first 300, prior"), 1.3),
        (
            "over the first 300, published prior, worst",
            max(cost.ratio for cost in costs if cost.pacing == "first 300"),
            1.3,
        ),
    ):
        yield at_most(f"`AdaptivePacing`, lag + {COST} s a poll, {words}", "the optimum", ratio, bound)
    image = next(cost for cost in costs if (cost.durations, cost.pacing) == ("published image", "adaptive"))
    drawn = STEADY["published image"].drawn(200_000, 1)
    equal = by_list(count(2 * image.lag, 2 * image.lag), drawn)
    lag, looks = float(equal.lag.mean()), float(equal.looks.mean())
    told = f"{looks:.1f} polls at a lag of {lag:.2f} s : {image.looks:.1f} at {image.lag:.2f} s"
    yield at_least("a fixed interval of the same lag, polls", "`AdaptivePacing`", looks / image.looks, 1.4, told=told)
    turn, urgent = (float(np.mean([crowd(order, seed) for seed in range(2)])) for order in ("in turn", "urgency"))
    told = f"{urgent:.1f} s : {turn:.1f} s"
    yield at_most(
        f"lag of {ALIVE:,} tasks of 10, 50 and 150 s at {RATE} queries a second, simulated",
        "asking in turn",
        urgent / turn,
        0.8,
        told=told,
    )
    yield just("one call of `AdaptivePacing`, learning included, CPU", "", microseconds_a_call(), "µs")


def main() -> None:
    parser = argparse.ArgumentParser(description="What each pacing costs beside the best schedule there is.")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the figures")
    plot: Path | None = parser.parse_args().plot
    costs = all_costs()
    print(f"{'durations':17} {'pacing':21} {'polls':>7} {'lag s':>7} {'cost':>7}   of the optimum's")
    for before, cost in zip([None, *costs], costs, strict=False):
        if before is not None and before.durations != cost.durations:
            print()
        print(
            f"{cost.durations:17} {cost.pacing:21} {cost.looks:7.2f} {cost.lag:7.2f} {cost.cost:7.2f}   "
            f"{cost.ratio:5.2f}"
        )
    print()
    show(rows(costs))
    if plot is not None:
        draw(costs, plot)


if __name__ == "__main__":
    main()

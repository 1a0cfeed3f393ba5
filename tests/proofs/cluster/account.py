"""The account at the end: what the server says was paid, beside what the ledger knows."""

from typing import NamedTuple

from apimodels_async.ledger import PostgresLedger, Step
from tests.proofs.cluster.referee import Referee


class Account(NamedTuple):
    """The sums of one run.

    Attributes:
        requests: in the ledger.
        paid: tasks that the server accepted.
        saved: requests whose pictures are saved.
        unknown: requests of which only a person can find out.
        by_server: of these, those whose answer the server itself cut off.
        twice: prompts that were paid for more than once.
        lost: accepted tasks that no one can find: no row names them, and their row is not unknown either.
        used: US dollars that the ledger has counted.
        cost: US dollars that its entries come to.
        budget: US dollars, if one was set.
        busiest: create requests that were accepted in the busiest second.
    """

    requests: int
    paid: int
    saved: int
    unknown: int
    by_server: int
    twice: int
    lost: int
    used: float
    cost: float
    budget: float | None
    busiest: int

    @classmethod
    def of(cls, referee: Referee, ledger: PostgresLedger) -> "Account":
        """Draw it up."""
        entries = list(ledger.entries())
        named = {entry.task.id for entry in entries if entry.task} | {task_id for _, task_id in ledger.strays()}
        open_ends = {str(entry.request["prompt"]) for entry in entries if entry.step in {Step.UNKNOWN, Step.SENDING}}
        lost = [t for t, prompt in referee.tasks().items() if t not in named and prompt not in open_ends]
        [(cost,)] = ledger.database.select(
            "SELECT coalesce(sum(cost), 0) FROM apimodels.entry "
            "WHERE step IN ('sending', 'created', 'done', 'saved', 'unknown')"
        )
        terms = ledger.terms()
        return cls(
            requests=len(entries),
            paid=len(referee.tasks()),
            saved=sum(entry.step is Step.SAVED for entry in entries),
            unknown=len(open_ends),
            by_server=len(open_ends & referee.answers_lost),
            twice=len(referee.twice()),
            lost=len(lost),
            used=round(terms.used, 6),
            cost=round(float(cost) / 1e6, 6),
            budget=terms.budget,
            busiest=referee.busiest_second(),
        )

    def faults(self, interruptions: int, unknown: float | None) -> list[str]:
        """What is not as it must be; `unknown`: how many requests each interruption may leave so."""
        found: list[str] = []
        if self.twice:
            found.append(f"{self.twice} prompts were paid for twice")
        if self.lost:
            found.append(f"{self.lost} tasks are lost")
        if self.used != self.cost:
            found.append(f"used {self.used} is not the cost {self.cost}")
        if self.budget is not None and self.used > self.budget + 1e-6:
            found.append(f"used {self.used} is more than the budget {self.budget}")
        if unknown is not None and self.unknown - self.by_server > unknown * interruptions:
            each = f"more than {unknown:g} each"
            found.append(f"{self.unknown - self.by_server} unknown by {interruptions} interruptions: {each}")
        if self.saved + self.unknown != self.requests:
            found.append(f"{self.saved} saved and {self.unknown} unknown are not all of {self.requests}")
        return found

    def lines(self) -> str:
        """It, for people."""
        return (
            f"requests {self.requests}   paid {self.paid}   saved {self.saved}   unknown {self.unknown} "
            f"({self.by_server} of them by the server)\n"
            f"paid twice {self.twice}   lost {self.lost}   US$ {self.used:.2f} counted, {self.cost:.2f} by the rows\n"
            f"busiest second {self.busiest}"
        )

"""multiprocessing: a client in each process, made where it is used; one that comes from the parent is refused."""

import multiprocessing
import sys
from pathlib import Path

from told import picture, refusal, tell

from apimodels_async import ImagesClient

PARENTS: list[ImagesClient] = []


def work(number: int) -> list[Path]:
    """In a child."""
    with ImagesClient() as client:
        return picture(client, f"Boat {number}")


def inherited(_: int) -> str:
    """The parent's client in a child that was forked."""
    return refusal(PARENTS[0].balance)


def pickled(client: object) -> str:
    """Never called: the client does not pickle."""
    return repr(client)


def main(method: str) -> None:
    """Four children, after the parent has used a client of its own."""
    context = multiprocessing.get_context(method)
    refused = 0
    with ImagesClient() as client:
        PARENTS.append(client)
        files = picture(client, "The parent's boat")
        with context.Pool(2) as pool:
            for made in pool.map(work, range(4)):
                files += made
            if method == "fork":
                assert all("before a fork" in message for message in pool.map(inherited, range(2)))
                refused += 2
            try:
                pool.apply(pickled, (client,))
            except TypeError as error:
                refused += "one in each process" in str(error)
        files += picture(client, "The parent's last boat")
    tell(files, refused)


if __name__ == "__main__":
    main(sys.argv[1])

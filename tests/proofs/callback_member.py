"""One of several processes behind one public URL: ``python member.py STORE``. Talks in lines of JSON.

``["issue"]`` → a URL, which it follows; ``["post", url, task_id]`` → a status; ``["heard"]`` → what it was told, as
soon as that is anything; ``["follow", intent_id]``. What it is told of is also said how long after: see the test.
"""

import json
import sys
import threading
from contextlib import closing

import anyio

from apimodels_async.callbacks import CallbackReceiver, CallbackStore, SqliteCallbackStore
from tests.callbacks.conftest import PUBLIC_URL, SECRETS, body_of, post


def opened(store: str) -> CallbackStore:
    if "://" not in store:
        return SqliteCallbackStore(store)
    from apimodels_async.callbacks import PostgresStore

    return PostgresStore(store)


def main() -> None:
    heard: list[str] = []
    stirred = threading.Event()

    def told(task_id: str) -> None:
        heard.append(task_id)
        stirred.set()

    with closing(opened(sys.argv[1])) as store:
        receiver = CallbackReceiver(PUBLIC_URL, SECRETS, store=store)
        for line in sys.stdin:
            answer: object = None
            match json.loads(line):
                case ["issue"]:
                    intent, url = receiver.issue()
                    receiver.subscribe(intent, told)
                    answer = url
                case ["subscribe", intent]:
                    receiver.subscribe(intent, told)
                case ["post", url, task_id]:
                    answer = anyio.run(post, receiver, url, body_of(task_id))
                case ["heard"]:
                    assert stirred.wait(60)
                    stirred.clear()
                    answer = heard
                case other:
                    raise ValueError(other)
            print(json.dumps(answer), flush=True)
        anyio.run(receiver.aclose)


if __name__ == "__main__":
    main()

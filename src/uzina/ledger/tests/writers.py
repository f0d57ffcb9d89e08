"""Writers in processes of their own, for the tests of many at once and of kill -9.

    python writers.py crowd '{"allocation": "ALL-…", "prefix": "p1", "threads": 4, "rounds": 8}'
    python writers.py lives '{"allocation": "ALL-…", "lives": 20, "seed": 1, "at_least": 40}'

They use the database of UZINA_DATABASE_URL and print one JSON object at the end.
"""

import json
import os
import random
import signal
import sys
import threading
import time
import traceback

HELD, USED, DIRECT, LESS = 3, 2, 4, -1
SPENT = USED + DIRECT + LESS


def work(allocation, key):
    """One job held for and one past the portal, corrected. Safe to repeat with the same key."""
    from uzina.core.tests import NOW
    from uzina.ledger import actions
    from uzina.ledger.rules import Charge

    hold = actions.hold(allocation, amount=HELD, subject=key, key=key, by=None, now=NOW)
    actions.settle(hold, used=USED, by=None, now=NOW)
    for amount in (DIRECT, LESS):
        direct = Charge(allocation, amount, f"{key}:{amount}", key)
        actions.charge([direct], by=None, now=NOW)


def crowd(code, *, prefix, threads, rounds):
    """Work in many threads on one allocation; return the errors, which should be none."""
    from django.db import connection

    from uzina.ledger import queries

    errors = []

    def one(number):
        try:
            allocation = queries.allocation(code)
            for turn in range(rounds):
                work(allocation, f"{prefix}-{number}-{turn}")
        except Exception:  # noqa: BLE001 - the test reports it
            errors.append(traceback.format_exc())
        finally:
            connection.close()

    crew = [threading.Thread(target=one, args=(number,)) for number in range(threads)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    return {"errors": errors}


def lives(code, *, lives, seed, at_least):
    """Have a worker killed at random moments, and its client try again with the same keys.

    The client goes on with the first key that was not acknowledged. The last life is not killed
    and goes on until at_least keys are acknowledged.
    """
    chance = random.Random(seed)
    acknowledged, killed = 0, 0
    for life in range(lives + 1):
        last = max(at_least, acknowledged + 1) if life == lives else None
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            live(code, writer, first=acknowledged, last=last)
        os.close(writer)
        if life < lives:
            time.sleep(chance.uniform(0.02, 0.35))
            os.kill(child, signal.SIGKILL)
        with os.fdopen(reader) as lines:
            acknowledged += len(lines.read().split())
        _pid, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
        elif os.WEXITSTATUS(status):
            return {"error": f"life {life} ended with {os.WEXITSTATUS(status)}"}
    return {"acknowledged": acknowledged, "killed": killed}


def live(code, writer, *, first, last):
    """Work through keys and write one word for each that is done. Ends the process."""
    from uzina.ledger import queries

    status = 0
    try:
        allocation = queries.allocation(code)
        number = first
        while last is None or number < last:
            work(allocation, f"live-{number}")
            os.write(writer, b"done\n")
            number += 1
    except BaseException:  # noqa: BLE001 - the process ends right after
        traceback.print_exc()
        status = 1
    os._exit(status)


def main():
    import django

    django.setup()
    asked = json.loads(sys.argv[2])
    code = asked.pop("allocation")
    print(json.dumps({"crowd": crowd, "lives": lives}[sys.argv[1]](code, **asked)))


if __name__ == "__main__":
    main()

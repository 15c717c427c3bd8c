"""`./dev crash`: a Coordinator against its model, with other questions, crashes and lost machines in every run."""

import argparse
import logging
import time

from tests.faults import test_state_machine, test_state_machine_over_sockets
from tests.faults.deployment_machine import bounded

RUNS = {"process": test_state_machine.run, "sockets": test_state_machine_over_sockets.run}


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev crash", description=__doc__)
    parser.add_argument("how", nargs="?", choices=RUNS, default="process", help="in one process, or over sockets")
    parser.add_argument("--examples", type=int, default=100, help="deployments, each from its first start (100)")
    parser.add_argument("--steps", type=int, default=50, help="questions, crashes and restarts in each, at most (50)")
    chosen = parser.parse_args()
    logging.disable()
    begin = time.monotonic()
    happened = RUNS[chosen.how](bounded(chosen.examples, chosen.steps, by_chance=True, shrink=chosen.how == "process"))
    counts = ", ".join(f"{what}: {count}" for what, count in happened.most_common())
    print(f"never in another state than the model, for {time.monotonic() - begin:.0f} s; {counts}")


if __name__ == "__main__":
    main()

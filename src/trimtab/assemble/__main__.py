"""`python -m trimtab.assemble ROLE ORDERS`: a child of `trimtab up`. Each role imports its own parts only.

On a terminal it logs only what somebody should look at.
"""

from __future__ import annotations

import importlib
import logging
import signal
import sys

from trimtab.errors import TrimtabError
from trimtab.processes import logs

ROLES = ("keeper", "gateway", "control", "demo")
NOT_FOR_CHILDREN = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)

log = logging.getLogger("trimtab.assemble")


def main(arguments: list[str]) -> int:
    """Runs a role to its end; returns the exit status."""
    if len(arguments) != 2 or arguments[0] not in ROLES:
        sys.stderr.write(f"usage: python -m trimtab.assemble {'|'.join(ROLES)} ORDERS (started by `trimtab up`)\n")
        return 2
    role, orders = arguments
    for number in NOT_FOR_CHILDREN:
        signal.signal(number, signal.SIG_IGN)
    logs.configure(role, level=logging.WARNING if sys.stderr.isatty() else logging.INFO)
    try:
        importlib.import_module(f"trimtab.assemble.{role}").run(orders.encode())
    except TrimtabError as failure:
        logs.event(log, logging.ERROR, "ended", error=str(failure))
        return 1
    except Exception:
        log.exception("crashed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

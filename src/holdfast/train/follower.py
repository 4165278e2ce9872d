"""A process that trains what another one leads: it takes its part of each batch, and writes nothing."""

import os
import signal
import threading

from holdfast.core.errors import HoldfastError, TeamError
from holdfast.train.job import open_job
from holdfast.train.launch import Seat, tell
from holdfast.train.loop import fit_in
from holdfast.train.team import Onlooker


def follow() -> None:
    """Take part in the training of the lead until it ends.

    Raises:
        TeamError: if the lead or another process is lost.
        HoldfastError: whatever the training raises.
    """
    seat = Seat()
    with open_job(seat.job) as job, seat.taken(job.device) as team:
        fit_in(team, job, Onlooker(job.folder))


def main() -> int:
    """Follow the process that has started this one, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the lead; without it this one ends too
    threading.Thread(target=_end_with_the_lead, daemon=True).start()
    try:
        follow()
    except TeamError:
        return 1  # another process knows why
    except HoldfastError as error:
        tell(error)
        return 1
    return 0


def _end_with_the_lead() -> None:
    """The input closes when the lead ends, by `kill -9` too. Nothing is lost: the lead alone writes."""
    while os.read(0, 1):  # sys.stdin would be locked when Python shuts down
        pass
    os._exit(1)

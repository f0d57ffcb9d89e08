"""The worker: does what transactions promised."""

import logging
import os
import signal
import socket
import threading
from datetime import timedelta
from types import FrameType

from django.conf import settings
from django.db import OperationalError, close_old_connections
from django.utils import timezone

from uzina.core.promises import Worker, plant_recurring

logger = logging.getLogger(__name__)


def run(*, until_idle: bool = False) -> None:
    """Work until SIGTERM; with until_idle, until nothing is due.

    A database that is away is waited for, not died of.
    """
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
    name = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"
    worker = Worker(name=name[-80:], lease=timedelta(seconds=settings.UZINA.worker.lease_s))
    is_planted = False
    while not stopping.is_set():
        try:
            if not is_planted:
                plant_recurring(now=timezone.now())
                is_planted = True
            did = worker.run_one()
        except OperationalError:
            logger.exception("the database does not answer; trying again")
            close_old_connections()
            did = False
            stopping.wait(1)
        if not did:
            if until_idle:
                return
            stopping.wait(settings.UZINA.worker.idle_s)

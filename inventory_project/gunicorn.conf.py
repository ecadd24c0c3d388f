"""How gunicorn serves inventory_project; WEB_CONCURRENCY says how many processes."""

import os

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker
from prometheus_client import multiprocess

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8004')}"
preload_app = True  # the code is loaded once for all processes
accesslog = "-"
# No query string: it may be personal.
access_log_format = '%(t)s ACCESS [%({x-request-id}o)s] "%(m)s %(U)s" %(s)s in %(M)s ms'


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Let /metrics forget the gauges of a worker that ended."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)

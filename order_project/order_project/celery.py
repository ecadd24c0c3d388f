"""The Celery application: the worker that keeps the copy of users, and beat."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import (
    beat_init,
    before_task_publish,
    task_postrun,
    task_prerun,
    worker_before_create_process,
    worker_init,
)
from django.conf import settings
from django.db import close_old_connections, connections

from order_project import checks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "order_project.settings")

app = Celery("order_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_configure.connect
def refuse_settings(**kwargs: Any) -> None:
    """Celery reads the settings when it first needs them, and would end with a traceback."""
    with checks.starting():
        settings.INSTALLED_APPS  # noqa: B018  # the first look at them reads them


@worker_init.connect
def refuse_worker(**kwargs: Any) -> None:
    with checks.starting():
        checks.require_database()
        checks.require_queues(app.connection_for_read(), app.amqp.queues.consume_from)


@worker_before_create_process.connect
def keep_memory_shared(**kwargs: Any) -> None:
    """What a child inherits is no garbage: to look for some would copy each page to the child."""
    gc.collect()
    gc.freeze()


@beat_init.connect
def refuse_beat(**kwargs: Any) -> None:
    with checks.starting():
        broker = app.connection_for_write(transport_options={"confirm_publish": False})
        checks.require_exchange(broker, "order", "order.tasks")


@before_task_publish.connect
def let_the_worker_expire(properties: dict[str, Any], **kwargs: Any) -> None:
    """Leave it to the worker to drop a reminder that is late, as its header tells.

    Celery asks the broker, too: RabbitMQ would dead-letter each one that came while no worker did.
    """
    properties.pop("expiration", None)


@task_prerun.connect
def look_after_connections(task: Any, **kwargs: Any) -> None:
    """Ask, as Django does before a request, whether the database connection still lives.

    Events spare themselves that tenth of what a message costs: they are tried again anyway.
    """
    if not (task.request.is_eager or task.name == "user.events"):
        close_old_connections()


@task_postrun.connect
def drop_broken_connections(task: Any, **kwargs: Any) -> None:
    """Use no connection again that failed; CELERY_DB_REUSE_MAX alone would keep it."""
    if not task.request.is_eager:
        for connection in connections.all(initialized_only=True):
            if connection.errors_occurred:
                connection.close()

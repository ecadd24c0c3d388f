"""The Celery application: the worker that keeps the copy of users, and beat."""

import os
from typing import Any

from celery import Celery
from celery.signals import task_postrun
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "order_project.settings")

app = Celery("order_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@task_postrun.connect
def drop_broken_connections(task: Any, **kwargs: Any) -> None:
    """What Django does after each request; CELERY_DB_REUSE_MAX alone would keep a broken one."""
    if not task.request.is_eager:
        close_old_connections()

"""The Celery application: here only the outbox's way to the broker."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "user_project.settings")

app = Celery("user_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

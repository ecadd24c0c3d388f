"""A Django project of one view that reads a page of a table: what gunicorn and the ORM allow.

It reaches the database as the service does whose table it is, and has neither middleware nor DRF.
"""

import os
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, models
from django.http import HttpRequest, JsonResponse
from django.urls import re_path

TABLE, ROWS = os.environ["TABLE"], 50


def answer(request: HttpRequest) -> JsonResponse:
    rows = Row.objects.order_by("pk").values_list(*columns)[:ROWS]
    return JsonResponse({"results": list(rows)})


urlpatterns = [re_path("", answer)]

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="none",
    ALLOWED_HOSTS=["*"],
    DATABASES=import_module(f"{os.environ['PROJECT']}.settings").DATABASES,
)
application = get_wsgi_application()

with connection.cursor() as cursor:
    columns = [each.name for each in connection.introspection.get_table_description(cursor, TABLE)]
fields = {name: models.TextField(primary_key=not number) for number, name in enumerate(columns)}
told = {"__module__": __name__, "Meta": type("Meta", (), {"app_label": "bench", "db_table": TABLE})}
Row: Any = type("Row", (models.Model,), fields | told)

"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from order_project import checks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "order_project.settings")

with checks.starting():
    application = get_wsgi_application()
    checks.require_database()

"""Where HTTPS is forced: browsers are sent there, while services go on to ask each other."""

import pytest
from tests.boundaries.projects import python
from tests.estate.settings import SERVICES

ASK = """
from django.test import Client
for path in ("/admin/", "/api/docs/", "/api/v1/nothing/", "/health/live"):
    print(path, Client().get(path, headers={"host": "localhost"}).status_code)
"""


@pytest.mark.parametrize("service", SERVICES)
def test_forced_https_redirects_browsers_and_no_service(service: str):
    done = python(
        service, "manage.py", "shell", "--verbosity=0", "-c", ASK, DEBUG="1", HTTPS_ONLY="true"
    )

    answers = dict(line.split() for line in done.stdout.splitlines())
    assert answers == {
        "/admin/": "301",
        "/api/docs/": "301",
        "/api/v1/nothing/": "404",
        "/health/live": "200",
    }, done.stderr

"""The schema, its page, and what is answered where there is nothing."""

import re
from contextlib import closing
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db


def test_the_schema_is_valid_without_a_warning():
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


def test_the_schema_is_served(client: Client):
    answer = client.get("/api/schema/", headers={"Accept": "application/json"})

    assert set(answer.json()["paths"]) == {
        "/api/v1/users/",
        "/api/v1/users/me/",
        "/api/v1/users/{id}/",
        "/api/v1/token/",
        "/api/v1/token/refresh/",
        "/api/v1/internal/users/",
        "/api/v1/internal/users/digest/",
    }


def test_every_operation_says_how_it_refuses(client: Client):
    paths = client.get("/api/schema/", headers={"Accept": "application/json"}).json()["paths"]

    for where, operations in paths.items():
        for method, operation in operations.items():
            told = set(operation["responses"])
            assert {"400", "401", "403"} & told, (where, method)
            assert {"503"} <= told, (where, method)
            assert "requestBody" not in operation or {"413", "415"} <= told, (where, method)


def test_the_docs_take_every_asset_from_here(client: Client):
    page = client.get("/api/docs/").content.decode()

    assets = re.findall(r'(?:src|href)="([^"]+\.(?:js|css|png))"', page)
    assert len(assets) >= 3
    for asset in assets:
        assert asset.startswith("/static/")
        with closing(client.get(asset)) as served:
            assert served.status_code == 200
    assert not re.search(r"https?://(?!testserver)", page)


class TestNowhere:
    def test_below_the_api_is_told_in_the_apis_shape(self, client: Client):
        answer = client.get("/api/v1/nothing/")

        assert answer.status_code == 404
        assert answer.json() == {
            "detail": "/api/v1/nothing/ leads nowhere; /api/docs/ lists what there is."
        }

    def test_elsewhere_is_told_by_a_page(self, client: Client):
        answer = client.get("/nothing")

        assert answer.status_code == 404
        assert answer["Content-Type"].startswith("text/html")

    def test_is_where_an_unknown_host_leads(self, client: Client):
        answer = client.get("/api/v1/users/", HTTP_HOST="elsewhere.example")

        assert answer.status_code == 400
        assert set(answer.json()) == {"detail"}


def fail(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


urlpatterns = [path("api/fail", fail)]
handler500 = "user_project.errors.server_error"


@override_settings(ROOT_URLCONF=__name__)
def test_our_fault_is_told_with_the_request_that_met_it():
    answer = Client(raise_request_exception=False).get("/api/fail")

    assert answer.status_code == 500
    assert "X-Request-ID" in answer.json()["detail"]
    assert answer["X-Request-ID"]


def test_an_outage_of_the_database_is_told_from_a_fault_of_ours(as_cleo: APIClient):
    def away(*statement: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with connection.execute_wrapper(away):
        answer = as_cleo.get("/api/v1/users/")

    assert answer.status_code == 503
    assert answer.json() == {
        "detail": "The database does not answer; repeat the request in a moment."
    }

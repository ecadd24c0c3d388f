"""What the service answers beside the catalogue: health, metrics, documentation, request ids."""

import io
import logging
import re
import uuid

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client

URL = "/api/v1/products/"


class TestHealth:
    def test_is_live_without_any_database(self, client):
        response = client.get("/health/live")

        assert (response.status_code, response.json()) == (200, {"status": "ok"})

    @pytest.mark.django_db
    def test_is_ready_with_the_database(self, client):
        response = client.get("/health/ready")

        assert (response.status_code, response.json()) == (200, {"status": "ok", "database": "ok"})

    def test_names_the_database_when_it_is_away(self, client):
        response = client.get("/health/ready")  # pytest-django lets nobody in without its mark

        assert response.status_code == 503
        assert response.json() == {"status": "unavailable", "database": "away"}


class TestMetrics:
    @pytest.mark.django_db
    def test_count_requests_by_view(self, client):
        client.get(URL)

        metrics = client.get("/metrics").content.decode()

        assert 'view="product-list"' in metrics


class TestDocumentation:
    def test_describes_the_api_without_a_warning(self, capsys):
        call_command("spectacular", "--validate", "--fail-on-warn")

        described = capsys.readouterr().out
        for path in ("/api/v1/products/:", "/api/v1/products/{sku}/:", "/{sku}/prices/:"):
            assert path in described

    def test_says_of_every_operation_how_it_refuses(self, client):
        paths = client.get("/api/schema/", headers={"Accept": "application/json"}).json()["paths"]

        for where, operations in paths.items():
            for method, operation in operations.items():
                told = set(operation["responses"])
                assert {"401", "503"} <= told, (where, method)
                assert "requestBody" not in operation or {"413", "415"} <= told, (where, method)

    def test_is_shown_with_assets_of_its_own(self, client):
        page = client.get("/api/docs/").content.decode()

        assets = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert assets
        for asset in assets:
            assert asset.startswith("/static/")
            assert client.get(asset).getvalue()

    def test_is_where_a_visitor_arrives(self, client):
        assert client.get("/").headers["Location"] == "/api/docs/"


class TestErrors:
    @pytest.mark.parametrize(
        ("url", "headers", "status"),
        [
            ("/api/v1/no-such-thing/", {}, 404),
            (URL, {"host": "evil.example.com"}, 400),
            (URL, {}, 500),  # the database is away
        ],
    )
    def test_have_one_shape(self, url, headers, status):
        client = Client(raise_request_exception=False)

        response = client.get(url, headers=headers)

        assert response.status_code == status
        assert list(response.json()) == ["detail"]

    @pytest.mark.django_db
    def test_tell_an_outage_of_the_database_from_a_fault_of_ours(self, client):
        def away(*statement: object) -> None:
            raise OperationalError("server closed the connection unexpectedly")

        with connection.execute_wrapper(away):
            response = client.get(URL)

        assert response.status_code == 503
        assert response.json() == {
            "detail": "The database does not answer; repeat the request in a moment."
        }

    def test_are_pages_where_people_are(self, client):
        response = client.get("/no-such-page")

        assert response.status_code == 404
        assert response.headers["Content-Type"].startswith("text/html")


class TestRequestId:
    def test_is_made_where_there_is_none(self, client):
        assert uuid.UUID(client.get("/health/live").headers["X-Request-ID"])

    def test_is_kept_where_there_is_one(self, client):
        request_id = uuid.uuid4().hex

        response = client.get("/health/live", headers={"X-Request-ID": request_id})

        assert response.headers["X-Request-ID"] == request_id

    def test_is_made_anew_where_it_could_forge_a_log_line(self, client):
        response = client.get("/health/live", headers={"X-Request-ID": "x] ERROR forged"})

        assert uuid.UUID(response.headers["X-Request-ID"])

    def test_stands_in_every_log_line(self, client, monkeypatch):
        (handler,) = [
            handler
            for handler in logging.getLogger().handlers
            if any(type(entry).__name__ == "CorrelationId" for entry in handler.filters)
        ]
        log = io.StringIO()
        monkeypatch.setattr(handler, "stream", log)
        request_id = uuid.uuid4().hex

        client.get("/health/ready", headers={"X-Request-ID": request_id})

        lines = log.getvalue().splitlines()
        assert [line.split("] ")[1].split(":")[0] for line in lines] == [
            "product_project.health",
            "django.request",
        ]
        assert all(f"[{request_id}]" in line for line in lines)

"""What the service answers beside orders and customers: health, metrics, documentation."""

import re
import uuid

import pytest
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connection
from pymongo.errors import AutoReconnect

from order_project.celery import app


class TestHealth:
    def test_is_live_without_any_database(self, client):
        response = client.get("/health/live")

        assert (response.status_code, response.json()) == (200, {"status": "ok"})

    @pytest.mark.django_db
    def test_is_ready_but_degraded_without_the_broker(self, client, monkeypatch):
        monkeypatch.setitem(app.conf, "broker_url", "redis://127.0.0.1:1/0")

        response = client.get("/health/ready")

        assert response.status_code == 200
        assert response.json() == {
            "status": "degraded",
            "database": "ok",
            "broker": "away",
            "cache": "ok",
        }

    @pytest.mark.skipif(connection.vendor == "mongodb", reason="pytest-django lets everyone in")
    def test_names_the_database_when_it_is_away(self, client):
        response = client.get("/health/ready")  # pytest-django lets nobody in without its mark

        assert response.status_code == 503
        assert response.json()["database"] == "away"


class TestOutage:
    @pytest.mark.skipif(connection.vendor == "mongodb", reason="statements pass no wrapper there")
    @pytest.mark.parametrize(
        ("error", "cause"),
        [
            (OperationalError("server closed the connection"), None),
            (DatabaseError(), AutoReconnect()),
        ],
        ids=["SQL", "MongoDB"],
    )
    @pytest.mark.django_db
    def test_of_the_database_is_told_from_a_fault_of_ours(self, cleo, error, cause):
        def away(*statement):
            raise error from cause

        with connection.execute_wrapper(away):
            response = cleo.client.get("/api/v1/customers/")

        assert response.status_code == 503
        assert response.json() == {
            "detail": "The database does not answer; repeat the request in a moment."
        }


class TestMetrics:
    @pytest.mark.django_db
    def test_count_requests_by_view(self, client, cleo):
        cleo.client.get("/api/v1/customers/")

        assert 'view="customer-list"' in client.get("/metrics").content.decode()


class TestDocumentation:
    def test_describes_the_api_without_a_warning(self, capsys):
        call_command("spectacular", "--validate", "--fail-on-warn")

        described = capsys.readouterr().out
        for path in ("orders/:", "orders/{order_id}/:", "customers/:", "customers/{id}/:"):
            assert f"/api/v1/{path}" in described

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


class TestRequestId:
    def test_is_kept_where_there_is_one(self, client):
        request_id = uuid.uuid4().hex

        response = client.get("/health/live", headers={"X-Request-ID": request_id})

        assert response.headers["X-Request-ID"] == request_id

    def test_is_made_anew_where_it_could_forge_a_log_line(self, client):
        response = client.get("/health/live", headers={"X-Request-ID": "x] ERROR forged"})

        assert uuid.UUID(response.headers["X-Request-ID"])

"""What the service shows of itself: health, metrics, documentation, and one id a request."""

import io
import logging
import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from rest_framework.test import APIClient

from stock.stores.protocol import StockStore
from stock.stores.redis import RedisStore


class TestHealth:
    def test_is_live_without_asking_anyone(self, client: Client) -> None:
        assert client.get("/health/live").json() == {"status": "ok"}

    @pytest.mark.django_db
    def test_is_ready_with_all_that_a_request_needs(
        self, client: Client, store: StockStore
    ) -> None:
        answer = client.get("/health/ready")

        stock = {"stock": "ok"} if isinstance(store, RedisStore) else {}
        assert answer.json() == {"status": "ok", "database": "ok"} | stock
        assert "no-cache" in answer.headers["Cache-Control"]

    @pytest.mark.django_db
    def test_is_not_ready_while_redis_is_away(self, client: Client, settings: Any) -> None:
        settings.STOCK_URL = "redis://127.0.0.1:1"

        answer = client.get("/health/ready")

        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "database": "ok", "stock": "away"}

    @pytest.mark.django_db
    def test_is_not_ready_with_a_redis_that_lost_its_data(
        self, client: Client, settings: Any, valkey_url: str
    ) -> None:
        settings.STOCK_URL = valkey_url
        settings.STOCK_PREFIX = f"{{never-filled-{uuid4()}}}:"

        assert client.get("/health/ready").json()["stock"] == "away"

    def test_names_the_database_when_it_is_away(self, client: Client) -> None:
        answer = client.get("/health/ready")  # a test without the mark gets no database

        assert answer.status_code == 503
        assert answer.json()["database"] == "away"


@pytest.mark.django_db
class TestMetrics:
    def test_count_requests_by_view(self, client: Client, store: StockStore) -> None:
        client.get("/api/v1/stock/")

        metrics = client.get("/metrics").text

        assert re.search(r'requests_total_by_view.*view="stock-list"', metrics)

    @pytest.mark.django_db
    def test_tell_how_far_the_ledger_is_behind(self, client: Client, store: StockStore) -> None:
        def waiting() -> tuple[str, ...]:
            page = client.get("/metrics").text
            names = ("ledger_waiting", "ledger_oldest_waiting_seconds", "memory_share")
            found = (re.search(rf"^freehold_stock_{name} (.*)$", page, re.M) for name in names)
            return tuple(match[1] for match in found if match)

        assert waiting() == ("0.0", "0.0", "0.0")
        receipt: dict[str, Any] = {"sku": "TENT-2P", "quantity": 5, "reason": "delivery"}
        store.receive(**receipt, by="cleo", receipt_id=uuid4())

        number, oldest, _ = waiting()
        in_redis = isinstance(store, RedisStore)
        assert (number, float(oldest) > 0) == (("1.0", True) if in_redis else ("0.0", False))

    def test_tell_nothing_of_a_stock_store_that_is_away(
        self, client: Client, settings: Any
    ) -> None:
        settings.STOCK_URL = "redis://127.0.0.1:1"

        assert "freehold_stock" not in client.get("/metrics").text


class TestDocumentation:
    def test_is_valid_without_a_warning(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("spectacular", "--validate", "--fail-on-warn")

        schema = capsys.readouterr().out
        assert "/api/v1/reservations/{order_id}/fulfilment/:" in schema

    def test_says_of_every_operation_how_it_refuses(self, client: Client) -> None:
        paths = client.get("/api/schema/", headers={"Accept": "application/json"}).json()["paths"]

        for where, operations in paths.items():
            for method, operation in operations.items():
                told = set(operation["responses"])
                assert {"401", "503"} <= told, (where, method)
                assert "requestBody" not in operation or {"413", "415"} <= told, (where, method)

    def test_is_shown_with_local_assets(self, client: Client) -> None:
        page = client.get("/api/docs/").text

        assert re.findall(r'(?:src|href)="(?!/)([^"]*)"', page) == []
        assert "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in page

    def test_is_where_who_opens_the_service_arrives(self, client: Client) -> None:
        assert client.get("/").headers["Location"] == "/api/docs/"


class TestUnknownAddresses:
    def test_are_told_in_json_under_the_api(self, anyone: APIClient) -> None:
        answer = anyone.get("/api/v1/nothing/")

        assert answer.status_code == 404
        assert answer.json() == {"detail": "Nothing is at /api/v1/nothing/: see /api/docs/."}

    def test_are_told_on_a_page_elsewhere(self, client: Client) -> None:
        answer = client.get("/nothing/")

        assert answer.status_code == 404
        assert answer.headers["Content-Type"].startswith("text/html")


class TestOutage:
    @pytest.mark.django_db
    def test_of_the_database_is_told_from_a_fault_of_ours(self, client: Client) -> None:
        def away(*statement: object) -> None:
            raise OperationalError("server closed the connection unexpectedly")

        with connection.execute_wrapper(away):
            answer = client.get("/api/v1/stock/")

        assert answer.status_code == 503
        assert answer.json() == {
            "detail": "The database does not answer; repeat the request in a moment."
        }


class TestRequestId:
    @pytest.mark.django_db
    def test_follows_a_request_into_every_log_line(
        self, cleo: APIClient, store: StockStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (handler,) = [known for known in logging.getLogger().handlers if known.name == "stderr"]
        log = io.StringIO()
        monkeypatch.setattr(handler, "stream", log)
        request_id = uuid4().hex

        answer = cleo.post(
            "/api/v1/stock/TENT-2P/receipts/",
            {"quantity": -5, "reason": "torn"},
            headers={"X-Request-ID": request_id},
        )
        cleo.post(
            "/api/v1/stock/TENT-2P/receipts/",
            {"quantity": 5, "reason": "delivery"},
            headers={"X-Request-ID": request_id},
        )

        lines = log.getvalue().splitlines()
        assert answer.headers["X-Request-ID"] == request_id
        assert any("stock.operations" in line for line in lines)
        assert all(f"[{request_id}]" in line for line in lines)

    def test_is_made_where_there_is_none_to_trust(self, client: Client) -> None:
        answer = client.get("/health/live", headers={"X-Request-ID": "x] ERROR forged"})

        assert UUID(answer.headers["X-Request-ID"])

"""How each engine is set up, as the engine itself tells."""

from typing import Any

import pytest
from django.db import DataError, connection, transaction

from products.models import Product

pytestmark = pytest.mark.django_db


def tells(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


class TestAnyEngine:
    def test_keeps_any_character(self, put_on_sale):
        name = "Zelt für zwei \N{TENT} 帐篷"

        put_on_sale(name=name)

        assert Product.objects.get().name == name


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the suite is not on SQLite")
class TestSqlite:
    def test_lets_readers_read_while_one_writes(self):
        assert tells("PRAGMA journal_mode") == [("wal",)]

    def test_lets_a_writer_wait(self):
        assert tells("PRAGMA busy_timeout") == [(20_000,)]  # milliseconds


@pytest.mark.skipif(connection.vendor != "postgresql", reason="the suite is not on PostgreSQL")
class TestPostgresql:
    def test_connections_come_from_a_pool_that_says_so_when_it_has_none(self):
        pool = connection.pool  # type: ignore[attr-defined]  # PostgreSQL's alone

        assert (pool.min_size, pool.max_size, pool.timeout) == (1, 10, 5)

    def test_reads_what_is_committed(self):
        assert tells("SHOW transaction_isolation") == [("read committed",)]

    def test_a_connection_keeps_what_it_is_asked_again(self):
        for _ in range(6):
            tells("SELECT 1")

        assert ("SELECT 1",) in tells("SELECT statement FROM pg_prepared_statements")


@pytest.mark.skipif(connection.vendor != "mysql", reason="the suite is not on MySQL or MariaDB")
class TestMysql:
    def test_reads_what_is_committed(self):
        levels = tells(
            "SHOW SESSION VARIABLES "
            "WHERE variable_name IN ('transaction_isolation', 'tx_isolation')"  # MariaDB's, once
        )

        assert {level for _, level in levels} == {"READ-COMMITTED"}

    def test_cuts_nothing_off(self, tent):
        assert "STRICT_ALL_TABLES" in tells("SELECT @@sql_mode")[0][0]
        with pytest.raises(DataError), transaction.atomic():
            Product.objects.update(name="x" * 201)

    def test_speaks_and_keeps_utf8mb4(self):
        spoken = tells(
            "SELECT @@character_set_client, @@character_set_connection, @@character_set_results"
        )
        kept = tells(
            "SELECT DISTINCT character_set_name FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND character_set_name IS NOT NULL"
        )

        assert spoken == [("utf8mb4",) * 3]
        assert kept == [("utf8mb4",)]

    def test_keeps_tables_that_can_roll_back(self):
        engines = tells(
            "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = DATABASE()"
        )

        assert engines == [("InnoDB",)]

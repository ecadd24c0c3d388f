"""Whether a service's users can climb out of their own MariaDB or MySQL database."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pymysql
import pytest
from docker.make_secrets import HERE, ROLES_OF, fill_in_roles
from pymysql.constants import CLIENT, ER
from tests.boundaries.absence import give_up
from tests.boundaries.projects import python
from tests.engines import engine_url
from tests.estate.settings import SERVICES

URL = engine_url("mysql")
SYSTEM = ("mysql", "performance_schema", "sys")
ROLES = ("owner", "service")
REFUSED = {
    ER.DBACCESS_DENIED_ERROR,
    ER.TABLEACCESS_DENIED_ERROR,
    ER.COLUMNACCESS_DENIED_ERROR,
    ER.SPECIFIC_ACCESS_DENIED_ERROR,
    ER.ACCESS_DENIED_ERROR,
}
Session: TypeAlias = "pymysql.Connection[Any]"


@dataclass
class Server:
    """A server with four services' places in it, under names and passwords of this run alone."""

    administrator: Session
    names: dict[str, str]
    passwords: dict[str, str] = field(default_factory=dict)

    def apply(self, service: str) -> None:
        """Run the committed script for one service."""
        name = self.names[service]
        passwords = {role: secrets.token_urlsafe() for role in ROLES}
        self.passwords |= {f"{name}_{role}": password for role, password in passwords.items()}
        run(self.administrator, fill_in_roles(HERE / ROLES_OF["mysql"], name, passwords))

    def url(self, service: str, role: str) -> str:
        name = self.names[service]
        user = f"{name}_{role}:{self.passwords[f'{name}_{role}']}"
        return f"mysql://{user}@{URL.hostname}:{URL.port or 3306}/{name}"

    def session(self, service: str, role: str = "service", database: str = "") -> Session:
        name = self.names[service]
        user = f"{name}_{role}"
        return connect(user, self.passwords[user], database or name)


def connect(user: str, password: str, database: str | None = None) -> Session:
    return pymysql.connect(
        host=URL.hostname,
        port=URL.port or 3306,
        user=user,
        password=password,
        database=database,
        connect_timeout=2,
        autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
    )


def run(session: Session, statements: str) -> list[tuple[Any, ...]]:
    """Run statements; what the last one returned."""
    with session.cursor() as cursor:
        cursor.execute(statements)
        while cursor.nextset():
            pass
        return list(cursor.fetchall())


def why_refused(server: Server, service: str, role: str, database: str) -> int | None:
    """None if the user gets into the database, or else the number of the server's error."""
    try:
        server.session(service, role, database).close()
    except pymysql.OperationalError as error:
        return int(error.args[0])
    return None


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The committed script, run once for each service; the server is left as it was."""
    try:
        administrator = connect(URL.username or "root", URL.password or "")
    except pymysql.OperationalError as error:
        give_up("mysql", error)
    run_id = secrets.token_hex(3)
    server = Server(administrator, {service: f"walls{run_id}{service}" for service in SERVICES})
    try:
        for service in SERVICES:
            server.apply(service)
        yield server
    finally:
        for name in server.names.values():
            run(administrator, f"DROP DATABASE IF EXISTS {name}")
            for role in ROLES:
                run(administrator, f"DROP USER IF EXISTS '{name}_{role}'@'%'")
        administrator.close()


@pytest.fixture(scope="module")
def table(server: Server) -> str:
    """A table as migrations make it, with a row."""
    with server.session("product", "owner") as owner:
        run(owner, "CREATE TABLE products (id int PRIMARY KEY AUTO_INCREMENT, name text)")
        run(owner, "INSERT INTO products (name) VALUES ('Tent')")
    return "products"


class TestMySQL:
    def test_lets_each_user_into_its_own_database_and_no_other(self, server: Server):
        everyone = [(service, role) for service in SERVICES for role in ROLES]
        databases = [*server.names.values(), *SYSTEM]

        refusals = {
            (service, role, database): why_refused(server, service, role, database)
            for service, role in everyone
            for database in databases
        }

        own = {(service, role, server.names[service]) for service, role in everyone}
        assert {entry for entry, refusal in refusals.items() if refusal is None} == own
        assert set(filter(None, refusals.values())) <= REFUSED

    @pytest.mark.parametrize("role", ROLES)
    def test_shows_each_user_its_own_database_alone(self, server: Server, role: str):
        with server.session("product", role) as session:
            seen = {name for (name,) in run(session, "SHOW DATABASES")}

        assert seen - {"information_schema"} == {server.names["product"]}

    def test_lets_the_processes_write_rows_in_what_migrations_make(
        self, server: Server, table: str
    ):
        with server.session("product") as session:
            run(session, "INSERT INTO products (name) VALUES ('Tarp')")
            run(session, "UPDATE products SET name = 'Mat' WHERE name = 'Tarp'")
            names = run(session, "SELECT name FROM products ORDER BY id")
            run(session, "DELETE FROM products WHERE name = 'Mat'")

        assert names == [("Tent",), ("Mat",)]

    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE TABLE mine (id int)",
            "CREATE TEMPORARY TABLE mine (id int)",
            "CREATE VIEW mine AS SELECT 1",
            "CREATE FUNCTION mine() RETURNS int RETURN 1",
            "CREATE TRIGGER mine BEFORE INSERT ON products FOR EACH ROW SET NEW.name = ''",
            "CREATE INDEX mine ON products (id)",
            "ALTER TABLE products ADD COLUMN extra int",
            "RENAME TABLE products TO mine",
            "TRUNCATE products",
            "DROP TABLE products",
            "DROP DATABASE {name}",
        ],
    )
    def test_lets_the_processes_change_no_schema(self, server: Server, table: str, statement: str):
        with server.session("product") as session, pytest.raises(pymysql.Error) as refusal:
            run(session, statement.format(name=server.names["product"]))

        assert refusal.value.args[0] in REFUSED

    @pytest.mark.parametrize("role", ROLES)
    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE DATABASE mine",
            "CREATE USER mine",
            "GRANT SELECT ON *.* TO CURRENT_USER",
            "SET PASSWORD FOR '{other}_service'@'%' = PASSWORD('known')",
            "SELECT authentication_string FROM mysql.user",
            "SELECT * FROM {other}.anything",
            "SELECT 1 INTO OUTFILE '/tmp/walls'",
            "SET GLOBAL max_connections = 1",
            "FLUSH TABLES",
        ],
    )
    def test_lets_nobody_out_by_the_server(self, server: Server, role: str, statement: str):
        with server.session("product", role) as session, pytest.raises(pymysql.Error) as refusal:
            run(session, statement.format(other=server.names["order"]))

        assert refusal.value.args[0] in REFUSED

    def test_gives_a_project_what_it_needs(self, server: Server):
        if python("inventory", "-c", "import MySQLdb").returncode:
            give_up("mysql", "inventory_project is installed without its driver")
        owner, processes = (
            {"DEBUG": "1", "DATABASE_URL": server.url("inventory", role)} for role in ROLES
        )

        early = python("inventory", "manage.py", "migrate", **processes)
        migrated = python("inventory", "manage.py", "migrate", **owner)
        waited = python("inventory", "manage.py", "migrate", "--check", **processes)
        seeded = python("inventory", "manage.py", "seed", **processes)

        assert "CREATE command denied" in early.stderr
        assert migrated.returncode == 0, migrated.stderr
        assert waited.returncode == 0, waited.stderr
        assert seeded.returncode == 0, seeded.stderr

    def test_keeps_its_data_and_gets_new_passwords_when_the_script_runs_again(
        self, server: Server, table: str
    ):
        user = f"{server.names['product']}_service"
        old = server.passwords[user]

        server.apply("product")

        with pytest.raises(pymysql.OperationalError):
            connect(user, old)
        with server.session("product") as session:
            assert run(session, "SELECT name FROM products") == [("Tent",)]

"""Whether a service's users can climb out of their own MongoDB database.

MONGODB_URL names a server and its administrator. Where it names none, SecantusDB stands in: it
speaks MongoDB's protocol and checks roles as MongoDB does.
"""

import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from docker.make_secrets import HERE, ROLES_OF, fill_in_roles
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure
from secantus.server import SecantusDBServer
from tests.boundaries.projects import python
from tests.estate.settings import SERVICES

SYSTEM = ("admin", "config", "local")
ROLES = ("owner", "service")
REFUSED = 13  # MongoDB's number for "not authorized"
Client = MongoClient[dict[str, Any]]
Act = Callable[[Database[dict[str, Any]]], Any]

# What the processes of a service must not do in its own database.
CHANGES: dict[str, Act] = {
    "create a collection": lambda own: own.create_collection("mine"),
    "create an index": lambda own: own.orders.create_index("status"),
    "drop an index": lambda own: own.orders.drop_index("status_1"),
    "drop a collection": lambda own: own.orders.drop(),
    "rename a collection": lambda own: own.orders.rename("mine"),
    "change a collection": lambda own: own.command("collMod", "orders", validator={}),
    "drop the database": lambda own: own.client.drop_database(own.name),
}
# What nobody of a service may do.
ESCAPES: dict[str, Act] = {
    "make a user": lambda own: own.command("createUser", "mine", pwd="known", roles=[]),
    "make an administrator": lambda own: own.client.admin.command(
        "createUser", "mine", pwd="known", roles=["root"]
    ),
    "grant itself a role": lambda own: own.client.admin.command(
        "grantRolesToUser", f"{own.name}_service", roles=["root"]
    ),
    "list the databases' users": lambda own: own.client.admin["system.users"].find_one(),
    "set a parameter": lambda own: own.client.admin.command("setParameter", 1, quiet=True),
}


@dataclass
class Server:
    """A server with four services' places in it, under names and passwords of this run alone."""

    url: str
    names: dict[str, str]
    passwords: dict[str, str] = field(default_factory=dict)

    def apply(self, administrator: Client) -> None:
        """Run the commands of the committed script, once for each service."""
        for name in self.names.values():
            passwords = {role: secrets.token_urlsafe() for role in ROLES}
            self.passwords |= {f"{name}_{role}": own for role, own in passwords.items()}
            script = fill_in_roles(HERE / ROLES_OF["mongodb"], name, passwords)
            commands = re.search(r"const commands = (\[.*\]);\n", script, re.DOTALL)
            assert commands is not None
            for command in json.loads(commands[1]):
                administrator.admin.command(command)

    def remove(self, administrator: Client) -> None:
        for name in self.names.values():
            administrator.drop_database(name)
            for role in ROLES:
                administrator.admin.command("dropUser", f"{name}_{role}")
            administrator.admin.command("dropRole", f"{name}_rows")

    def database_url(self, service: str, role: str) -> str:
        """The URL of a service's own database, as make_secrets.py writes it."""
        name, server = self.names[service], urlsplit(self.url)
        user = f"{name}_{role}"
        own = f"{user}:{self.passwords[user]}@{server.hostname}:{server.port}/{name}"
        return f"mongodb://{own}?authSource=admin"

    def session(self, service: str, role: str = "service") -> Client:
        user = f"{self.names[service]}_{role}"
        return MongoClient(
            self.url, username=user, password=self.passwords[user], authSource="admin"
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The committed script, run once for each service; a server that was there stays as it was."""
    run = secrets.token_hex(3)
    names = {service: f"walls{run}{service}" for service in SERVICES}
    given = os.environ.get("MONGODB_URL")
    if given and urlsplit(given).username is None:
        given = None  # it asks nobody who they are
    with ExitStack() as opened:
        if given is None:
            folder = str(tmp_path_factory.mktemp("mongodb"))
            stand_in = opened.enter_context(SecantusDBServer(storage_path=folder))
        server = Server(given or stand_in.uri, names)
        administrator: Client = opened.enter_context(MongoClient(server.url))
        server.apply(administrator)
        if given is None:
            stand_in.require_auth = True  # from here on: somebody had to make the users
        else:
            opened.callback(server.remove, administrator)
        yield server


@pytest.fixture(scope="module")
def own(server: Server) -> Iterator[Database[dict[str, Any]]]:
    """Orders' database as its migrations leave it and as its processes see it."""
    with server.session("order", "owner") as owner:
        owner[server.names["order"]].orders.create_index("status")
    with server.session("order") as session:
        yield session[server.names["order"]]


def is_refused(act: Callable[[], Any]) -> bool:
    try:
        act()
    except OperationFailure as error:
        return error.code == REFUSED
    return False


class TestMongoDB:
    def test_lets_each_user_into_its_own_database_and_no_other(self, server: Server):
        entered, written = set(), set()

        for service, name in server.names.items():
            for role in ROLES:
                with server.session(service, role) as session:
                    for database in (*server.names.values(), *SYSTEM):
                        notes = session[database].notes
                        if not is_refused(notes.find_one):
                            entered.add((f"{name}_{role}", database))
                        if not is_refused(partial(notes.insert_one, {})):
                            written.add((f"{name}_{role}", database))

        own = {(f"{name}_{role}", name) for name in server.names.values() for role in ROLES}
        assert entered == own
        assert written == own

    def test_lets_the_processes_write_documents(self, own: Database[dict[str, Any]]):
        own.orders.insert_one({"_id": 1, "status": "pending"})
        own.orders.update_one({"_id": 1}, {"$set": {"status": "confirmed"}})
        found = list(own.orders.aggregate([{"$match": {"status": "confirmed"}}]))
        own.orders.delete_one({"_id": 1})

        assert found == [{"_id": 1, "status": "confirmed"}]

    def test_gives_orders_what_they_need(self, server: Server):
        owner, processes = (
            {"DEBUG": "1", "DATABASE_URL": server.database_url("order", role)} for role in ROLES
        )

        early = python("order", "manage.py", "migrate", **processes)
        migrated = python("order", "manage.py", "migrate", **owner)
        waited = python("order", "manage.py", "migrate", "--check", **processes)

        assert "not authorized" in early.stderr
        assert migrated.returncode == 0, migrated.stderr
        assert waited.returncode == 0, waited.stderr

    @pytest.mark.parametrize("change", CHANGES)
    def test_lets_the_processes_change_no_schema(self, own: Database[dict[str, Any]], change: str):
        with pytest.raises(OperationFailure) as refusal:
            CHANGES[change](own)

        assert refusal.value.code == REFUSED

    @pytest.mark.parametrize("role", ROLES)
    @pytest.mark.parametrize("escape", ESCAPES)
    def test_lets_nobody_out_by_the_server(self, server: Server, role: str, escape: str):
        with server.session("order", role) as session, pytest.raises(OperationFailure) as refusal:
            ESCAPES[escape](session[server.names["order"]])

        assert refusal.value.code == REFUSED

    def test_lets_nobody_in_without_a_name(self, server: Server):
        with (
            MongoClient[dict[str, Any]](server.url) as stranger,
            pytest.raises(OperationFailure) as refusal,
        ):
            stranger[server.names["order"]].orders.find_one()

        assert refusal.value.code == REFUSED

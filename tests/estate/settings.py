"""What each service of a local estate is told: its own engines, keys and secrets alone."""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ROOT = Path(__file__).resolve().parents[2]
RUN = Path(os.environ.get("ESTATE_FOLDER") or ROOT / ".run")  # what estates leave here, git ignores
SERVICES = ("user", "order", "product", "inventory")
USUAL_PORTS = {"user": 8001, "order": 8002, "product": 8003, "inventory": 8004}

KeySet = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Engines:
    """The URL of each engine, as the environment names it; None where it is to be embedded.

    `broker` is everybody's, but for those whom `brokers` gives a user of their own: "user",
    "order", and "order_owner", who declares the queues. Stock is in inventory's database where
    `stock` is None, and in the embedded Valkey where it is "embedded".
    """

    databases: dict[str, str | None]
    stock: str | None
    broker: str | None
    cache: str | None
    brokers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_environment(cls) -> "Engines":
        return cls(
            databases={
                name: os.environ.get(f"{name.upper()}_DATABASE_URL") or None for name in SERVICES
            },
            stock=os.environ.get("INVENTORY_STOCK_URL") or None,
            broker=os.environ.get("BROKER_URL") or None,
            cache=os.environ.get("CACHE_URL") or None,
            brokers={
                name: url
                for name in ("user", "order", "order_owner")
                if (url := os.environ.get(f"{name.upper()}_BROKER_URL"))
            },
        )

    @property
    def needs_valkey(self) -> bool:
        needs_broker = self.broker is None and not {"user", "order"} <= self.brokers.keys()
        return needs_broker or self.cache is None or self.stock == "embedded"


@dataclass(frozen=True, kw_only=True)
class Staff:
    """Opens a service's admin; user_project's also gets a token."""

    login: str
    password: str


def generate_key_set() -> KeySet:
    key = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    return {"keys": [key | {"kid": secrets.token_hex(8), "use": "sig", "alg": "RS256"}]}


def public_key_set(key_set: KeySet) -> KeySet:
    private = {"d", "p", "q", "dp", "dq", "qi", "key_ops"}
    return {
        "keys": [
            {name: value for name, value in key.items() if name not in private}
            for key in key_set["keys"]
        ]
    }


class Secrets:
    """What is made up once for an estate and kept beside its data, readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            fresh = {
                "secret_keys": {name: secrets.token_urlsafe(50) for name in SERVICES},
                "passwords": {name: secrets.token_urlsafe(12) for name in SERVICES},
                "signing_keys": {name: generate_key_set() for name in ("user", "order")},
            }
            path.touch(mode=0o600)
            path.write_text(json.dumps(fresh))
        self._kept = json.loads(path.read_text())

    def staff(self, service: str) -> Staff:
        login = "staff@fieldware.example" if service == "user" else "staff"
        return Staff(login=login, password=self._kept["passwords"][service])

    def secret_key(self, service: str) -> str:
        return str(self._kept["secret_keys"][service])

    def signing_keys(self, service: str) -> str:
        return json.dumps(self._kept["signing_keys"][service])

    def public_keys(self, service: str) -> str:
        return json.dumps(public_key_set(self._kept["signing_keys"][service]))


def environment_of(
    service: str,
    *,
    engines: Engines,
    kept: Secrets,
    folder: Path,
    ports: dict[str, int],
    valkey_port: int | None,
) -> dict[str, str]:
    """The whole environment of one service's processes; nothing else is passed on."""
    metrics = folder / "metrics" / service
    metrics.mkdir(parents=True, exist_ok=True)
    database = engines.databases[service] or f"sqlite:///{folder / service}.sqlite3"
    valkey = f"redis://127.0.0.1:{valkey_port}"
    own: dict[str, str] = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", str(folder)),
        "PYTHONUNBUFFERED": "1",
        "SECRET_KEY": kept.secret_key(service),
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "HTTPS_ONLY": "false",
        "DATABASE_URL": database,
        "PORT": str(ports[service]),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }
    if service == "user":
        own |= {
            "BROKER_URL": engines.brokers.get("user") or engines.broker or f"{valkey}/0",
            "CACHE_URL": engines.cache or f"{valkey}/1",
            "SIGNING_KEYS": kept.signing_keys("user"),
            "ORDER_PUBLIC_KEYS": kept.public_keys("order"),
            # One address plays all people here.
            "REGISTRATION_RATE": os.environ.get("REGISTRATION_RATE", "10000/min"),
            "LOGIN_RATE": os.environ.get("LOGIN_RATE", "10000/min"),
        }
    else:
        own["USER_PUBLIC_KEYS"] = kept.public_keys("user")
    if service == "order":
        own |= {
            "BROKER_URL": engines.brokers.get("order") or engines.broker or f"{valkey}/0",
            "CACHE_URL": engines.cache or f"{valkey}/2",
            "SIGNING_KEYS": kept.signing_keys("order"),
            "BEAT_SCHEDULE": str(folder / "beat"),
            # On one machine an outage is over sooner than elsewhere: look for its end more often.
            "RESUME_SECONDS": "1",
            "DEAD_LETTERS_SECONDS": "5",
            "RETRY_SECONDS": "2",
            "BREAKER_RESET_SECONDS": "1",
            **{f"{name.upper()}_URL": f"http://127.0.0.1:{ports[name]}" for name in SERVICES},
        }
    if service == "inventory":
        own["ORDER_PUBLIC_KEYS"] = kept.public_keys("order")
        own["STOCK_URL"] = f"{valkey}/3" if engines.stock == "embedded" else engines.stock or ""
    return own

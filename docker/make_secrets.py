"""Makes up what the containers must not share with anybody: docker/secrets/, one file a secret.

    .venv/bin/python docker/make_secrets.py

The roles of each engine are described beside this script, without passwords. What is written is
these files with passwords filled in, and the URLs by which services reach the engines. Any of the
URLs may be replaced by that of a server elsewhere.
"""

import base64
import hashlib
import json
import secrets
import sys
from pathlib import Path
from string import Template
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "secrets"

SERVICES = ("user", "order", "product", "inventory")
# The engine of each service in compose.yaml; in compose.postgres.yaml all four are PostgreSQL.
ENGINES = {"user": "postgresql", "order": "mongodb", "product": "mysql", "inventory": "postgresql"}
ROLES_OF = {
    "postgresql": "postgres/service.sql",
    "mysql": "mysql/service.sql",
    "mongodb": "mongodb/service.js",
}
URLS = {
    "postgresql": "postgres://{user}:{password}@{service}-db:5432/{service}",
    "mysql": "mysql://{user}:{password}@{service}-db:3306/{service}",
    "mongodb": "mongodb://{user}:{password}@{service}-db:27017/{service}?authSource=admin",
}

KeySet = dict[str, list[dict[str, Any]]]


def make_secrets() -> dict[str, str]:
    """The content of every file by its name, made up anew."""
    return databases() | broker() | redis() | keys()


def databases() -> dict[str, str]:
    """For each database an administrator, its roles as a script, and a URL for each role."""
    made = {"postgres_admin_password": password()}
    for service in SERVICES:
        made[f"{service}_db_admin_password"] = password()
        passwords = {role: password() for role in ("owner", "service")}
        for engine in sorted({ENGINES[service], "postgresql"}):
            roles = HERE / ROLES_OF[engine]
            made[f"{service}_{engine}{roles.suffix}"] = fill_in_roles(roles, service, passwords)
            for role, own in passwords.items():
                user = f"{service}_{role}"
                url = URLS[engine].format(user=user, password=own, service=service)
                made[f"{user}_{engine}_url"] = url
    return made


def broker() -> dict[str, str]:
    """RabbitMQ's definitions with a password for each user, and a URL for each user."""
    definitions = json.loads((HERE / "rabbitmq/definitions.json").read_text())
    made = {}
    for user in definitions["users"]:
        own = password()
        user["password_hash"] = rabbitmq_hash(own)
        made[f"{user['name']}_broker_url"] = f"amqp://{user['name']}:{own}@broker:5672/freehold"
    return made | {"rabbitmq_definitions.json": json.dumps(definitions, indent=2)}


def redis() -> dict[str, str]:
    """The users of each Redis with their passwords, and the URLs of the services."""
    stock = {name: password() for name in ("operator", "inventory_service")}
    cache = {name: password() for name in ("operator", "user_service", "order_service")}
    return {
        "stock.acl": fill_in_acl(HERE / "redis/stock.acl", stock),
        "cache.acl": fill_in_acl(HERE / "redis/cache.acl", cache),
        "stock_operator_password": stock["operator"],
        "cache_operator_password": cache["operator"],
        "inventory_service_stock_url": (
            f"redis://inventory_service:{stock['inventory_service']}@inventory-stock:6379/0"
        ),
    } | {
        f"{service}_service_cache_url": (
            f"redis://{service}_service:{cache[f'{service}_service']}@cache:6379/0"
            f"?key_prefix={service}"
        )
        for service in ("user", "order")
    }


def keys() -> dict[str, str]:
    """What signs sessions, people's tokens and order_project's tokens, and what checks these."""
    made = {f"{service}_secret_key": secrets.token_urlsafe(50) for service in SERVICES}
    for service in ("user", "order"):
        private, public = key_sets()
        made[f"{service}_signing_keys"] = json.dumps(private)
        made[f"{service}_public_keys"] = json.dumps(public)
    return made


def password() -> str:
    return secrets.token_urlsafe(24)  # letters, digits, - and _: nothing to quote, in any language


def fill_in_roles(roles: Path, service: str, passwords: dict[str, str]) -> str:
    """An engine's script of one service's roles, ready to run."""
    return Template(roles.read_text()).substitute(
        service=service,
        owner_password=passwords["owner"],
        service_password=passwords["service"],
    )


def fill_in_acl(acl: Path, passwords: dict[str, str]) -> str:
    """An ACL file as Redis reads it: without comments, with a digest of each password."""
    lines = []
    for line in acl.read_text().splitlines():
        if line.startswith("user "):
            name = line.split()[1]
            digest = hashlib.sha256(passwords.get(name, "").encode()).hexdigest()
            lines.append(f"{line} #{digest}" if name in passwords else line)
    return "\n".join([*lines, ""])


def rabbitmq_hash(password: str) -> str:
    """https://www.rabbitmq.com/docs/passwords#this-is-the-algorithm"""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def key_sets() -> tuple[KeySet, KeySet]:
    """A private key set (RFC 7517) with one RSA key, and its public part."""
    key = rsa.generate_private_key(65537, 2048)
    named = {"kid": secrets.token_hex(8), "use": "sig", "alg": "RS256"}
    private = RSAAlgorithm.to_jwk(key, as_dict=True) | named
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | named
    return {"keys": [private]}, {"keys": [public]}


def write(made: dict[str, str], folder: Path) -> None:
    """Write the files where only their owner can enter.

    The files themselves are readable by all, because a container's user has a number of its own.
    """
    folder.mkdir(mode=0o700)
    for name, content in made.items():
        path = folder / name
        path.write_text(content)
        path.chmod(0o444)


def main() -> str | None:
    if FOLDER.exists():
        return f"{FOLDER} is there already: remove it to have all secrets made anew"
    made = make_secrets()
    write(made, FOLDER)
    sys.stdout.write(f"{len(made)} secrets are in {FOLDER}\n")
    return None


if __name__ == "__main__":
    sys.exit(main())

"""The deployment files as their tools see them: Compose's extends and includes are resolved."""

import shlex
from pathlib import Path
from typing import Any

import yaml
from docker.make_secrets import HERE as DOCKER
from tests.estate.settings import ROOT, SERVICES

PICTURE, ALL_POSTGRESQL = "compose.yaml", "compose.postgres.yaml"
REPLACED = {"command", "test"}  # lists that Compose replaces; to all others it appends


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text()))


def compose(name: str) -> Any:
    """A compose file with what it includes, each service with what it extends."""
    model = load(DOCKER / name)
    model["services"] = {
        service: extended(entry, DOCKER / name) for service, entry in model["services"].items()
    }
    for included in model.pop("include", []):
        model = merged(compose(included), model)
    return model


def extended(entry: Any, file: Path) -> Any:
    if "extends" not in entry:
        return entry
    base = entry["extends"]
    base = base if isinstance(base, dict) else {"service": base}
    other = DOCKER / base["file"] if "file" in base else file
    own = {name: value for name, value in entry.items() if name != "extends"}
    return merged(extended(load(other)["services"][base["service"]], other), own)


def merged(base: Any, own: Any) -> Any:
    """https://github.com/compose-spec/compose-spec/blob/main/13-merge.md"""
    if not isinstance(base, dict):
        return own
    result = base | own
    for name in base.keys() & own.keys():
        if isinstance(base[name], list) and name not in REPLACED:
            result[name] = base[name] + own[name]
        else:
            result[name] = merged(base[name], own[name])
    return result


def ours(services: Any) -> dict[str, Any]:
    """The services of a compose file that run one of the projects."""
    return {name: entry for name, entry in services.items() if "build" in entry}


def service_of(process: str) -> str:
    """The service that a process belongs to; the names of both begin the same."""
    (service,) = {name for name in SERVICES if process.startswith(f"{name}-")}
    return service


def secret_names(entry: Any) -> set[str]:
    """The names under which a container finds its secrets."""
    return {
        secret if isinstance(secret, str) else secret.get("target", secret["source"])
        for secret in entry.get("secrets", [])
    }


def procfile() -> dict[str, list[str]]:
    """The command of each process as a container would run it."""
    commands = {}
    for line in (ROOT / "Procfile").read_text().splitlines():
        name, _, command = line.partition(": ")
        words = shlex.split(command.partition(" exec .venv/bin/")[2])
        if "--schedule" in words:  # where beat may write; ours writes nothing
            start = words.index("--schedule")
            del words[start : start + 2]
        commands[name] = words
    return commands

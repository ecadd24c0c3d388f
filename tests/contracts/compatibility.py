"""What may change in a contract without anybody having to deploy at the same time.

`released.json` keeps the JSON Schema of each contract as its readers and writers know it.
`python -m tests.contracts.compatibility` adds to it what a compatible change added.
"""

import dataclasses
import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

import msgspec

import contracts

RELEASED = Path(__file__).with_name("released.json")

Schema = dict[str, Any]


def contract_classes() -> list[type]:
    """Every dataclass that the package `contracts` defines."""
    modules = [
        importlib.import_module(f"contracts.{module.name}")
        for module in pkgutil.iter_modules(contracts.__path__)
    ]
    return [
        item
        for module in modules
        for item in vars(module).values()
        if dataclasses.is_dataclass(item)
        and isinstance(item, type)
        and item.__module__ == module.__name__
    ]


def schemas(classes: list[type]) -> dict[str, Schema]:
    """The JSON Schema of each class by its qualified name, without prose."""
    _, components = msgspec.json.schema_components(
        classes, ref_template="#/{name}", schema_hook=None
    )
    return {
        name: {key: value for key, value in schema.items() if key in ("properties", "required")}
        for name, schema in sorted(components.items())
    }


def breaks(old: dict[str, Schema], new: dict[str, Schema]) -> list[str]:
    """What an older reader or an older writer could not survive, a sentence each."""
    found = [f"{name} was removed" for name in sorted(old.keys() - new.keys())]
    for name in sorted(old.keys() & new.keys()):
        before, after = old[name]["properties"], new[name]["properties"]
        required = set(new[name]["required"]) - set(old[name]["required"])
        found += [f"{name}.{field} is newly required" for field in sorted(required)]
        for field in sorted(before):
            if field not in after:
                found.append(f"{name}.{field} was removed or renamed")
            else:
                found += changes(f"{name}.{field}", before[field], after[field])
    return found


def changes(field: str, before: Schema, after: Schema) -> list[str]:
    """How the values of one field changed, where that breaks."""
    old, new = set(before.get("enum", [])), set(after.get("enum", []))
    if old and new:
        # An older writer still sends what is gone; an older reader refuses what is new.
        return [f"{field} lost the literal {value!r}" for value in sorted(old - new)] + [
            f"{field} gained the literal {value!r}" for value in sorted(new - old)
        ]
    same = {key: before.get(key) for key in before if key != "default"} == {
        key: after.get(key) for key in after if key != "default"
    }
    return [] if same else [f"{field} was retyped from {before} to {after}"]


if __name__ == "__main__":
    now = schemas(contract_classes())
    if broken := breaks(json.loads(RELEASED.read_text()) if RELEASED.exists() else {}, now):
        sys.exit("not released: " + "; ".join(broken))
    RELEASED.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")

"""Changing a module right after its import, and refusing loudly where that cannot be done."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import reduce
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

Change = Callable[[ModuleType], None]
Wrapper = Callable[[Callable[..., Any]], Callable[..., Any]]

REFUSED = 70  # exit status: EX_SOFTWARE of sysexits.h


def refuse(why: str) -> NoReturn:
    """End the process: a fault that was asked for and does not happen would prove nothing."""
    os.write(2, f"fault injection: {why}; see tests/faults/inject\n".encode())
    os._exit(REFUSED)  # site.py would print an exception and go on


class AfterImport(MetaPathFinder):
    """Finds modules as ever, and lets those that someone waits for be changed when they are run."""

    def __init__(self) -> None:
        self.changes: dict[str, list[Change]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        changes = self.changes.get(fullname)
        spec = PathFinder.find_spec(fullname, path, target) if changes else None
        if changes and spec and spec.loader:
            run = spec.loader.exec_module

            def run_and_change(module: ModuleType) -> None:
                run(module)
                for change in changes:
                    change(module)

            spec.loader.exec_module = run_and_change  # type: ignore[method-assign]
        return spec


finder = AfterImport()


def after_import(name: str, change: Change, *, project: str | None = None) -> None:
    """Change a module when it has been imported.

    With a `project`, it is one of that service's own: refuses a process of another service, and
    one whose module of that name is gone, which nobody would ever import.
    """
    folder = Path.cwd()
    if project and folder.name != f"{project}_project":
        refuse(f"{name} is armed in {folder.name}, and belongs to {project}_project")
    source = folder.joinpath(*name.split("."))
    if project and not (source.with_suffix(".py").exists() or source.is_dir()):
        refuse(f"{project}_project has no module {name} any more")
    if name in sys.modules:
        refuse(f"{name} was imported too early to be changed")
    if finder not in sys.meta_path:
        sys.meta_path.insert(0, finder)
    finder.changes.setdefault(name, []).append(change)


def replace(module: ModuleType, path: str, wrapper: Wrapper) -> None:
    """Put the wrapper's result in the place of a function or of a class's method."""
    *owners, name = path.split(".")
    try:
        owner: Any = reduce(getattr, owners, module)
        original = getattr(owner, name)
    except AttributeError:
        refuse(f"{module.__name__} has no {path} any more")
    if not callable(original):
        refuse(f"{module.__name__}.{path} is not a function any more")
    setattr(owner, name, wrapper(original))

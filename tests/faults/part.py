"""A part of the estate for a scenario that does not need all of it, told what only a trial is."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.engines import lend_database, lend_vhost, mongodb_of_our_own, why_unusable
from tests.estate.estate import Estate
from tests.estate.settings import SERVICES, Engines
from tests.faults.inject import inherited
from tests.faults.run import CannotRunHere

Told = Mapping[str, Mapping[str, str]]


class Part(Estate):
    """Those processes of the estate that are named, with more variables for a service's own.

    `told` has these by service; it may be changed before a process is started again.
    """

    def __init__(
        self, folder: Path, engines: Engines, *, only: Collection[str], told: Told | None = None
    ) -> None:
        super().__init__(folder, engines)
        self.told: dict[str, dict[str, str]] = {
            service: dict(variables) for service, variables in (told or {}).items()
        }
        self.commands = {name: line for name, line in self.commands.items() if name in only}

    def environment(self, service: str) -> dict[str, str]:
        return super().environment(service) | inherited(service) | self.told.get(service, {})

    def _prepare(self, service: str) -> None:
        if any(name.startswith(f"{service}-") for name in self.commands):
            super()._prepare(service)


@contextmanager
def lend(*, broker: str = "", stock: str | None = None, **databases: str) -> Iterator[Engines]:
    """Places of our own in the shared engines, embedded where none is named, given back after.

    `broker` is "rabbitmq" or embedded; `databases` the engine of each service that has one. Raises
    CannotRunHere.
    """
    with ExitStack() as stack:
        if "mongodb" in databases.values():
            stack.enter_context(mongodb_of_our_own())
        for engine in sorted({*databases.values(), broker} - {""}):
            if reason := why_unusable(engine):
                raise CannotRunHere(f"{engine} cannot be used: {reason}", engine=engine)
        lent = {
            service: stack.enter_context(lend_database(engine))
            for service, engine in databases.items()
        }
        yield Engines(
            databases=dict.fromkeys(SERVICES) | lent,
            stock=stock,
            broker=stack.enter_context(lend_vhost()) if broker else None,
            cache=None,
        )

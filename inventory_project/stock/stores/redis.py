"""Stock in Redis: one script an operation, and the ledger's next entries in a stream beside it."""

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import redis
from django.utils import timezone
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from contracts.inventory import Reservation, ReservationLine, Shortage, StockLevel
from stock.ledger import Entry, Kind, by_sku
from stock.models import stock_level
from stock.stores.protocol import (
    BelowReserved,
    GoodsMissing,
    OutOfStock,
    ReceiptDiffers,
    ReservationUnknown,
    StockLost,
    StockUnavailable,
    ended_again,
    reserved_again,
)

logger = logging.getLogger(__name__)

SCRIPTS = Path(__file__).parent / "lua"
CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 2
RETRIES = Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 2)  # each call may be repeated
STAGED_AT_ONCE = 1000
STAGED_SECONDS = 3600  # what a rebuild that was killed left behind is gone after that

Lines = list[tuple[str, int]]


def encode_lines(lines: tuple[ReservationLine, ...]) -> str:
    return msgspec.json.encode([(line.sku, line.quantity) for line in lines]).decode()


def decode_lines(text: str) -> tuple[ReservationLine, ...]:
    pairs = msgspec.json.decode(text, type=Lines)
    return tuple(ReservationLine(sku=sku, quantity=quantity) for sku, quantity in pairs)


def decode_reservation(order_id: UUID, text: str) -> Reservation:
    """Reads "state lines"; one text, so that a script can compare and write it whole."""
    state, lines = text.split(" ", 1)
    fields = {"order_id": str(order_id), "state": state, "lines": decode_lines(lines)}
    return msgspec.convert(fields, Reservation)


def shortages(told: list[tuple[str, int, int]]) -> tuple[Shortage, ...]:
    """What a script says is short."""
    return tuple(
        Shortage(sku=sku, requested=requested, available=available)
        for sku, requested, available in told
    )


@contextmanager
def answering() -> Iterator[None]:
    """Turns whatever goes wrong with Redis into StockUnavailable."""
    try:
        yield
    except redis.RedisError as error:
        logger.warning("the stock store does not answer: %s", error)
        raise StockUnavailable from error


class RedisStore:
    """A StockStore in Redis 7 or Valkey, whose scripts are its transactions.

    Redis must not evict keys and must write its append-only file. A marker key tells a Redis that
    holds the stock from one that came back empty. What the scripts append to the stream is the
    ledger's until `operations.copy_ledger` has copied it.
    """

    def __init__(self, *, url: str, prefix: str) -> None:
        self.prefix = prefix
        self.client: redis.Redis = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
            socket_timeout=READ_TIMEOUT_SECONDS,
            retry=RETRIES,
        )
        self._marker, *self._held, self._stream = self._keys = [
            f"{prefix}{name}"
            for name in ("marker", "on_hand", "reserved", "reservations", "receipts", "movements")
        ]
        begin = (SCRIPTS / "stock.lua").read_text()
        self._scripts = {
            name: self.client.register_script(begin + (SCRIPTS / f"{name}.lua").read_text())
            for name in ("levels", "reservation", "receive", "reserve", "finish")
        }
        self._put_in_place = self.client.register_script((SCRIPTS / "restore.lua").read_text())

    def _run(self, script: str, *args: Any) -> list[Any]:
        """What a script answers: its outcome, then what belongs to it."""
        with answering():
            answer: list[Any] = self._scripts[script](keys=self._keys, args=args)
        if answer[0] == "lost":
            raise StockLost
        return answer

    def levels(self, *, skus: Collection[str]) -> dict[str, StockLevel]:
        _, on_hand, reserved = self._run("levels", *skus)
        return {
            sku: stock_level(sku, int(held or 0), int(promised or 0))
            for sku, held, promised in zip(skus, on_hand, reserved, strict=True)
        }

    def reservation(self, *, order_id: UUID) -> Reservation | None:
        _, known = self._run("reservation", str(order_id))
        return decode_reservation(order_id, known) if known else None

    def receive(
        self, *, sku: str, quantity: int, reason: str, by: str, receipt_id: UUID
    ) -> tuple[StockLevel, bool]:
        outcome, on_hand, reserved = self._run(
            "receive", str(receipt_id), sku, quantity, reason, by
        )
        level = stock_level(sku, on_hand, reserved)
        if outcome == "differs":
            raise ReceiptDiffers(receipt_id)
        if outcome == "below":
            raise BelowReserved(level=level, quantity=quantity)
        return level, outcome == "done"

    def reserve(
        self, *, order_id: UUID, lines: tuple[ReservationLine, ...], by: str
    ) -> tuple[Reservation, bool]:
        lines = by_sku(lines)
        outcome, *detail = self._run(
            "reserve", str(order_id), encode_lines(lines), str(uuid4()), by
        )
        if outcome == "short":
            raise OutOfStock(shortages(detail[0]))
        if outcome == "known":
            return reserved_again(decode_reservation(order_id, detail[0]), lines), False
        return Reservation(order_id=str(order_id), state="reserved", lines=lines), True

    def release(self, *, order_id: UUID, by: str) -> Reservation:
        return self._finish(order_id=order_id, end=Kind.RELEASED, by=by)

    def fulfil(self, *, order_id: UUID, by: str) -> Reservation:
        return self._finish(order_id=order_id, end=Kind.FULFILLED, by=by)

    def _finish(self, *, order_id: UUID, end: Kind, by: str) -> Reservation:
        outcome, *known = self._run("finish", str(order_id), end.value, str(uuid4()), by)
        if outcome == "unknown":
            raise ReservationUnknown(order_id)
        if outcome == "missing":
            raise GoodsMissing(order_id, shortages(known[0]))
        reservation = decode_reservation(order_id, known[0])
        return ended_again(reservation, end) if outcome == "known" else reservation

    @answering()
    def is_open(self) -> bool:
        return bool(self.client.exists(self._marker))

    # What the worker and the rebuild need beyond the protocol.

    @answering()
    def movements(self, *, limit: int) -> dict[str, Entry]:
        """The oldest entries that are still only here, by their ids in the stream."""
        found: Any = self.client.xrange(self._stream, count=limit)
        return {
            stream_id: Entry(
                kind=Kind(fields["kind"]),
                lines=decode_lines(fields["lines"]),
                by=fields["by"],
                order_id=UUID(fields["order"]) if fields["order"] else None,
                reason=fields["reason"],
                operation_id=UUID(fields["operation"]),
                at=datetime.fromtimestamp(int(stream_id.split("-")[0]) / 1000, UTC),
            )
            for stream_id, fields in found
        }

    @answering()
    def forget_movements(self, stream_ids: Iterable[str]) -> None:
        """Drops what the ledger has."""
        self.client.xdel(self._stream, *stream_ids)

    @answering()
    def waiting(self) -> tuple[int, float]:
        """How many entries are still only here, and how many seconds ago the oldest was made."""
        number: Any = self.client.xlen(self._stream)
        oldest: Any = self.client.xrange(self._stream, count=1)
        made = [int(stream_id.split("-")[0]) / 1000 for stream_id, _ in oldest]
        return number, max(0.0, timezone.now().timestamp() - made[0]) if made else 0.0

    @answering()
    def fill_level(self) -> float:
        """The share of its memory limit that this Redis uses; 0 where it has no limit."""
        told: Any = self.client.info("memory")
        return told["used_memory"] / told["maxmemory"] if told["maxmemory"] else 0.0

    @answering()
    def close(self) -> None:
        """Serves nothing until it is restored."""
        self.client.delete(self._marker)

    @answering()
    def restore(
        self,
        *,
        levels: Iterable[StockLevel],
        reservations: Iterable[Reservation],
        receipts: Iterable[Entry],
    ) -> None:
        """Opens a closed store; of several at once one does, and the others change nothing."""
        staged = [f"{key}:{uuid4()}" for key in self._held]
        try:
            self._stage(staged, levels, reservations, receipts)
            pairs = zip(staged, self._held, strict=True)
            self._put_in_place(
                keys=[self._marker, *(key for pair in pairs for key in pair)],
                args=[timezone.now().isoformat()],
            )
        finally:
            self.client.unlink(*staged)

    def _stage(
        self,
        staged: list[str],
        levels: Iterable[StockLevel],
        reservations: Iterable[Reservation],
        receipts: Iterable[Entry],
    ) -> None:
        """Write all that a store holds under other names."""
        on_hand, reserved, held, received = staged

        def contents() -> Iterator[tuple[str, str, str]]:
            for level in levels:
                yield on_hand, level.sku, str(level.on_hand)
                yield reserved, level.sku, str(level.reserved)
            for known in reservations:
                yield held, known.order_id, f"{known.state} {encode_lines(known.lines)}"
            for receipt in receipts:
                (line,) = receipt.lines
                content = f"{line.sku} {line.quantity} {receipt.reason}"
                yield received, str(receipt.operation_id), content

        rest = contents()
        while some := list(islice(rest, STAGED_AT_ONCE)):
            with self.client.pipeline(transaction=False) as writes:
                for key, field, value in some:
                    writes.hset(key, field, value)
                for key in staged:
                    writes.expire(key, STAGED_SECONDS)
                writes.execute()

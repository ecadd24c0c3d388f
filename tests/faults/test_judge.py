"""The judge: silent where all is as promised, and red for each promise that is broken."""

from dataclasses import replace
from typing import Any

import pytest
from tests.faults.judge import (
    PROMISES,
    Books,
    Level,
    Movement,
    Order,
    Person,
    Placed,
    Reservation,
    judge,
)

ANN = Person(3, "ann@example.com", "Ann", False)
BO = Person(2, "", "", True)
TENTS = {"TENT-2P": 2}


def movement(kind: str, *, on_hand: int = 0, reserved: int = 0, order: str = "") -> Movement:
    return Movement(
        operation=f"{kind} for {order}",
        sku="TENT-2P",
        kind=kind,
        on_hand=on_hand,
        reserved=reserved,
        order=order,
    )


WAITS = Order(id="waits", customer="ann", key="1", status="confirmed", lines=TENTS)
LEFT = replace(WAITS, id="left", key="2")
CANCELLED = replace(WAITS, id="cancelled", key="3", status="cancelled", is_released=True)


def books(**changes: Any) -> Books:
    """What is in order, but for the changes."""
    honest = Books(
        acknowledged={"ann": ANN, "bo": BO},
        users={"ann": ANN, "bo": BO},
        customers={"ann": ANN, "bo": BO},
        placed=[
            Placed(customer="ann", key=order.key, lines=TENTS, ids=frozenset({order.id}))
            for order in (WAITS, LEFT, CANCELLED)
        ],
        orders=[WAITS, LEFT, CANCELLED],
        levels={"TENT-2P": Level(8, 2)},
        reservations={
            "waits": Reservation(state="reserved", lines=TENTS),
            "left": Reservation(state="fulfilled", lines=TENTS),
            "cancelled": Reservation(state="released", lines=TENTS),
            "never came": Reservation(state="released", lines={}),
        },
        movements=[
            movement("received", on_hand=10),
            movement("reserved", reserved=2, order="waits"),
            movement("reserved", reserved=2, order="left"),
            movement("fulfilled", on_hand=-2, reserved=-2, order="left"),
            movement("reserved", reserved=2, order="cancelled"),
            movement("released", reserved=-2, order="cancelled"),
        ],
    )
    return replace(honest, **changes)


def found(wrong: Books) -> dict[str, int]:
    return {what: count for what, count in judge(wrong).counts.items() if count}


HONEST = books()
RESERVATIONS = dict(HONEST.reservations)

# What is wrong, and how often which promise is broken by it.
WRONG: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "a commit that the owner forgot": (
        {"acknowledged": {"cleo": ANN}},
        {"lost at the owner": 1},
    ),
    "a version that the owner forgot": (
        {"acknowledged": {"ann": ANN._replace(version=4)}},
        {"lost at the owner": 1},
    ),
    "a commit that the owner has otherwise": (
        {"acknowledged": {"ann": ANN._replace(name="Anne")}},
        {"lost at the owner": 1},
    ),
    "a user who is not in the copy": ({"customers": {"ann": ANN}}, {"lost": 1}),
    "a copy that is behind": (
        {"customers": {"ann": ANN._replace(version=2), "bo": BO}},
        {"lost": 1},
    ),
    "a copy that is ahead": (
        {"customers": {"ann": ANN._replace(version=4), "bo": BO}},
        {"phantom": 1},
    ),
    "a copy of nobody": ({"customers": {"ann": ANN, "bo": BO, "cleo": ANN}}, {"phantom": 1}),
    "another name in the copy": (
        {"customers": {"ann": ANN._replace(name="Anne"), "bo": BO}},
        {"altered": 1},
    ),
    "somebody erased alive in the copy": (
        {"customers": {"ann": ANN, "bo": BO._replace(is_deleted=False)}},
        {"altered": 1},
    ),
    "events in the outbox": ({"pending": 2}, {"unsent": 2}),
    "rejected events": ({"rejected": 3}, {"rejected": 3}),
    "dead letters": ({"dead_lettered": 1}, {"dead-lettered": 1}),
    "an order that was forgotten": (
        {"orders": [WAITS, CANCELLED]},
        {"orders lost": 1},
    ),
    "an order of other lines": (
        {"orders": [WAITS, LEFT, replace(CANCELLED, lines={"TENT-2P": 1})]},
        {"orders lost": 1},
    ),
    "one key with two orders": (
        {"orders": [*HONEST.orders, replace(CANCELLED, id="again")]},
        {"orders doubled": 1},
    ),
    "a buyer who was told of two orders": (
        {
            "placed": [
                Placed(customer="ann", key="1", lines=TENTS, ids=frozenset({"waits", "left"}))
            ]
        },
        {"orders doubled": 1},
    ),
    "an order that is pending": (
        {"orders": [WAITS, LEFT, replace(CANCELLED, status="pending")]},
        {"orders not ended": 1},
    ),
    "a release that is owed": (
        {"orders": [WAITS, LEFT, replace(CANCELLED, is_released=False)]},
        {"orders not ended": 1},
    ),
    "a confirmed order without a reservation": (
        {"reservations": {key: held for key, held in RESERVATIONS.items() if key != "left"}},
        {"not reserved": 1},
    ),
    "a confirmed order whose stock was released": (
        {"reservations": RESERVATIONS | {"left": RESERVATIONS["cancelled"]}},
        {"not reserved": 1},
    ),
    "stock that is held for nobody": (
        {"reservations": RESERVATIONS | {"gone": RESERVATIONS["waits"]}},
        {"stranded": 1},
    ),
    "stock that is held for a cancelled order": (
        {"reservations": RESERVATIONS | {"cancelled": RESERVATIONS["waits"]}},
        {"stranded": 1},
    ),
    "more reserved than there is": (
        {
            "levels": {"TENT-2P": Level(1, 2)},
            "movements": [*HONEST.movements, movement("received", on_hand=-7)],
        },
        {"oversold": 1},
    ),
    "a level that the ledger does not explain": (
        {"levels": {"TENT-2P": Level(9, 2)}},
        {"unbalanced": 1},
    ),
    "an order that was reserved twice": (
        {
            "levels": {"TENT-2P": Level(8, 4)},
            "movements": [
                *HONEST.movements,
                replace(HONEST.movements[1], operation="once more"),
            ],
        },
        {"reserved twice": 1, "misreserved": 1},
    ),
}


class TestTheJudge:
    def test_finds_nothing_where_all_is_as_promised(self) -> None:
        assert found(books()) == {}

    def test_takes_an_owner_that_went_on_for_no_loss(self) -> None:
        later = ANN._replace(version=9, name="Anne")

        assert (
            found(books(users={"ann": later, "bo": BO}, customers={"ann": later, "bo": BO})) == {}
        )

    @pytest.mark.parametrize("what", WRONG)
    def test_finds(self, what: str) -> None:
        changes, broken = WRONG[what]

        assert found(books(**changes)) == broken

    def test_can_find_a_break_of_every_promise(self) -> None:
        assert {what for _, broken in WRONG.values() for what in broken} == set(PROMISES)

    def test_says_what_was_promised_and_how_often_it_does_not_hold(self) -> None:
        verdict = judge(books(pending=2))

        assert list(verdict.broken()) == ["the outbox is empty: 2 unsent, as 2 in the outbox"]

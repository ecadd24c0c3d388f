"""What tests do with the ledger of either store."""

from stock.models import Level, Movement, Reservation
from stock.operations import copy_ledger, rebuild_stock
from stock.stores.protocol import StockStore
from stock.stores.redis import RedisStore


def copy_all(store: StockStore) -> None:
    """Copies what a Redis store has not told the ledger yet; the SQL store writes it itself."""
    if isinstance(store, RedisStore):
        while copy_ledger(store=store):
            pass


def lose_everything(store: StockStore) -> None:
    """Leaves nothing but the ledger, as after a failed disk."""
    if isinstance(store, RedisStore):
        for key in store.client.scan_iter(f"{store.prefix}*"):
            store.client.delete(key)
    else:
        Level.objects.all().delete()


def start_over(store: StockStore) -> None:
    """Empties store and ledger."""
    lose_everything(store)
    Movement.objects.all().delete()
    Reservation.objects.all().delete()
    rebuild_stock()

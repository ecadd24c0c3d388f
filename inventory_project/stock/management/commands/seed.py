"""Stock for a small outdoor shop."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.core.management.base import BaseCommand, CommandError

from stock.models import Item
from stock.operations import receive_stock
from stock.stores.protocol import StockUnavailable

# SKU, shelf, units of the first delivery
SHOP = [
    ("TENT-2P", "A-01-1", 24),
    ("TENT-4P", "A-01-2", 8),
    ("TARP-3X3", "A-02-1", 40),
    ("BAG-DOWN-0", "B-01-1", 18),
    ("BAG-SYN-5", "B-01-2", 36),
    ("MAT-FOAM", "B-02-1", 90),
    ("MAT-AIR", "B-02-2", 30),
    ("STOVE-GAS", "C-01-1", 55),
    ("POT-TI-900", "C-01-2", 42),
    ("MUG-ENAMEL", "C-01-3", 120),
    ("LAMP-HEAD", "D-01-1", 75),
    ("LAMP-CAMP", "D-01-2", 33),
    ("LAMP-OIL", "D-01-3", 0),  # discontinued and sold out
    ("PACK-45", "E-01-1", 22),
    ("PACK-20", "E-01-2", 48),
    ("FILTER-1L", "F-01-1", 60),
]


class Command(BaseCommand):
    help = "Fills the shelves of a small outdoor shop; run again, it changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.fill_shelves()
        except StockUnavailable as refusal:
            raise CommandError(str(refusal.detail)) from refusal
        self.stdout.write(f"{len(SHOP)} items are on their shelves.")

    def fill_shelves(self) -> None:
        for sku, shelf, units in SHOP:
            Item.objects.get_or_create(sku=sku, defaults={"shelf": shelf})
            if units:
                receive_stock(
                    sku=sku,
                    quantity=units,
                    reason="opening stock",
                    by="seed",
                    receipt_id=uuid5(NAMESPACE_URL, f"seed:{sku}"),
                )

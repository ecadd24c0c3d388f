"""Fill the catalogue of a small outdoor shop; what is there already stays as it is."""

from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand

from products import operations
from products.models import Product

CATALOGUE = [
    ("TENT-2P", "Ridge tent for two", "249.00", "shelter",
     "A two-pole ridge tent of 1.9 kg that stands in five minutes and sheds a night of rain."),
    ("TENT-4P", "Meadow tent for four", "389.00", "shelter",
     "A family tent with two sleeping cabins and a porch high enough to stand in."),
    ("TARP-3X3", "Tarp 3x3 m", "59.90", "shelter",
     "A square of silicone-coated nylon with sixteen loops, for rain, sun or a kitchen roof."),
    ("BAG-DOWN-0", "Down sleeping bag 0 C", "219.00", "sleeping",
     "A mummy bag of responsibly sourced duck down, comfortable down to freezing."),
    ("BAG-SYN-5", "Synthetic sleeping bag 5 C", "89.00", "sleeping",
     "A washable bag that keeps warming when it is damp, for three seasons."),
    ("MAT-FOAM", "Foam mat", "24.90", "sleeping",
     "A folding mat of closed foam that cannot leak and serves as a seat by day."),
    ("MAT-AIR", "Air mat", "119.00", "sleeping",
     "An insulated mat 7 cm thick that packs to the size of a water bottle."),
    ("STOVE-GAS", "Gas stove", "39.90", "kitchen",
     "A folding burner for screw-on cartridges that boils a litre in four minutes."),
    ("POT-TI-900", "Titanium pot 900 ml", "49.50", "kitchen",
     "A pot of 110 g with a lid and folding handles that a gas cartridge fits into."),
    ("MUG-ENAMEL", "Enamel mug", "9.90", "kitchen",
     "A steel mug of 350 ml that survives the fire and the fall from a table."),
    ("LAMP-HEAD", "Head lamp", "34.90", "light",
     "A rechargeable lamp of 350 lumens with a red light that spares the eyes of others."),
    ("LAMP-CAMP", "Camp lantern", "44.00", "light",
     "A dimmable lantern for tent and table that also charges a telephone."),
    ("LAMP-OIL", "Storm lantern", "29.00", "light",
     "The classic paraffin lantern of galvanised steel, no longer made."),
    ("PACK-45", "Trek pack 45 l", "159.00", "packs",
     "A pack for long weekends with an adjustable back and a rain cover."),
    ("PACK-20", "Day pack 20 l", "79.00", "packs",
     "A light pack with a ventilated back and room for lunch, jacket and map."),
    ("FILTER-1L", "Water filter bottle", "42.00", "water",
     "A soft bottle of one litre with a hollow-fibre filter for 1,000 litres of stream water."),
]  # fmt: skip
DISCONTINUED = {"LAMP-OIL"}


class Command(BaseCommand):
    help = "Fill the catalogue of a small outdoor shop; what is there already stays as it is."

    def handle(self, *args: Any, **options: Any) -> None:
        existing = set(Product.objects.values_list("sku", flat=True))
        missing = [row for row in CATALOGUE if row[0] not in existing]
        for sku, name, amount, category, description in missing:
            operations.create_product(
                sku=sku,
                name=name,
                description=description,
                category=category,
                price=Decimal(amount),
                is_active=sku not in DISCONTINUED,
                changed_by="seed",
            )
        self.stdout.write(f"{len(missing)} products added, {len(existing)} were there.")

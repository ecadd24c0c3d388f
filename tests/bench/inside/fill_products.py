"""In product_project: a catalogue of some pages."""

import json
import sys

from products.models import Product

DESCRIPTION = "Made for long days out: light, quick to dry, and easy to mend far from any shop."


def main(*, count: int) -> int:
    Product.objects.filter(sku__startswith="BENCH-").delete()
    Product.objects.bulk_create(
        Product(
            sku=f"BENCH-{number:04}",
            name=f"Camp chair number {number}",
            description=DESCRIPTION,
            category="camp",
            price="49.90",
        )
        for number in range(count)
    )
    return count


print(json.dumps(main(**json.loads(sys.argv[2]))))  # noqa: T201

"""manage.py seed."""

from decimal import Decimal

import pytest
from django.core.management import call_command

from products import operations
from products.models import PriceChange, Product

pytestmark = pytest.mark.django_db


class TestSeed:
    def test_fills_the_shop(self, capsys):
        call_command("seed")

        assert capsys.readouterr().out == "16 products added, 0 were there.\n"
        assert Product.objects.active().count() == 15
        assert not Product.objects.get(sku="LAMP-OIL").is_active
        for product in Product.objects.all():
            product.full_clean()

    def test_leaves_what_is_there_as_it_is(self, capsys):
        call_command("seed")
        operations.change_product(sku="TENT-2P", changed_by="clerk", price=Decimal("1.00"))

        call_command("seed")

        assert "0 products added, 16 were there." in capsys.readouterr().out
        assert Product.objects.get(sku="TENT-2P").price == Decimal("1.00")
        assert PriceChange.objects.count() == 17

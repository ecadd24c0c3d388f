"""Nobody writes to the copy but the projector, by whichever way of the ORM."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from customers.models import CopyIsReadOnly, Customer
from customers.operations import apply_users

WRITES: list[Callable[[Customer], Any]] = [
    lambda customer: customer.save(),
    lambda customer: customer.save(update_fields=["name"]),
    lambda customer: customer.delete(),
    lambda customer: Customer.objects.create(id=customer.id),
    lambda customer: Customer.objects.get_or_create(id=customer.id),
    lambda customer: Customer.objects.update_or_create(id=customer.id),
    lambda customer: Customer.objects.bulk_create([customer]),
    lambda customer: Customer.objects.bulk_update([customer], ["name"]),
    lambda _: Customer.objects.update(name="Other"),
    lambda customer: Customer.objects.filter(id=customer.id).update(name="Other"),
    lambda _: Customer.objects.all().delete(),
    lambda _: Customer.objects.synced_since(timezone.now()).delete(),
]


@pytest.mark.django_db
class TestCopyIsReadOnly:
    @pytest.mark.parametrize("write", WRITES)
    def test_refuses_every_write_and_says_what_to_do(
        self, write: Callable[[Customer], Any], ann: Any
    ) -> None:
        apply_users(users=[ann.user], now=timezone.now())
        customer = Customer.objects.get(id=ann.id)

        with pytest.raises(CopyIsReadOnly, match="verify_customers --repair"):
            write(customer)

        assert list(Customer.objects.as_users()) == [ann.user]

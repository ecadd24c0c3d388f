import pytest

from clients.inventory import GoodsHaveLeft
from orders.models import Order
from orders.operations import AlreadyRejected, cancel_order, resume_orders
from orders.tests.conftest import LATER, NOW, Killed, place

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("copied")]


def cancel(order):
    cancel_order(order=Order.objects.get(pk=order.pk), now=NOW)


class TestCancelOrder:
    def test_releases_the_stock(self, shop, ann):
        order = place(ann)

        cancel(order)

        order.refresh_from_db()
        assert (order.status, order.stock_released_at, order.resume_at) == ("cancelled", NOW, None)
        assert shop.stock.reserved == {}

    def test_may_be_repeated(self, shop, ann):
        order = place(ann)

        cancel(order)
        cancel(order)

        assert shop.asked.count("DELETE reservation") == 1

    def test_says_so_before_it_releases(self, shop, ann):
        order = place(ann)
        seen: list[object] = []
        shop.before = lambda: seen.extend(Order.objects.values_list("status", "resume_at"))

        cancel(order)

        assert seen == [("cancelled", NOW)]

    def test_owes_the_release_while_inventory_is_away(self, shop, ann):
        order = place(ann)
        shop.before = shop.lose
        cancel(order)
        assert Order.objects.get().status == "cancelled"
        assert shop.stock.reserved

        shop.recover()
        resume_orders(now=NOW)

        assert shop.stock.reserved == {}
        assert Order.objects.get().stock_released_at == NOW

    def test_does_not_concern_a_rejected_order(self, shop, ann):
        order = place(ann, TENT_2P=6)

        with pytest.raises(AlreadyRejected, match="nothing to cancel"):
            cancel(order)

        assert Order.objects.get().status == "rejected"

    def test_comes_too_late_for_goods_that_have_left(self, shop, ann):
        order = place(ann)
        shop.stock.fulfil(str(order.id))

        with pytest.raises(GoodsHaveLeft):
            cancel(order)

        order.refresh_from_db()
        assert (order.status, order.resume_at) == ("confirmed", None)

    def test_learns_later_that_it_came_too_late(self, shop, ann):
        order = place(ann)
        shop.stock.fulfil(str(order.id))
        shop.before = shop.lose
        cancel(order)

        shop.recover()
        resume_orders(now=NOW)

        assert Order.objects.get().status == "confirmed"


class TestRace:
    """An order is cancelled while the request that places it still runs."""

    def cancel_meanwhile(self, shop):
        def cancel_once():
            shop.recover()
            cancel(Order.objects.get())

        return cancel_once

    def test_release_that_overtakes_the_reservation_refuses_it(self, shop, ann):
        shop.before = self.cancel_meanwhile(shop)

        order = place(ann)

        assert order.status == "cancelled"
        assert shop.stock.reserved == {}
        assert shop.asked[1:] == ["PUT reservation", "DELETE reservation"]

    def test_confirmation_that_loses_holds_no_stock(self, shop, ann):
        shop.after = self.cancel_meanwhile(shop)

        order = place(ann)

        assert order.status == "cancelled"
        assert shop.stock.reserved == {}

    def test_confirmation_that_loses_leads_to_a_release_even_if_that_fails_at_first(
        self, shop, ann
    ):
        def cancel_in_vain():
            shop.recover()
            shop.before = shop.lose
            cancel(Order.objects.get())

        shop.after = cancel_in_vain
        order = place(ann)
        assert order.status == "cancelled"
        assert shop.stock.reserved

        shop.recover()
        resume_orders(now=LATER)

        assert shop.stock.reserved == {}

    def test_refusal_that_loses_does_not_reject(self, shop, ann):
        shop.before = self.cancel_meanwhile(shop)

        order = place(ann, TENT_2P=6)

        assert order.status == Order.objects.get().status == "cancelled"

    def test_cancellation_of_an_order_that_is_confirmed_meanwhile_cancels_it(self, shop, ann):
        shop.before = shop.lose
        as_pending = place(ann)
        shop.recover()
        resume_orders(now=LATER)
        assert Order.objects.get().status == "confirmed"

        cancel_order(order=as_pending, now=NOW)

        assert Order.objects.get().status == "cancelled"
        assert shop.stock.reserved == {}


class TestCrash:
    """SIGKILL on the way: nothing of ours runs after it, until resume_orders comes by."""

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_of_a_cancellation_strands_no_stock(self, shop, ann, moment):
        order = place(ann)
        setattr(shop, moment, shop.die)
        with pytest.raises(Killed):
            cancel(order)

        shop.recover()
        resume_orders(now=LATER)

        assert Order.objects.get().status == "cancelled"
        assert shop.stock.reserved == {}
        assert Order.objects.get().resume_at is None

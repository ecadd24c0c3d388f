import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.auth.models import User as LocalUser

from orders.models import Order
from orders.tests.conftest import place

CHANGELIST = "/admin/orders/order/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("copied")]


@pytest.fixture
def page(client):
    """A page of the admin, as staff of this service see it."""
    client.force_login(LocalUser.objects.create_superuser("dora"))

    def get(path=CHANGELIST, **query):
        response = client.get(path, query)
        assert response.status_code == 200
        return response.text

    return get


class TestOrderAdmin:
    def test_lists_orders_with_their_customers(self, shop, page, ann):
        order = place(ann, TENT_2P=1, MUG_ENAMEL=2)

        shown = page()

        assert str(order.id) in shown
        assert "Ann Example &lt;ann@example.com&gt;" in shown
        assert "268.80 EUR" in shown

    def test_takes_as_many_queries_for_many_orders_as_for_one(
        self, shop, page, ann, bo, django_assert_num_queries
    ):
        place(ann)
        with django_assert_num_queries(5):  # session, user, count, orders, customers
            page()

        for person in (ann, bo, bo):
            place(person)
        with django_assert_num_queries(5):
            page()

    def test_finds_by_id_and_by_email(self, shop, page, ann, bo):
        of_ann, of_bo = place(ann), place(bo)

        for term in (of_ann.id, f" {of_ann.id.hex} ", ann.id, "ANN@example", "ann@example.com"):
            shown = page(q=term)
            assert str(of_ann.id) in shown
            assert str(of_bo.id) not in shown

    def test_finds_nothing_where_nothing_is(self, shop, page, ann):
        place(ann)

        assert "0 orders" in page(q="nobody@example.com")

    def test_filters_by_status(self, shop, page, ann):
        confirmed, rejected = place(ann), place(ann, TENT_2P=6)

        shown = page(status__exact="rejected")

        assert str(rejected.id) in shown
        assert str(confirmed.id) not in shown

    def test_shows_an_order_readably(self, shop, page, ann):
        order = place(ann, TENT_2P=6)

        shown = page(f"{CHANGELIST}{order.id}/change/")

        assert "<td>TENT-2P</td><td>Tent-2P</td><td>6</td><td>249.00 EUR</td>" in shown
        assert "TENT-2P: 5 of 6" in shown
        assert 'name="_save"' not in shown

    def test_shows_an_order_of_nobody_in_the_copy(self, shop, page, ann, cleo):
        order = place(ann)
        Order.objects.update(customer_id=cleo.id)

        assert "not copied yet" in page()
        assert "not copied yet" in page(f"{CHANGELIST}{order.id}/change/")

    def test_shows_no_script_of_others(self, shop, page, ann):
        order = place(ann)
        order.lines[0]["name"] = "<script>alert()</script>"
        Order.objects.update(lines=order.lines)

        assert "<script>alert()" not in page(f"{CHANGELIST}{order.id}/change/")

    @pytest.mark.parametrize("path", ["add/", "{id}/delete/"])
    def test_neither_adds_nor_deletes(self, shop, page, client, ann, path):
        order = place(ann)

        assert client.get(CHANGELIST + path.format(id=order.id)).status_code == 403

    def test_changes_nothing_by_its_form(self, shop, page, client, ann):
        order = place(ann)

        response = client.post(f"{CHANGELIST}{order.id}/change/", {"status": "cancelled"})

        assert response.status_code == 403
        assert Order.objects.get().status == "confirmed"


class TestCancelAction:
    def cancel(self, client, *orders):
        data = {"action": "cancel", "_selected_action": [str(order.id) for order in orders]}
        return client.post(CHANGELIST, data, follow=True).text

    def test_cancels_releases_and_leaves_a_trace(self, shop, page, client, ann, bo):
        shown = self.cancel(client, place(ann), place(bo))

        assert "Orders cancelled: 2." in shown
        assert set(Order.objects.values_list("status", flat=True)) == {"cancelled"}
        assert shop.stock.reserved == {}
        assert LogEntry.objects.count() == 2

    def test_tells_what_cannot_be_cancelled(self, shop, page, client, ann):
        rejected, fulfilled, fine = place(ann, TENT_2P=6), place(ann), place(ann)
        shop.stock.fulfil(str(fulfilled.id))

        shown = self.cancel(client, rejected, fulfilled, fine)

        assert f"Order {rejected.id}: This order was rejected" in shown
        assert f"Order {fulfilled.id}: The goods have left" in shown
        assert "Orders cancelled: 1." in shown

    def test_is_not_offered_to_those_who_may_only_look(self, shop, client, ann):
        place(ann)
        looker = LocalUser.objects.create_user("fred", is_staff=True)
        looker.user_permissions.add(Permission.objects.get(codename="view_order"))
        client.force_login(looker)

        assert "Cancel selected orders" not in client.get(CHANGELIST).text

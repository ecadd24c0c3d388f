"""ETag, Cache-Control, If-None-Match and If-Match."""

import pytest

from products import operations

pytestmark = pytest.mark.django_db

URL = "/api/v1/products/"
TENT_URL = f"{URL}TENT-2P/"
READABLE = [URL, f"{URL}?sku=TENT-2P", TENT_URL, f"{TENT_URL}prices/"]


@pytest.mark.parametrize("url", READABLE)
class TestReading:
    def test_says_how_long_anyone_may_keep_the_answer(self, client, tent, settings, url):
        settings.PRODUCT_MAX_AGE_SECONDS = 77

        response = client.get(url)

        assert response["Cache-Control"] == "public, max-age=77"
        assert response["ETag"].startswith('"')

    def test_lets_a_person_keep_it_alone_and_ask_each_time(self, cleo, tent, url):
        assert cleo.client.get(url)["Cache-Control"] == "private, no-cache"

    def test_answers_304_to_who_has_it_already(self, client, tent, url):
        first = client.get(url)

        second = client.get(url, HTTP_IF_NONE_MATCH=first["ETag"])

        assert (second.status_code, second.content) == (304, b"")
        for header in ("ETag", "Cache-Control", "Vary"):
            assert second[header] == first[header]

    def test_answers_304_to_a_weakened_or_listed_etag(self, client, tent, url):
        etag = client.get(url)["ETag"]

        assert client.get(url, HTTP_IF_NONE_MATCH=f"W/{etag}").status_code == 304
        assert client.get(url, HTTP_IF_NONE_MATCH=f'"x", {etag}').status_code == 304

    def test_answers_in_full_after_a_change(self, client, cleo, tent, url):
        etag = client.get(url)["ETag"]
        cleo.client.patch(TENT_URL, {"price": {"amount": "1.00"}})

        response = client.get(url, HTTP_IF_NONE_MATCH=etag)

        assert response.status_code == 200
        assert response["ETag"] != etag

    def test_refuses_who_wants_another_state(self, client, tent, url):
        response = client.get(url, HTTP_IF_MATCH='"another"')

        assert response.status_code == 412
        assert "no longer as you saw it" in response.json()["detail"]

    def test_lets_nobody_keep_a_page_that_shows_who_is_logged_in(self, client, clerk, tent, url):
        client.force_login(clerk)

        response = client.get(url, HTTP_ACCEPT="text/html")

        assert response.status_code == 200
        assert not {"ETag", "Cache-Control"} & set(response.headers)

    def test_answers_a_head_like_a_get_without_its_body(self, client, tent, url):
        response = client.head(url)

        assert (response.status_code, response.content) == (200, b"")
        assert response["ETag"] == client.get(url)["ETag"]


class TestEtag:
    @pytest.mark.parametrize(
        "change",
        [
            {"name": "Tent"},
            {"description": "Another."},
            {"category": "tents"},
            {"price": "1.00"},
            {"currency": "CHF"},
            {"is_active": False},
        ],
        ids=str,
    )
    def test_differs_for_any_other_content(self, client, tent, change):
        etag = client.get(TENT_URL)["ETag"]

        operations.change_product(sku=tent.sku, changed_by="clerk", **change)

        assert client.get(TENT_URL)["ETag"] != etag

    def test_is_the_same_for_the_same_content(self, client, tent):
        etag = client.get(TENT_URL)["ETag"]

        for name in ("Tent", tent.name):
            operations.change_product(sku=tent.sku, changed_by="clerk", name=name)

        assert client.get(TENT_URL)["ETag"] == etag

    def test_of_a_list_differs_when_a_product_leaves_it(self, client, tent, put_on_sale):
        put_on_sale("TENT-4P")
        etag = client.get(f"{URL}?page_size=1")["ETag"]

        operations.discontinue_product(sku="TENT-4P", changed_by="clerk")

        assert client.get(f"{URL}?page_size=1")["ETag"] != etag

    def test_of_what_staff_alone_may_list_is_not_public(self, cleo, tent):
        response = cleo.client.get(f"{URL}?is_active=false")

        assert "public" not in response["Cache-Control"]


class TestConditionalChange:
    def test_is_made_to_what_the_caller_saw(self, client, cleo, tent):
        etag = client.get(TENT_URL)["ETag"]

        response = cleo.client.patch(TENT_URL, {"name": "Tent"}, HTTP_IF_MATCH=etag)

        assert response.status_code == 200
        assert response["ETag"] == client.get(TENT_URL)["ETag"] != etag

    def test_is_refused_to_who_saw_something_older(self, client, cleo, tent):
        etag = client.get(TENT_URL)["ETag"]
        cleo.client.patch(TENT_URL, {"name": "Tent"})

        response = cleo.client.patch(TENT_URL, {"name": "Marquee"}, HTTP_IF_MATCH=etag)

        assert response.status_code == 412
        assert "get it again" in response.json()["detail"]
        tent.refresh_from_db()
        assert tent.name == "Tent"

    def test_goes_on_from_the_etag_of_the_change_before(self, cleo, tent):
        first = cleo.client.patch(TENT_URL, {"name": "Tent"})

        second = cleo.client.patch(TENT_URL, {"name": "Marquee"}, HTTP_IF_MATCH=first["ETag"])

        assert second.status_code == 200

    def test_accepts_any_state_for_a_star(self, cleo, tent):
        response = cleo.client.patch(TENT_URL, {"name": "Tent"}, HTTP_IF_MATCH="*")

        assert response.status_code == 200

    def test_guards_discontinuing_too(self, client, cleo, tent):
        etag = client.get(TENT_URL)["ETag"]

        assert cleo.client.delete(TENT_URL, HTTP_IF_MATCH='"another"').status_code == 412
        assert cleo.client.delete(TENT_URL, HTTP_IF_MATCH=etag).status_code == 204

    def test_needs_no_condition(self, cleo, tent):
        assert cleo.client.patch(TENT_URL, {"name": "Tent"}).status_code == 200

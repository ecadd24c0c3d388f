"""Every door of product_project and who may pass it: a route without a row here fails."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.urls import URLPattern, URLResolver, get_resolver
from django.views.generic import RedirectView
from rest_framework.test import APIClient

from conftest import Person, client_with, make_key_set, make_token
from products.models import Product

# Nobody, Ann, who buys, Bo, Cleo of the staff, and order_project. People carry a token and
# are logged in to the pages too, as one of the local staff or as nobody much.
CALLERS = ("nobody", "ann", "bo", "cleo", "order")
TABLE = """
GET    /                                                 302 302 302 302 302
GET    /api/docs/                                        200 200 200 200 401
GET    /api/login/login/                                 200 200 200 200 200
POST   /api/login/login/                                 200 200 200 200 200
PUT    /api/login/login/                                 200 200 200 200 200
POST   /api/login/logout/                                200 200 200 200 200
GET    /api/schema/                                      200 200 200 200 401
GET    /api/v1/                                          302 302 302 302 302
GET    /api/v1/^products/$                               200 200 200 200 401
POST   /api/v1/^products/$                               401 403 403 201 401
DELETE /api/v1/^products/(?P<sku>[^/.]+)/$               401 403 403 204 401
GET    /api/v1/^products/(?P<sku>[^/.]+)/$               200 200 200 200 401
PATCH  /api/v1/^products/(?P<sku>[^/.]+)/$               401 403 403 200 401
GET    /api/v1/^products/(?P<sku>[^/.]+)/prices/$        200 200 200 200 401
GET    /health/live                                      200 200 200 200 200
GET    /health/ready                                     200 200 200 200 200
GET    /metrics                                          200 200 200 200 200
GET    /admin/                                           302 302 302 200 302
GET    /admin/(?P<url>.*)$                               302 302 302 404 302
GET    /admin/^(?P<app_label>auth|products)/$            302 302 302 200 302
GET    /admin/auth/group/                                302 302 302 200 302
GET    /admin/auth/group/<path:object_id>/               302 302 302 302 302
GET    /admin/auth/group/<path:object_id>/change/        302 302 302 200 302
GET    /admin/auth/group/<path:object_id>/delete/        302 302 302 200 302
GET    /admin/auth/group/<path:object_id>/history/       302 302 302 200 302
GET    /admin/auth/group/add/                            302 302 302 200 302
GET    /admin/auth/user/                                 302 302 302 200 302
GET    /admin/auth/user/<id>/password/                   302 302 302 200 302
GET    /admin/auth/user/<path:object_id>/                302 302 302 302 302
GET    /admin/auth/user/<path:object_id>/change/         302 302 302 200 302
GET    /admin/auth/user/<path:object_id>/delete/         302 302 302 200 302
GET    /admin/auth/user/<path:object_id>/history/        302 302 302 200 302
GET    /admin/auth/user/add/                             302 302 302 200 302
GET    /admin/autocomplete/                              302 302 302 403 302
GET    /admin/jsi18n/                                    302 302 302 200 302
GET    /admin/login/                                     200 200 200 302 200
GET    /admin/logout/                                    302 302 302 405 302
GET    /admin/password_change/                           302 302 302 200 302
GET    /admin/password_change/done/                      302 302 302 200 302
GET    /admin/products/product/                          302 302 302 200 302
GET    /admin/products/product/<path:object_id>/         302 302 302 302 302
GET    /admin/products/product/<path:object_id>/change/  302 302 302 200 302
GET    /admin/products/product/<path:object_id>/delete/  302 302 302 403 302
GET    /admin/products/product/<path:object_id>/history/ 302 302 302 200 302
GET    /admin/products/product/add/                      302 302 302 200 302
GET    /admin/r/<path:content_type_id>/<path:object_id>/ 302 302 302 404 302
"""
ROWS = {
    (method, route): dict(zip(CALLERS, map(int, statuses), strict=True))
    for method, route, *statuses in map(str.split, TABLE.strip().splitlines())
}
# Who tries a door in one test: all who read, but each alone who may change something.
CELLS = [
    (method, route, who)
    for method, route in ROWS
    for who in ([CALLERS] if method == "GET" else [(caller,) for caller in CALLERS])
]
# What is sent there; to the others, nothing.
BODIES = {
    ("POST", "/api/v1/^products/$"): {
        "sku": "MUG-ENAMEL",
        "name": "Enamel mug",
        "category": "kitchen",
        "price": {"amount": "9.90", "currency": "EUR"},
    },
    ("PATCH", "/api/v1/^products/(?P<sku>[^/.]+)/$"): {"name": "Tent"},
}

pytestmark = pytest.mark.django_db


def routes(patterns: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each method and route that there is."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield from ((method, f"/{route}") for method in methods_of(pattern))


def methods_of(pattern: URLPattern) -> set[str]:
    """What a view says that it takes; GET of one that does not say, such as a page of the admin."""
    if actions := getattr(pattern.callback, "actions", None):
        return {name.upper() for name in actions} - {"HEAD"}  # which the first request adds
    view = getattr(pattern.callback, "cls", getattr(pattern.callback, "view_class", RedirectView))
    if issubclass(view, RedirectView):
        return {"GET"}
    named = {name.upper() for name in view.http_method_names if hasattr(view, name)}
    return named - {"HEAD", "OPTIONS"}


@pytest.fixture
def callers(db: None, ann: Person, cleo: Person) -> dict[str, APIClient]:
    people = {"ann": ann, "bo": Person(str(uuid.uuid4()), is_staff=False), "cleo": cleo}
    clients = {name: person.client for name, person in people.items()}
    for name, client in clients.items():
        is_staff = people[name].is_staff
        client.force_login(
            User.objects.create(username=name, is_staff=is_staff, is_superuser=is_staff)
        )
    order = client_with(make_token(key_set=make_key_set("order-1"), iss="order", aud="product"))
    return clients | {"nobody": APIClient(), "order": order}


@pytest.fixture
def paths(tent: Product) -> dict[str, str]:
    """The path of each route, to something that is there."""
    local = User.objects.create(username="dora")
    kinds = {"auth/group": Group.objects.create(name="Care").pk, "auth/user": local.pk}
    named = {
        "(?P<sku>[^/.]+)": tent.sku,
        "^products/": "products/",
        "<id>": str(local.pk),
        "<path:content_type_id>": str(ContentType.objects.get_for_model(User).pk),
        "^(?P<app_label>auth|products)/$": "products/",
        "(?P<url>.*)$": "nowhere",
    }

    def path(route: str) -> str:
        pk = next((pk for kind, pk in kinds.items() if kind in route), tent.pk)
        for name, value in (named | {"<path:object_id>": str(pk)}).items():
            route = route.replace(name, value)
        return route.removesuffix("$")

    return {route: path(route) for _, route in ROWS}


def test_each_route_has_a_row_and_each_row_a_route() -> None:
    assert set(routes(get_resolver().url_patterns)) == set(ROWS)


@pytest.mark.parametrize(("method", "route", "who"), CELLS)
def test_each_door_knows_whom_to_let_in(
    callers: dict[str, APIClient],
    paths: dict[str, str],
    method: str,
    route: str,
    who: tuple[str, ...],
) -> None:
    content: dict[str, Any] = {}
    if body := BODIES.get((method, route)):
        content = {"data": json.dumps(body), "content_type": "application/json"}

    statuses = {
        caller: callers[caller].generic(method, paths[route], **content).status_code
        for caller in who
    }

    assert statuses == {caller: ROWS[method, route][caller] for caller in who}


@pytest.mark.parametrize("route", sorted({route for _, route in ROWS if "/api/v1/" in route[:-1]}))
def test_no_door_of_the_api_takes_what_is_not_in_its_row(
    callers: dict[str, APIClient], paths: dict[str, str], route: str
) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - {
        method for method, known in ROWS if known == route
    }:
        for client in callers.values():
            answer = client.generic(method, paths[route])
            assert answer.status_code in (401, 403, 405, 429), method


@pytest.mark.parametrize("route", sorted({route for _, route in ROWS if "/admin/" in route}))
def test_the_admin_takes_nothing_from_who_is_not_staff(
    callers: dict[str, APIClient], paths: dict[str, str], route: str
) -> None:
    path = paths[route]
    for caller in ("nobody", "ann", "bo", "order"):
        answer = callers[caller].post(path, {"post": "yes"}, format="multipart")
        if path == "/admin/login/":
            assert answer.status_code == 200  # once more, with what is missing
        else:
            where = answer["Location"]
            assert where.startswith(("/admin/login/", f"{path}change/")) or where == "/admin/"

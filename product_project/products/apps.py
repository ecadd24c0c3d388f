"""The catalogue as a Django app."""

from django.apps import AppConfig


class ProductsConfig(AppConfig):
    name = "products"

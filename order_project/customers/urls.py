"""The routes of customers."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []

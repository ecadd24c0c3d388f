"""Django's own apps, with keys as MongoDB makes them."""

from django.contrib.admin import apps as admin
from django.contrib.auth import apps as auth
from django.contrib.contenttypes import apps as contenttypes

OBJECT_ID = "django_mongodb_backend.fields.ObjectIdAutoField"


class AdminConfig(admin.AdminConfig):
    default_auto_field = OBJECT_ID


class AuthConfig(auth.AuthConfig):
    default_auto_field = OBJECT_ID


class ContentTypesConfig(contenttypes.ContentTypesConfig):
    default_auto_field = OBJECT_ID

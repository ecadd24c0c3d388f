"""Paths below /api/v1/."""

from django.urls import path

from users import views

urlpatterns = [
    path("users/", views.UserList.as_view(), name="user-list"),
    path("users/me/", views.Me.as_view(), name="me"),
    path("users/<uuid:pk>/", views.UserDetail.as_view(), name="user-detail"),
    path("token/", views.Login.as_view(), name="login"),
    path("token/refresh/", views.Refresh.as_view(), name="refresh"),
    path("internal/users/", views.Snapshot.as_view(), name="snapshot"),
    path("internal/users/digest/", views.Digest.as_view(), name="digest"),
]

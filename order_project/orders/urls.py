"""The routes of orders."""

from django.urls import path

from orders import views

urlpatterns = [
    path("orders/", views.OrderList.as_view(), name="orders"),
    path("orders/<uuid:order_id>/", views.OrderDetail.as_view(), name="order"),
    path("orders/<uuid:order_id>/cancellation/", views.Cancellation.as_view(), name="cancellation"),
]

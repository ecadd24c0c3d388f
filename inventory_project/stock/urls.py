"""The API's routes under /api/v1/."""

from django.urls import path

from stock import views

urlpatterns = [
    path("stock/", views.StockList.as_view(), name="stock-list"),
    path("stock/<str:sku>/", views.StockDetail.as_view(), name="stock-detail"),
    path("stock/<str:sku>/receipts/", views.ReceiptList.as_view(), name="receipt-list"),
    path("reservations/<uuid:order_id>/", views.ReservationDetail.as_view(), name="reservation"),
    path("reservations/<uuid:order_id>/fulfilment/", views.Fulfilment.as_view(), name="fulfilment"),
]

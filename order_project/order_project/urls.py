"""The doors of order_project."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from order_project import health, metrics

admin.site.site_header = admin.site.site_title = "order_project"
admin.site.index_title = "What was bought"

handler400 = "order_project.errors.bad_request"
handler404 = "order_project.errors.page_not_found"
handler500 = "order_project.errors.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs")),
    path("admin/", admin.site.urls),
    path("api/v1/", RedirectView.as_view(pattern_name="orders")),
    path("api/v1/", include("customers.urls")),
    path("api/v1/", include("orders.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/login/", include("rest_framework.urls")),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", metrics.metrics),
]

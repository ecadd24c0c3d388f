"""The doors of inventory_project."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from inventory_project import health
from inventory_project.metrics import metrics

admin.site.site_header = admin.site.site_title = "inventory_project"
admin.site.index_title = "What is on the shelf"

handler400 = "inventory_project.errors.bad_request"
handler404 = "inventory_project.errors.page_not_found"
handler500 = "inventory_project.errors.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs")),
    path("admin/", admin.site.urls),
    path("api/v1/", RedirectView.as_view(pattern_name="stock-list")),
    path("api/v1/", include("stock.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/login/", include("rest_framework.urls")),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", metrics, name="metrics"),
]

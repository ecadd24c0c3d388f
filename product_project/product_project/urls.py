"""The doors of product_project."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from product_project import health

admin.site.site_header = admin.site.site_title = "product_project"
admin.site.index_title = "What is for sale"

handler400 = "product_project.errors.bad_request"
handler404 = "product_project.errors.page_not_found"
handler500 = "product_project.errors.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs")),
    path("admin/", admin.site.urls),
    path("api/v1/", RedirectView.as_view(pattern_name="product-list")),
    path("api/v1/", include("products.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/login/", include("rest_framework.urls")),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("", include("django_prometheus.urls")),
]

"""The doors of user_project."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from user_project import health, metrics
from users.views import KeySetView

admin.site.site_header = admin.site.site_title = "user_project"
admin.site.index_title = "Who people are"

handler400 = "user_project.errors.bad_request"
handler404 = "user_project.errors.not_found"
handler500 = "user_project.errors.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs")),
    path("admin/", admin.site.urls),
    path("api/v1/", RedirectView.as_view(pattern_name="user-list")),
    path("api/v1/", include("users.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/login/", include("rest_framework.urls")),
    path(".well-known/jwks.json", KeySetView.as_view(), name="jwks"),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", metrics.metrics),
]

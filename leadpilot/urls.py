"""Which app answers where."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from leadpilot import health
from leadpilot.ops.metrics import metrics
from leadpilot.orgs import views as orgs_views

urlpatterns = [
    path("", include("agent.urls")),
    path("", include("campaigns.urls")),
    path("leads/", include("leads.urls")),
    path("", include("leadpilot.orgs.urls")),
    path("enter/<str:token>/", orgs_views.enter, name="enter"),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("restored/", include("leadpilot.ops.urls")),
    path("metrics", metrics, name="metrics"),
]

if settings.DEBUG:
    from leadpilot import styleguide  # a page for developers only

    urlpatterns.append(path("styleguide/", styleguide.styleguide, name="styleguide"))

handler404 = "leadpilot.orgs.views.not_found"
handler500 = "leadpilot.orgs.views.server_error"

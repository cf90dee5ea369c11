from django.urls import path

from leadpilot.orgs import views

app_name = "orgs"
urlpatterns = [
    path("welcome/", views.welcome, name="welcome"),
    path("landing/", views.landing, name="landing"),
    path("switch/<uuid:org_id>/", views.switch, name="switch"),
    path("notes/read/", views.notes_read, name="notes_read"),
    path("notes/<uuid:pk>/read/", views.note_read, name="note_read"),
    path("settings/", views.organization_settings, name="settings"),
    path("settings/members/<uuid:pk>/role/", views.member_role, name="member_role"),
]

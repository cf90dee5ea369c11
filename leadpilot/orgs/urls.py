from django.urls import path

from leadpilot.orgs import member_views, views

app_name = "orgs"
urlpatterns = [
    path("welcome/", views.welcome, name="welcome"),
    path("landing/", views.landing, name="landing"),
    path("switch/<uuid:org_id>/", views.switch, name="switch"),
    path("notes/read/", views.notes_read, name="notes_read"),
    path("notes/<uuid:pk>/read/", views.note_read, name="note_read"),
    path("settings/", views.organization_settings, name="settings"),
    path("settings/members/add/", member_views.member_add, name="member_add"),
    path("settings/members/<uuid:pk>/link/", member_views.member_link, name="member_link"),
    path("settings/members/<uuid:pk>/remove/", member_views.member_remove, name="member_remove"),
    path("settings/members/<uuid:pk>/role/", views.member_role, name="member_role"),
]

from django.urls import path

from leadpilot.ops import views

app_name = "ops"
urlpatterns = [
    path("", views.sent_check_list, name="sent_check_list"),
    path("<uuid:pk>/release/", views.sent_check_release, name="sent_check_release"),
]

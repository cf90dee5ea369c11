from django.urls import path

from campaigns.views import unsubscribe

app_name = "campaigns"
urlpatterns = [
    path("u/<str:token>/", unsubscribe.unsubscribe, name="unsubscribe"),
]

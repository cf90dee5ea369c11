"""Makes `manage.py trust` known to Django; there are no models here."""

from django.apps import AppConfig


class TrustConfig(AppConfig):
    name = "leadpilot.trust"
    label = "trust"

"""The sandbox as a Django app: commands, no models."""

from django.apps import AppConfig


class SandboxConfig(AppConfig):
    """People, companies, a web server and a mail server that live on this machine."""

    name = "leadpilot.sandbox"
    label = "sandbox"

from django.apps import AppConfig


class AgentConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "agent"
    verbose_name = "Agent"

    def ready(self) -> None:
        """Hang the agent into the floors below: checks, caps, counters, timeline."""
        from agent import wiring  # models are not loaded when this module is imported

        wiring.connect()

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "campaigns"
    verbose_name = "Campaigns"

    def ready(self) -> None:
        """Hang the outbox and the inbox into the floors below: the leads' timeline, the navigation's counter."""
        from campaigns import queries  # models are not loaded when this module is imported
        from leadpilot.orgs.context import register_counter
        from leads.queries import register_timeline

        register_timeline(queries.timeline_messages)
        register_timeline(queries.timeline_inbound)
        register_timeline(queries.timeline_enrollments)
        register_counter("inbox", queries.unread_count)

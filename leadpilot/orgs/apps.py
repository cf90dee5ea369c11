from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.models.signals import pre_migrate


class OrgsConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "leadpilot.orgs"
    label = "orgs"
    verbose_name = "Organizations"

    def ready(self) -> None:
        """Grants before migrations, no secrets in the queue, the check that the application's role bypasses nothing."""
        # Models are not loaded when this module is imported.
        from django_q.signals import post_execute_in_worker

        from leadpilot.lib import jobs
        from leadpilot.orgs import checks, grants

        post_execute_in_worker.connect(jobs.keep_no_secrets, dispatch_uid="keep_no_secrets")
        pre_migrate.connect(grants.grant_before_migrating, dispatch_uid="grants")
        register(checks.application_role_is_confined, Tags.database)

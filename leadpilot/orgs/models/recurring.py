"""When each recurring job was last started, over all machines."""

from django.db import models


class RecurringJob(models.Model):
    name = models.CharField(max_length=120, primary_key=True)
    last_started_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name

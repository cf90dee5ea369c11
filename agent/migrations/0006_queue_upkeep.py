from django.db import migrations

# The queue's index fills with rows that are done: vacuum after some thousand changes, not after a fifth of the table.
KEEP_UP = """
ALTER TABLE agent_agenttask SET (
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 2000
)
"""
AS_BEFORE = """
ALTER TABLE agent_agenttask RESET (
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_analyze_scale_factor, autovacuum_analyze_threshold
)
"""


class Migration(migrations.Migration):
    dependencies = [("agent", "0005_recently_sent")]

    operations = [migrations.RunSQL(KEEP_UP, AS_BEFORE)]

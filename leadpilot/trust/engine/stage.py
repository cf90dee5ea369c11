"""Where a scene plays: a database copied for it, real clusters that can be observed, and an organization."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.test import override_settings

from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.services import create_organization
from leadpilot.postgres import Urls
from leadpilot.trust import databases
from leadpilot.trust.engine import observed
from leadpilot.trust.engine.figures import Figures
from leadpilot.trust.engine.installation import Installation
from leadpilot.trust.ground import PACE, steady_zone

MANY = 1_000_000  # a cap that nothing here reaches
QUICK = {**PACE, "canary_silence": 15, "task_lease": 4, "task_sweep": 2}
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "leadpilot.trust.engine.settings",
    "UNDO_SECONDS": "0",
    "MAX_EMAILS_PER_DAY": str(MANY),
    "LEADPILOT_FAULT_TESTS": "1",
}


@dataclass
class Stage:
    """`template` is a migrated, empty database that nobody is connected to. Without a `pace` all waits are production's."""

    folder: Path
    template: Urls
    figures: Figures
    pace: Mapping[str, float] = field(default_factory=dict)

    @contextmanager
    def play(self, name: str, *, clusters: int, workers: int, **environment: str) -> Iterator[Play]:
        """A database, an organization and clusters for one scene. They start when it says so and all end with it."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        urls = databases.copy(self.template, f"trust_{name}_{uuid.uuid4().hex[:8]}")
        try:
            with (
                databases.connected(urls),
                override_settings(UNDO_SECONDS=0, MAX_EMAILS_PER_DAY=MANY),
                ExitStack() as running,
            ):
                asked = {**self.environment(folder), **environment}
                made = [
                    Installation(folder / f"cluster{n}", urls, workers=workers, environment=asked)
                    for n in range(1, clusters + 1)
                ]
                yield Play(folder, urls, made, new_organization(), running)
        finally:
            databases.drop(urls)

    def environment(self, folder: Path) -> dict[str, str]:
        """What makes a cluster observable, and in the quick form impatient."""
        pace = ";".join(f"{name}={figure}" for name, figure in self.pace.items())
        return {**ENVIRONMENT, observed.FOLDER: str(folder), "LEADPILOT_PACE": pace}


@dataclass
class Play:
    """One scene under way."""

    folder: Path
    urls: Urls
    clusters: list[Installation]
    org: Organization
    running: ExitStack

    def start(self) -> None:
        """Start every cluster and wait until each has worked."""
        for cluster in self.clusters:
            self.running.enter_context(cluster)
        for cluster in self.clusters:
            cluster.wait_until_whole()

    def stop(self) -> int:
        """Stop every cluster in good order; returns how many processes were left behind."""
        return sum(len(cluster.stop()) for cluster in self.clusters)


def new_organization(**fields: Any) -> Organization:
    """An organization whose local day does not end while a scene plays."""
    name = uuid.uuid4().hex[:8]
    owner = User.objects.create_user(f"{name}@northbeam.example", uuid.uuid4().hex, name="Olga")
    return create_organization(
        name=name,
        owner=owner,
        time_zone=steady_zone(),
        postal_address="1 Harbour Street, 20457 Hamburg",
        max_emails_per_day=MANY,
        **fields,
    )

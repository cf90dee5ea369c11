"""For end-to-end tests: the sandbox on free ports, with the application's outbound door leading to it."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from django.test import override_settings

from leadpilot.sandbox.servers import SandboxServers

T = TypeVar("T")


@contextmanager
def running_sandbox(
    home: Path | None = None, *, delay: tuple[float, float] = (0, 0)
) -> Iterator[SandboxServers]:
    """Run the sandbox and point settings.SANDBOX and settings.OUTBOUND_SANDBOX at it; people answer at once.

    `home` keeps mail and logs; without it a temporary directory is used and removed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="sandbox-") as temporary,
        SandboxServers(home=home or Path(temporary), delay=delay) as sandbox,
    ):
        config = {
            "enabled": True,
            "web_port": sandbox.web_port,
            "smtp_port": sandbox.smtp_port,
            "home": sandbox.home,
            "smtp_user": sandbox.user,
            "smtp_password": sandbox.password,
        }
        with override_settings(SANDBOX=config, OUTBOUND_SANDBOX=sandbox.outbound()):
            yield sandbox


def wait_for(condition: Callable[[], T], *, seconds: float = 5.0, what: str = "it") -> T:
    """Return the first truthy value of a condition. Raises AssertionError when the time is up."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {seconds:g} s for {what}.")
        time.sleep(0.02)
    return value

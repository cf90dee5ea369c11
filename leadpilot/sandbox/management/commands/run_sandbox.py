"""Run the people, companies, web sites and mail server that live on this machine."""

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from leadpilot.sandbox.servers import DEFAULT_DELAY, PortTaken, SandboxServers

RETRY_SECONDS = 2.0


class Command(BaseCommand):
    """`manage.py run_sandbox [--delay 4 12]`: until SIGTERM or Ctrl-C."""

    help = "Run the sandbox: web sites, mail server and people who answer, all on loopback."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """How quickly the people answer."""
        parser.add_argument(
            "--delay",
            nargs=2,
            type=float,
            metavar=("SHORTEST", "LONGEST"),
            help="seconds until somebody answers (default: settings.SANDBOX['delay'] or 4 12)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until told to stop."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        delay = tuple(options["delay"] or settings.SANDBOX.get("delay", DEFAULT_DELAY))
        servers = self._open(stop, (delay[0], delay[1]))
        if servers is None:
            return
        with servers:
            web, smtp = servers.web_port, servers.smtp_port
            self.stdout.write(f"Sandbox ready: sites on http://localhost:{web}/, mail on 127.0.0.1:{smtp}.")
            self.stdout.flush()
            stop.wait()
        self.stdout.write("Sandbox stopped.")

    def _open(self, stop: threading.Event, delay: tuple[float, float]) -> SandboxServers | None:
        """Bind the ports, waiting while another process holds one; None when stopped meanwhile."""
        config = settings.SANDBOX
        said = ""
        while not stop.is_set():
            try:
                return SandboxServers(
                    home=config["home"],
                    web_port=config["web_port"],
                    smtp_port=config["smtp_port"],
                    user=config["smtp_user"],
                    password=config["smtp_password"],
                    delay=delay,
                )
            except PortTaken as error:
                if str(error) != said:
                    said = str(error)
                    self.stderr.write(
                        f"{said} Waiting for it; set SANDBOX_WEB_PORT or SANDBOX_SMTP_PORT to move."
                    )
                stop.wait(RETRY_SECONDS)
        return None

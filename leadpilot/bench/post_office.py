"""django-post_office at its best, in a process of its own: `python -m leadpilot.bench.post_office`.

It reads one JSON line with `database`, `port`, `threads` and `mails` (each `from`, `to`, `subject`, `text`, `html`, `id`),
queues the mails, sends them, and prints the seconds that sending took. The mails are built with Django's EmailMessage.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import environ

MOST = 1_000_000


def is_installed() -> bool:
    """Whether the package is here: it is a development requirement only."""
    return importlib.util.find_spec("post_office") is not None


def sending(*, database: str, port: int, threads: int, mails: Sequence[dict[str, str]]) -> float:
    """Seconds that django-post_office takes for these mails; `database` is the URL of an empty database."""
    asked = {"database": database, "port": port, "threads": threads, "mails": list(mails)}
    done = subprocess.run(
        [sys.executable, "-m", "leadpilot.bench.post_office"],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)


def _set_up(asked: dict[str, Any]) -> None:
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": environ.Env.db_url_config(asked["database"])},
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=asked["port"],
        LOGGING_CONFIG=None,
        POST_OFFICE={
            "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"},
            "BATCH_SIZE": MOST,
            "BATCH_DELIVERY_TIMEOUT": 3600,
            "THREADS_PER_PROCESS": asked["threads"],
            "LOG_LEVEL": 0,
        },
    )
    django.setup()
    logging.disable(logging.INFO)


def _main() -> None:
    asked = json.loads(sys.stdin.readline())
    _set_up(asked)
    from django.core.management import call_command
    from post_office import mail

    call_command("migrate", verbosity=0)
    mail.send_many(
        [
            {
                "sender": each["from"],
                "recipients": [each["to"]],
                "subject": each["subject"],
                "message": each["text"],
                "html_message": each["html"],
                "headers": {"Message-ID": each["id"]},
            }
            for each in asked["mails"]
        ]
    )
    began = time.perf_counter()
    sent, failed, again = mail.send_queued(processes=1)
    took = time.perf_counter() - began
    assert (sent, failed, again) == (len(asked["mails"]), 0, 0), (sent, failed, again)
    sys.stdout.write(f"{took}\n")


if __name__ == "__main__":
    _main()

"""Production's settings and one app more, which registers the handler whose runs can be counted from outside."""

from leadpilot.settings import *  # noqa: F403
from leadpilot.settings import INSTALLED_APPS as PRODUCTION_APPS

INSTALLED_APPS = [*PRODUCTION_APPS, "leadpilot.trust.engine.apps.ObservedConfig"]

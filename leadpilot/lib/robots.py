"""Politeness towards web sites: robots.txt (RFC 9309) and a pause between two requests to one host."""

from __future__ import annotations

import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from protego import Protego

from leadpilot.lib import upstream
from leadpilot.lib.http import FetchError, fetch, user_agent

_KEPT_SECONDS = 4 * 3600.0
_KEPT_AFTER_TROUBLE = 300.0
_KEPT_SITES = 2_000
_MAX_BYTES = 500_000  # RFC 9309 2.5: at least 500 KiB must be read, the rest may be ignored
_LONGEST_DELAY = 30.0


@dataclass(frozen=True)
class RobotsAnswer:
    """Whether a site's robots.txt lets us fetch an address, why, and the pause in seconds it asks for."""

    allowed: bool
    reason: str
    crawl_delay: float | None = None


@dataclass(frozen=True)
class _Rules:
    parsed: Protego | None
    reason: str
    until: float


class RobotsCache:
    """The rules of the sites seen lately, in memory, for four hours (five minutes when they could not be read)."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._rules: OrderedDict[str, _Rules] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, url: str, agent: str | None = None) -> RobotsAnswer:
        """Look up one address; fetches the site's robots.txt when it is not known."""
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        place = f"{upstream.route()} {site}"  # a proxy that does not serve says nothing about the site
        rules = self._known(place) or self._keep(place, self._load(site))
        if rules.parsed is None:
            return RobotsAnswer(False, rules.reason)
        # Rules are matched by the product's name alone: "LeadPilot" of "LeadPilot/1.0 (+https://…)" (RFC 9309 2.2.1).
        agent = (agent or user_agent()).partition("/")[0].strip()
        delay = rules.parsed.crawl_delay(agent)
        if not rules.parsed.can_fetch(url, agent):
            return RobotsAnswer(
                False, f"{site}/robots.txt asks robots to leave {parts.path or '/'} alone.", delay
            )
        return RobotsAnswer(True, rules.reason, delay)

    def _known(self, site: str) -> _Rules | None:
        with self._lock:
            rules = self._rules.get(site)
        return rules if rules and rules.until > self._monotonic() else None

    def _keep(self, site: str, rules: _Rules) -> _Rules:
        with self._lock:
            self._rules[site] = rules
            self._rules.move_to_end(site)
            while len(self._rules) > _KEPT_SITES:
                self._rules.popitem(last=False)
        return rules

    def _load(self, site: str) -> _Rules:
        """4xx means no rules, 5xx and silence mean stay away for now (RFC 9309 2.3.1)."""
        now = self._monotonic()
        address = f"{site}/robots.txt"
        try:
            response = fetch(address, accept="text/plain,*/*;q=0.1", max_bytes=_MAX_BYTES, truncate=True)
        except FetchError as error:
            return _Rules(
                None, f"The site's rules for robots could not be read: {error}", now + _KEPT_AFTER_TROUBLE
            )
        if response.status >= 500 or response.status == 429:
            reason = f"{address} answered with status {response.status}; the site is left alone for now."
            return _Rules(None, reason, now + _KEPT_AFTER_TROUBLE)
        if not response.ok:
            return _Rules(Protego.parse(""), f"{site} has no robots.txt.", now + _KEPT_SECONDS)
        return _Rules(Protego.parse(response.text), f"{address} allows it.", now + _KEPT_SECONDS)


class HostPacer:
    """Keeps a pause, with jitter, between requests to one host from this process."""

    def __init__(
        self,
        delay: float = 1.0,
        jitter: float = 0.5,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._delay = delay
        self._jitter = jitter
        self._monotonic = monotonic
        self._sleep = sleep
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def reserve(self, host: str, delay: float | None = None) -> float:
        """Take the host's next free moment and return how many seconds away it is (0.0: now).

        `delay` is the pause the site asks for; the longer of it and our own counts, at most 30 s, plus jitter.
        """
        pause = min(max(delay or 0.0, self._delay), _LONGEST_DELAY) * (1 + random.random() * self._jitter)
        with self._lock:
            now = self._monotonic()
            if len(self._next) > 10_000:
                self._next = {name: moment for name, moment in self._next.items() if moment > now}
            turn = max(now, self._next.get(host.lower(), now))
            self._next[host.lower()] = turn + pause
            return turn - now

    def wait(self, host: str, delay: float | None = None) -> float:
        """`reserve`, then sleep until then; returns the seconds slept."""
        seconds = self.reserve(host, delay)
        if seconds > 0:
            self._sleep(seconds)
        return seconds


_cache = RobotsCache()


def check(url: str, agent: str | None = None) -> RobotsAnswer:
    """Ask the process's own cache; see RobotsCache.check."""
    return _cache.check(url, agent)


def allowed(url: str, agent: str | None = None) -> bool:
    """True when the site's robots.txt lets us fetch this address."""
    return check(url, agent).allowed

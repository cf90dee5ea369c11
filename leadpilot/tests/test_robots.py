from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from leadpilot.lib import robots
from leadpilot.lib.robots import HostPacer, RobotsCache
from leadpilot.tests.servers import answer, endless, redirect, web_server


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def web(settings: Any) -> Iterator[Any]:
    settings.OUTBOUND_ALLOW = []
    settings.OUTBOUND_USER_AGENT = "LeadPilot/1.0 (+https://leadpilot.example/bot)"
    with ExitStack() as stack:

        def start(robots_txt: Any) -> Any:
            server = stack.enter_context(web_server({"/robots.txt": robots_txt}))
            settings.OUTBOUND_ALLOW.append(server.place)
            server.url = f"http://{server.place}"
            return server

        yield start


RULES = """
User-agent: *
Disallow: /private
Crawl-delay: 7

User-agent: LeadPilot
Disallow: /no-leads
Allow: /no-leads/but-this
"""


def test_the_rules_for_us_are_followed(web: Any) -> None:
    site = web(RULES)
    cache = RobotsCache()
    assert cache.check(f"{site.url}/about").allowed
    assert cache.check(f"{site.url}/private").allowed
    assert cache.check(f"{site.url}/no-leads/but-this").allowed
    refused = cache.check(f"{site.url}/no-leads/x?y=1")
    assert not refused.allowed
    assert refused.reason == f"{site.url}/robots.txt asks robots to leave /no-leads/x alone."


def test_the_rules_for_others_are_theirs(web: Any) -> None:
    site = web(RULES)
    answer = RobotsCache().check(f"{site.url}/private/x", "OtherBot/2")
    assert not answer.allowed
    assert answer.crawl_delay == 7
    assert RobotsCache().check(f"{site.url}/about").crawl_delay is None


def test_a_site_is_asked_once_in_four_hours(web: Any) -> None:
    site = web(RULES)
    clock = Clock()
    cache = RobotsCache(clock)
    for path in ("a", "b", "c"):
        cache.check(f"{site.url}/{path}")
    assert len(site.seen) == 1
    clock.now += 4 * 3600 + 1
    cache.check(f"{site.url}/a")
    assert len(site.seen) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_without_rules_everything_is_allowed(web: Any, status: int) -> None:
    site = web(lambda h: answer(h, "Disallow: /", status=status))
    checked = RobotsCache().check(f"{site.url}/x")
    assert checked.allowed
    assert "has no robots.txt" in checked.reason


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_site_in_trouble_is_left_alone_for_five_minutes(web: Any, status: int) -> None:
    replies = [status, 200]

    def route(handler: Any) -> None:
        answer(handler, "", status=replies.pop(0))

    site = web(route)
    clock = Clock()
    cache = RobotsCache(clock)
    assert f"status {status}" in cache.check(f"{site.url}/x").reason
    assert not cache.check(f"{site.url}/x").allowed
    clock.now += 301
    assert cache.check(f"{site.url}/x").allowed


def test_a_site_that_cannot_be_asked_is_left_alone() -> None:
    for url in ("http://127.0.0.1/x", "http://nothing.invalid/"):
        checked = RobotsCache().check(url)
        assert not checked.allowed
        assert "could not be read" in checked.reason


def test_a_redirected_file_counts(web: Any, settings: Any) -> None:
    target = web("User-agent: *\nDisallow: /")
    site = web(redirect(f"{target.url}/robots.txt"))
    assert not RobotsCache().check(f"{site.url}/x").allowed


def test_a_file_without_end_is_read_up_to_its_limit(web: Any) -> None:
    head = b"User-agent: *\nDisallow: /no\n" + b"# filler\n" * 5_000
    site = web(endless(head, 0))
    cache = RobotsCache()
    assert cache.check(f"{site.url}/yes").allowed
    assert not cache.check(f"{site.url}/no").allowed


def test_the_memory_is_bounded(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robots, "_KEPT_SITES", 2)
    cache = RobotsCache()
    sites = [web(RULES) for _ in range(3)]
    for site in sites:
        cache.check(f"{site.url}/x")
    assert len(cache._rules) == 2
    cache.check(f"{sites[0].url}/x")
    assert len(sites[0].seen) == 2


def test_the_process_has_a_cache_of_its_own(web: Any) -> None:
    site = web(RULES)
    assert robots.allowed(f"{site.url}/x")
    assert not robots.allowed(f"{site.url}/no-leads")
    assert robots.check(f"{site.url}/x").allowed
    assert len(site.seen) == 1


def pacer(clock: Clock, delay: float = 2.0, jitter: float = 0.0) -> HostPacer:
    return HostPacer(delay=delay, jitter=jitter, monotonic=clock, sleep=clock.sleep)


def test_the_second_request_to_a_host_waits() -> None:
    clock = Clock()
    paced = pacer(clock)
    assert paced.wait("a.example") == 0
    assert paced.wait("A.example") == 2
    assert paced.wait("b.example") == 0
    clock.now += 10
    assert paced.wait("a.example") == 0


def test_turns_queue_up_when_they_are_only_reserved() -> None:
    paced = pacer(Clock())
    assert [paced.reserve("a.example") for _ in range(4)] == [0, 2, 4, 6]


def test_the_delay_that_a_site_asks_for_counts_when_longer_and_sane() -> None:
    paced = pacer(Clock())
    assert [paced.reserve("a.example", delay=7) for _ in range(2)] == [0, 7]
    assert [paced.reserve("b.example", delay=0.1) for _ in range(2)] == [0, 2]
    assert [paced.reserve("c.example", delay=86_400) for _ in range(2)] == [0, 30]


def test_jitter_makes_pauses_uneven_and_never_shorter() -> None:
    paced = pacer(Clock(), jitter=0.5)
    turns = [paced.reserve("a.example") for _ in range(50)]
    pauses = [later - earlier for earlier, later in itertools.pairwise(turns)]
    assert min(pauses) >= 2
    assert max(pauses) <= 3
    assert len({round(pause, 3) for pause in pauses}) > 10


def test_threads_never_share_a_turn() -> None:
    paced = pacer(Clock())  # the clock stands still, so that turns are compared and not the machine's speed
    turns: list[float] = []
    together = threading.Barrier(12)

    def go() -> None:
        together.wait()
        turns.append(paced.reserve("a.example"))

    threads = [threading.Thread(target=go) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(turns) == [2 * number for number in range(12)]


def test_hosts_long_past_are_forgotten() -> None:
    clock = Clock()
    paced = pacer(clock)
    for number in range(10_001):
        paced.reserve(f"{number}.example")
    clock.now += 100
    paced.reserve("new.example")
    assert len(paced._next) == 1

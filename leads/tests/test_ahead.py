"""Reading ahead of the database."""

import threading
from itertools import count

import pytest

from leads.importing.ahead import WAITING, ahead


def test_items_come_in_their_order_and_all_of_them():
    with ahead(iter(range(100))) as items:
        assert list(items) == list(range(100))


def test_nothing_is_nothing():
    with ahead([]) as items:
        assert list(items) == []


def test_the_next_one_is_made_while_this_one_is_used():
    made = threading.Event()

    def source():
        yield 1
        made.set()
        yield 2

    with ahead(source()) as items:
        assert next(items) == 1
        assert made.wait(10)


def test_it_runs_no_further_ahead_than_it_may():
    made = []

    def source():
        for number in count():
            made.append(number)
            yield number

    with ahead(source()) as items:
        assert [next(items), next(items)] == [0, 1]
    assert made == list(range(2 + WAITING))


def test_what_making_one_raises_comes_out_where_it_would_be_used():
    def source():
        yield 1
        raise ValueError("no second one")

    with ahead(source()) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="no second one"):
            next(items)


def test_the_thread_ends_with_the_block_though_items_are_left():
    with ahead(iter(range(10))) as items:
        next(items)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("import-ahead")]


def test_an_error_of_whoever_uses_them_goes_through():
    with pytest.raises(KeyError), ahead(iter(range(10))) as items:
        next(items)
        raise KeyError("used wrongly")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("import-ahead")]

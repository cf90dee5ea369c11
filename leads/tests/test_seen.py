import tracemalloc

from leads.importing.seen import Seen


def test_the_first_row_of_each_key_is_remembered():
    seen = Seen()
    assert [seen.first_row(key, row) for row, key in enumerate("abcab", start=2)] == [2, 3, 4, 2, 3]


def test_it_agrees_with_a_dictionary_however_it_grows():
    seen, known = Seen(), {}
    for row in range(1, 40_000):
        key = ("person", (row * 7919) % 23_000)
        assert seen.first_row(key, row) == known.setdefault(key, row)


def test_keys_that_want_the_same_place_are_told_apart():
    seen = Seen()
    keys = [1 + (i << 12) for i in range(500)]  # small numbers are their own hash
    assert [seen.first_row(key, row) for row, key in enumerate(keys, start=1)] == list(range(1, 501))
    assert [seen.first_row(key, 9999) for key in keys] == list(range(1, 501))


def test_many_keys_take_little_memory():
    tracemalloc.start()
    seen = Seen()
    for row in range(1, 100_001):
        seen.first_row(f"person{row}@x.example", row)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size < 5_000_000

"""Features are computed once per content and network; changed content never gets old features."""

from hashlib import sha256

import numpy as np
import pytest

from evalkit.errors import RunError
from evalkit.extractors import _cache
from evalkit.extractors._cache import cache_file, cached_features


class Counting:
    """Stands where a network would be: lengths and first bytes of texts, in batches of two; counts what it sees."""

    def __init__(self):
        self.seen = []

    def load(self):
        return self.embed

    def embed(self, texts):
        for start in range(0, len(texts), 2):
            part = texts[start : start + 2]
            self.seen += part
            yield np.array([[len(text), ord(text[0])] for text in part], dtype=np.float32)


def keyed(*texts):
    return {sha256(text.encode()).hexdigest(): text for text in texts}


def test_nothing_is_computed_twice_and_only_what_is_new(tmp_path):
    network = Counting()
    first = cached_features(keyed("a", "bb", "ccc"), "net|x", network.load, tmp_path)
    again = cached_features(keyed("ccc", "a"), "net|x", network.load, tmp_path)
    assert network.seen == ["a", "bb", "ccc"]
    assert [row.tolist() for row in again.values()] == [[3, ord("c")], [1, ord("a")]]
    assert len(first) == 3
    cached_features(keyed("a", "dddd"), "net|x", network.load, tmp_path)
    assert network.seen == ["a", "bb", "ccc", "dddd"]


def test_a_network_that_is_not_needed_is_not_loaded(tmp_path):
    cached_features(keyed("a"), "net|x", Counting().load, tmp_path)

    def never():
        raise AssertionError("loaded")

    cached_features(keyed("a"), "net|x", never, tmp_path)


def test_changed_content_does_not_get_the_old_features(tmp_path):
    network = Counting()
    cached_features(keyed("old!"), "net|x", network.load, tmp_path)
    changed = cached_features(keyed("new"), "net|x", network.load, tmp_path)
    assert [row.tolist() for row in changed.values()] == [[3, ord("n")]]
    # The planted fault, a cache that goes by name and not by content, gives the old ones:
    cached_features({"picture.png": "old!"}, "faulty|x", network.load, tmp_path)
    stale = cached_features({"picture.png": "new"}, "faulty|x", network.load, tmp_path)
    assert stale["picture.png"].tolist() == [4, ord("o")]


def test_another_identity_is_another_file(tmp_path):
    network = Counting()
    cached_features(keyed("a"), "net:1|small", network.load, tmp_path)
    cached_features(keyed("a"), "net:1|large", network.load, tmp_path)
    assert network.seen == ["a", "a"]
    assert cache_file(tmp_path, "net:1|small") != cache_file(tmp_path, "net:1|large")


def test_what_was_computed_before_an_interruption_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(_cache, "ROWS_BETWEEN_WRITES", 2)

    class Stopped(Counting):
        def embed(self, texts):
            if "e" in texts:
                raise KeyboardInterrupt
            yield from super().embed(texts)

    with pytest.raises(KeyboardInterrupt):
        cached_features(keyed(*"abcdefg"), "net|x", Stopped().load, tmp_path)
    network = Counting()
    cached_features(keyed(*"abcdefg"), "net|x", network.load, tmp_path)
    assert network.seen == ["e", "f", "g"]


def test_progress_ends_with_all(tmp_path):
    told = []
    cached_features(keyed(*"abc"), "net|x", Counting().load, tmp_path, lambda *step: told.append(step))
    assert told == [("features net", 2, 3), ("features net", 3, 3)]


@pytest.mark.parametrize("damage", [lambda content: content[:-30], lambda content: b"", lambda content: b"no archive"])
def test_a_damaged_cache_is_an_error_that_says_delete_it(tmp_path, damage):
    cached_features(keyed("a"), "net|x", Counting().load, tmp_path)
    path = cache_file(tmp_path, "net|x")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RunError, match="damaged"):
        cached_features(keyed("a"), "net|x", Counting().load, tmp_path)

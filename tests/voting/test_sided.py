"""What messages say of either side: seen from the image, and without a say where nothing leaks."""

from __future__ import annotations

import numpy as np

from evalkit.voting import sided
from evalkit.voting.telltales import SeenImage, separability
from evalkit.voting.visit import Received


def test_a_message_is_seen_from_the_side_of_its_image():
    messages = [{"first": side, "sizes": [3, 4], "prompt": "left", "left": "/img/a", "n": 1} for side in sided.SIDES]
    table = sided.columns([message for message in messages for _ in range(2)], ["left", "right"] * 2)
    length, own, other = [-0.5, 0, 0.5, 0], [0.5, -0.5, -0.5, 0.5], [-0.5, 0.5, 0.5, -0.5]
    assert sorted(table.T.tolist()) == sorted([length, own, other])


def pictures(random, pairs, numbered_by_side=False):
    """A visit without a leak: what a comparison's message holds today, balanced sides; and whether each is arm A's."""
    first, images = random.permutation(np.arange(pairs) % 2), []
    for pair, on_the_left in enumerate(first):
        message = {
            "assignment": int(random.integers(5000)),
            "position": pair + 1,
            "warned": bool(random.random() < 0.3),
        }
        message |= {"weight": int(on_the_left)} if numbered_by_side else {}
        for side in sided.SIDES:
            url = "/img/{:032x}/{:032x}".format(*map(int, random.integers(2**62, size=2)))
            images.append(SeenImage(pair + 1, side, Received(url, 200, {}, b"", random.gamma(2, 5)), message))
    return images, np.repeat(first == 1, 2) ^ np.tile([False, True], pairs)


def test_a_visit_without_a_leak_is_seldom_called_one():
    random = np.random.default_rng(3)
    alarms = sum(
        separability(images, ours.tolist()).low > 0.5 for images, ours in (pictures(random, 14) for _ in range(400))
    )
    assert alarms <= 8  # 4 expected at 1 %; 15 if each comparison counted twice
    images, ours = pictures(random, 100, numbered_by_side=True)
    assert separability(images, ours.tolist()).low > 0.5  # the twin

"""Hooks a process of its own, a served app or a worker of Ray: CHAOS_BOARD names its page of phases, CHAOS_STOP where
it stops.

CHAOS_FAULT plants a fault. hasty: answers are acknowledged at once, and done a little later. careless: content is
written in place.
"""

import importlib.abc
import importlib.util
import os
import sys
from pathlib import Path


class Hasty(importlib.abc.MetaPathFinder):
    """Changes app.answering as it is imported."""

    def find_spec(self, name, path, target=None):
        if name != "app.answering":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def changed(module):
            load(module)
            _acknowledge_first(module)

        spec.loader.exec_module = changed
        return spec


def _acknowledge_first(module):
    import threading
    import time

    settle, pending = module._settle, {}

    def later(letter, now):
        waiting = pending.setdefault(letter.token, [])
        if any(action.do != "cast" for action in letter.outbox):
            while waiting:
                waiting.pop().join()
            return settle(letter, now)
        waiting.append(threading.Thread(target=lambda: (time.sleep(0.2), settle(letter, now))))
        waiting[-1].start()
        return {"acknowledged": {action.id: None for action in letter.outbox}}

    module._settle = later


APP, WORKER = (any(name in word for word in sys.orig_argv) for name in ("streamlit", "default_worker.py"))

if "CHAOS_BOARD" in os.environ and (APP or WORKER):
    from tests.chaos.phases import Board, install

    if os.environ.get("CHAOS_FAULT") == "careless":
        from tests.chaos.phases import careless

        kept = careless()
        kept.__enter__()

    phase, _, nth = os.environ.get("CHAOS_STOP", "").partition(":")
    install(Board(Path(os.environ["CHAOS_BOARD"]), new=APP), (phase, int(nth)) if phase else None)
    if os.environ.get("CHAOS_FAULT") == "hasty":
        sys.meta_path.insert(0, Hasty())

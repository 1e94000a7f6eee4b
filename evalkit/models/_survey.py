"""What the machine that draws has: asked before the first image, since the command may run on another one."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit import models
from evalkit.engines import Job
from evalkit.models._memory import Fit
from evalkit.settings import Settings
from evalkit.spec.catalog import ModelCard


@dataclass(frozen=True)
class Ground:
    """A machine: its device, and the batch that fits."""

    device: str
    fit: Fit | None


@dataclass(frozen=True)
class Survey:
    """The question, for any worker. `loads`: cards with the pixels of one image each; None: the batch is known."""

    cards: tuple[ModelCard, ...]
    loads: tuple[tuple[ModelCard, int], ...] | None
    settings: Settings

    def __call__(self) -> Job[None, Ground, Ground]:
        def look(_: None) -> Ground:
            device = models.device_for(self.cards, self.settings)
            return Ground(device, models.fit(self.loads, self.settings, device) if self.loads else None)

        return Job(look, lambda _, ground: ground)

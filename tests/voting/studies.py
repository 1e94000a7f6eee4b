"""Frozen studies for the tests of voting; without picture files, which only few of them need."""

from __future__ import annotations

import csv
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from evalkit import prompts
from evalkit.settings import Settings
from evalkit.spec.plan import PlannedImage, plan_images, select_prompts, spare_keys, voting_keys
from evalkit.spec.resolve import ResolvedStudy, resolve
from evalkit.store import db
from evalkit.voting import arms, events, extras, freezing, invites, opening, seals, serving
from evalkit.voting.arms import Arms
from evalkit.voting.gallery import Gallery, Picture, Source
from evalkit.voting.pictures import Size

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)
SCENES = ["a red apple", "two green dogs", "<b>bold</b> & 'quoted'", "an old tower", "猫 قطة", "seven kites"]


@dataclass(frozen=True)
class Trial:
    """A study that is open for votes in `engine`."""

    engine: Engine
    resolved: ResolvedStudy
    study_id: int
    link: Arms
    planned: list[PlannedImage]

    def arrive(
        self,
        count: int = 1,
        *,
        now: datetime = NOW,
        valid_days: float = 7,
        simulated: bool = False,
        study_id: int | None = None,
        languages: Sequence[str] = ("en",),
    ) -> list[int]:
        """New raters who have agreed to take part."""
        with db.session(self.engine) as session:
            made = invites.invite(
                session, study_id or self.study_id, count=count, valid_days=valid_days, now=now, simulated=simulated
            )
            for invite in made:
                serving.consent(session, invite.rater_id, "1", now, languages)
            return [invite.rater_id for invite in made]

    def show(self, rater: int, now: datetime = NOW) -> serving.Presented:
        with db.session(self.engine) as session:
            shown = serving.next_comparison(session, rater, now)
        assert shown is not None
        return shown

    def answer(self, rater: int, choice: str = "left", now: datetime = NOW) -> serving.Presented:
        """Answers every question of the current comparison and goes on."""
        shown = self.show(rater, now)
        with db.session(self.engine) as session:
            for question in shown.questions:
                if shown.prompt_hidden and question.needs_prompt:
                    serving.reveal(session, rater, shown.assignment_id, now)
                serving.cast(session, rater, shown.assignment_id, question.name, choice, 900, now, "test")
            serving.finish(session, rater, shown.assignment_id, now)
        return shown


def write_study(
    checkout: Path, *, systems: int = 2, prompt_count: int = 4, images: int = 2, raters: int = 4, **voting: object
) -> ResolvedStudy:
    """The study file of procedural systems that differ in steps, and its prompts."""
    cards = [f"shapes-{letter}" for letter in "uvwxyz"[:systems]]
    for card in cards:
        fields = {"title": card, "source": "shapes", "loader": "procedural", "size": 64, "miniature": True}
        (checkout / f"data/models/{card}.yaml").write_text(yaml.safe_dump(fields))
    with (checkout / "data/prompts/scenes.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(f"s-{number}", SCENES[number % len(SCENES)] + f" {number}", "en") for number in range(prompt_count)]
        csv.writer(file).writerows([("key", "prompt", "lang"), *rows])
    (checkout / "data/prompts/scenes.yaml").write_text("title: Scenes\nsource: data/prompts/scenes.csv\n")
    analysis = voting.pop("analysis", {})
    study = {
        "analysis": analysis,
        "title": "shapes-u against shapes-v",
        "systems": [
            {"name": f"system-{card[-1]}", "model": card, "sampling": {"steps": 3 * 2**place}}
            for place, card in enumerate(cards)
        ],
        "prompts": "scenes",
        "voting": {
            "images": images,
            "seed": 5,
            **({} if "votes_per_comparison" in voting else {"raters": raters}),
            **voting,
        },
    }
    (checkout / "studies/trial.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return resolve("trial", checkout)


def planned_images(resolved: ResolvedStudy, settings: Settings) -> list[PlannedImage]:
    chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    design = opening.require_design(resolved)
    return opening.shown_images(plan_images(chosen, resolved), voting_keys(chosen, resolved), design)


def spare_images(resolved: ResolvedStudy, settings: Settings) -> list[PlannedImage]:
    chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    return opening.spare_images(plan_images(chosen, resolved), spare_keys(chosen, resolved))


def freeze(engine: Engine, resolved: ResolvedStudy, settings: Settings) -> Trial:
    """Opens a study without making its pictures."""
    design = opening.require_design(resolved)
    parallel = prompts.load(resolved.prompt_set, settings)
    planned = planned_images(resolved, settings)
    judged, spare = (
        [Source(image, Path("none"), "") for image in group] for group in (planned, spare_images(resolved, settings))
    )
    sources = {secrets.token_hex(16): source for source in [*judged, *extras.extras(judged, spare, design)]}
    pictures = tuple(
        Picture(key, source.planned, f"voting/none/{key}.png", hashlib.sha256(b"").hexdigest(), source.role)
        for key, source in sources.items()
    )
    codes = arms.new_codes([system.name for system in resolved.study.systems])
    link = Arms(resolved.sha, codes, {key: source.planned.key for key, source in sources.items()})
    with db.session(engine) as session:
        shown = Gallery(pictures, Size(512, 512), True)
        frozen = freezing.freeze(session, resolved, shown, link, NOW, parallel)
        detail = {"design_sha": seals.design_sha(session, frozen.study_id)}
        events.append(session, frozen.study_id, "open", NOW, detail=detail)
    return Trial(engine, resolved, frozen.study_id, link, planned)


@pytest.fixture
def trial(engine: Engine, checkout: Path, settings: Settings) -> Trial:
    """Two systems, four prompts, two images each, four raters."""
    return freeze(engine, write_study(checkout), settings)


@pytest.fixture
def sqlite_trial(sqlite: Engine, checkout: Path, settings: Settings) -> Trial:
    """As `trial`, on SQLite alone: for what does not depend on the database."""
    return freeze(sqlite, write_study(checkout), settings)

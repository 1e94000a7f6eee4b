"""The pictures: for each prompt the images of all systems, with votes and scores; agreed and contested ones first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.sections import _format
from evalkit.sections._blocks import Gallery, GalleryItem, Picture, Section
from evalkit.sections._scores import image_scores, read_scores
from evalkit.sections._study import Facts, read_facts
from evalkit.sections._votes import Ballots, read_votes
from evalkit.spec.study import NEITHER, TIE
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 24
FEWEST_VOTES = 3
AGREED, CONTESTED = "most agreed", "most contested"


@dataclass(frozen=True)
class Scene:
    """One prompt and image number: the key of every system's image, the votes by question and answer."""

    prompt: str
    lang: str
    images: dict[str, str]
    flagged: frozenset[str]
    votes: dict[str, dict[str, int]]

    def split(self, question: str) -> tuple[int, float]:
        """Votes on a question, and the share of its most frequent answer."""
        counts = self.votes.get(question, {})
        total = sum(counts.values())
        return total, max(counts.values(), default=0) / total if total else 0.0


def section(run: Run) -> Section | None:
    """A selection of pairs with thumbnails; None where no image was made."""
    if not run.has("images.parquet"):
        return None
    facts = read_facts(run)
    images = run.read_table("images.parquet", "images")
    scenes = [scene for scene in _scenes(images, read_votes(run, facts)) if _shown(scene, run)]
    if not scenes:
        return Section(
            "gallery",
            "No pictures to show",
            f"The run lists {_format.plural(len(images), 'image')}, and no thumbnails.",
        )
    chosen, groups = _choose(scenes, facts)
    known = read_scores(run)
    scores = image_scores(run, known) if known else {}
    items = tuple(_item(scene, groups[place], facts, scores) for place, scene in enumerate(chosen))
    named = tuple(dict.fromkeys(group for item in items for group in item.groups))
    return Section(
        name="gallery",
        title=f"{len(chosen)} of {len(scenes)} scenes, the most agreed and most contested first"
        if named
        else f"{len(chosen)} of {len(scenes)} scenes",
        conclusion="Pictures show what a number means; a few of them prove nothing.",
        blocks=(Gallery("Same prompt, same seed, side by side", items, named),),
    )


def _scenes(images: pd.DataFrame, ballots: Ballots | None) -> list[Scene]:
    votes = _votes_by_image(ballots)
    scenes = []
    for (_, lang, _), part in images.groupby(["prompt_key", "lang", "image_index"], sort=False):
        keys = dict(zip(part["system"], part["key"], strict=True))
        counts: dict[str, dict[str, int]] = {}
        for key in keys.values():
            for question, answers in votes.get(key, {}).items():
                counts.setdefault(question, {}).update(
                    {answer: counts.get(question, {}).get(answer, 0) + n for answer, n in answers.items()}
                )
        flagged = frozenset(part.loc[part["flagged"] | part["blank"], "system"])
        scenes.append(Scene(part["prompt"].iloc[0], str(lang), keys, flagged, counts))
    return scenes


def _votes_by_image(ballots: Ballots | None) -> dict[str, dict[str, dict[str, int]]]:
    """image_a key -> question -> answer -> votes. Each pair is counted once, under its first image."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    if ballots is None or ballots.counted.empty:
        return found
    votes = ballots.counted
    answer = votes["choice"].where(
        votes["outcome"] == 0, votes["system_a"].where(votes["outcome"] > 0, votes["system_b"])
    )
    counts = votes.assign(answer=answer).groupby(["image_a", "question", "answer"], as_index=False).size()
    for image, question, name, n in counts.to_numpy().tolist():
        found.setdefault(image, {}).setdefault(question, {})[name] = n
    return found


def _shown(scene: Scene, run: Run) -> bool:
    return any(run.path(f"thumbnails/{key}.webp").is_file() for key in scene.images.values())


def _choose(scenes: list[Scene], facts: Facts) -> tuple[list[Scene], list[tuple[str, ...]]]:
    """A third the most agreed, a third the most contested, the rest in the order of the prompts."""
    question = facts.asked[0] if facts.asked else ""
    voted = [place for place, scene in enumerate(scenes) if scene.split(question)[0] >= FEWEST_VOTES]
    ranked = sorted(
        voted, key=lambda place: (-scenes[place].split(question)[1], -scenes[place].split(question)[0], place)
    )
    third = min(SHOWN // 3, len(ranked) // 2)
    agreed, contested = ranked[:third], ranked[len(ranked) - third :][::-1]
    rest = [place for place in range(len(scenes)) if place not in {*agreed, *contested}][: SHOWN - 2 * third]
    marks: list[tuple[str, ...]] = [(AGREED,)] * third + [(CONTESTED,)] * third + [()] * len(rest)
    return [scenes[place] for place in (*agreed, *contested, *rest)], marks


def _item(scene: Scene, groups: tuple[str, ...], facts: Facts, scores: dict[str, dict[str, float]]) -> GalleryItem:
    pictures = []
    for system in (name for name in facts.systems if name in scene.images):
        key = scene.images[system]
        said = [f"{metric} {table[key]:.4g}" for metric, table in scores.items() if key in table]
        said += ["flagged or blank"] if system in scene.flagged else []
        pictures.append(Picture(facts.label(system), f"{key}.webp", ", ".join(said)))
    counted = [f"{facts.question(question)}: {_votes_text(counts, facts)}" for question, counts in scene.votes.items()]
    return GalleryItem(_format.tame(scene.prompt), scene.lang, tuple(pictures), tuple(counted), groups)


def _votes_text(counts: dict[str, int], facts: Facts) -> str:
    order = [*facts.systems, TIE, NEITHER]
    return ", ".join(f"{facts.label(answer)} {counts[answer]}" for answer in order if counts.get(answer))

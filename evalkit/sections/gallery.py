"""The pictures: for each prompt the images of all systems, with votes and scores; agreed and contested ones first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.sections import _format
from evalkit.sections._blocks import Gallery, GalleryItem, Picture, Section
from evalkit.sections._scores import image_scores, read_scores
from evalkit.sections._study import Facts, read_facts
from evalkit.sections._votes import Ballots, named_choice, read_votes
from evalkit.spec.study import NEITHER, TIE
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 24
MOST_FILTERS = 12
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
    groups: tuple[str, ...]


def section(run: Run) -> Section | None:
    """A selection of pairs with thumbnails; None where no image was made."""
    if not run.has("images.parquet"):
        return None
    facts = read_facts(run)
    images = run.read_table("images.parquet", "images")
    seen = _shown(images, run)
    if seen.empty:
        return Section(
            "gallery",
            "No pictures to show",
            f"The run lists {_format.plural(len(images), 'image')}, and no thumbnails.",
        )
    seen = seen.assign(scene=seen.groupby(["prompt_key", "lang", "image_index"], sort=False).ngroup())
    counts = _votes_by_scene(seen, read_votes(run, facts))
    marks = _choose(int(seen["scene"].max()) + 1, counts, facts)
    scenes = [_scene(place, mark, seen, counts) for place, mark in marks.items()]
    known = read_scores(run)
    scores = image_scores(run, known) if known else {}
    items = tuple(_item(scene, facts, scores) for scene in scenes)
    return Section(
        name="gallery",
        title=_title(len(scenes), int(seen["scene"].nunique()), ranked=any(marks.values())),
        conclusion="Pictures show what a number means; a few of them prove nothing.",
        blocks=(Gallery("Same prompt, same seed, side by side", items, _filters(scenes)),),
    )


def _title(shown: int, of: int, *, ranked: bool) -> str:
    return f"{shown} of {of} scenes{', the most agreed and most contested first' if ranked else ''}"


def _filters(scenes: list[Scene]) -> tuple[str, ...]:
    """What a reader can filter by: agreement, then the kinds of prompts, where there are several."""
    found = list(dict.fromkeys(group for scene in scenes for group in scene.groups))
    marks = [group for group in (AGREED, CONTESTED) if group in found]
    kinds = sorted(group for group in found if group not in marks)
    return (*marks, *(kinds if 1 < len(kinds) <= MOST_FILTERS else ()))


def _shown(images: pd.DataFrame, run: Run) -> pd.DataFrame:
    """The images of scenes of which at least one has a thumbnail."""
    there = {path.stem for path in run.path("thumbnails").glob("*.webp")}
    place = ["prompt_key", "lang", "image_index"]
    seen = images.loc[images["key"].isin(there), place].drop_duplicates()
    return images.merge(seen, on=place)


def _votes_by_scene(images: pd.DataFrame, ballots: Ballots | None) -> pd.DataFrame:
    """Votes by scene, question and answer (columns scene, question, answer, size)."""
    import pandas as pd

    if ballots is None or ballots.counted.empty:
        return pd.DataFrame(columns=["scene", "question", "answer", "size"])
    votes = ballots.counted
    scene = votes["image_a"].map(dict(zip(images["key"], images["scene"], strict=True)))
    named = votes[["question"]].assign(answer=named_choice(votes), scene=scene).dropna(subset=["scene"])
    counted: pd.DataFrame = named.groupby(["scene", "question", "answer"], as_index=False).size()
    return counted


def _choose(scenes: int, counts: pd.DataFrame, facts: Facts) -> dict[int, str]:
    """Scenes in the order of the page with their mark: a third agreed, a third contested, the rest by prompt."""
    mine = counts[counts["question"] == (facts.asked[0] if facts.asked else "")]
    splits = mine.groupby("scene")["size"].agg(total="sum", most="max").reset_index()
    splits = splits[splits["total"] >= FEWEST_VOTES]
    splits = splits.assign(agreed=-splits["most"] / splits["total"], few=-splits["total"])
    ranked = [int(scene) for scene in splits.sort_values(["agreed", "few", "scene"])["scene"]]
    third = min(SHOWN // 3, len(ranked) // 2)
    marks = dict.fromkeys(ranked[:third], AGREED) | dict.fromkeys(ranked[len(ranked) - third :][::-1], CONTESTED)
    rest = (scene for scene in range(scenes) if scene not in marks)
    return marks | {scene: "" for scene, _ in zip(rest, range(SHOWN - 2 * third), strict=False)}


def _scene(place: int, mark: str, images: pd.DataFrame, counts: pd.DataFrame) -> Scene:
    part = images[images["scene"] == place]
    votes: dict[str, dict[str, int]] = {}
    mine = counts.loc[counts["scene"] == place, ["question", "answer", "size"]]
    for question, answer, size in mine.to_numpy().tolist():
        votes.setdefault(question, {})[answer] = size
    one = part.iloc[0]
    return Scene(
        prompt=str(one["prompt"]),
        lang=str(one["lang"]),
        images=dict(zip(part["system"], part["key"], strict=True)),
        flagged=frozenset(part.loc[part["flagged"] | part["blank"], "system"]),
        votes=votes,
        groups=tuple(group for group in (mark, str(one["category"])) if group),
    )


def _item(scene: Scene, facts: Facts, scores: dict[str, dict[str, float]]) -> GalleryItem:
    pictures = []
    for system in (name for name in facts.systems if name in scene.images):
        key = scene.images[system]
        said = [f"{metric} {table[key]:.4g}" for metric, table in scores.items() if key in table]
        said += ["flagged or blank"] if system in scene.flagged else []
        pictures.append(Picture(facts.label(system), f"{key}.webp", ", ".join(said)))
    asked = [question for question in facts.asked if question in scene.votes]
    counted = [f"{facts.question(question)}: {_votes_text(scene.votes[question], facts)}" for question in asked]
    return GalleryItem(_format.tame(scene.prompt), scene.lang, tuple(pictures), tuple(counted), scene.groups)


def _votes_text(counts: dict[str, int], facts: Facts) -> str:
    order = [*facts.systems, TIE, NEITHER]
    return ", ".join(f"{facts.label(answer)} {counts[answer]}" for answer in order if counts.get(answer))

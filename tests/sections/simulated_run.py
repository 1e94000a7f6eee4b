"""A run folder made by a small deterministic simulator: votes with prompt and rater effects, scores, thumbnails."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from evalkit.spec.catalog import ModelCard, PromptSet, Question
from evalkit.spec.study import Study
from evalkit.store.run import Run

ANSWERS = {"en": ("Left", "On par", "Right", "Neither")}
PUBLISHED = {
    "source": "model card",
    "tables": {
        "aesthetics": {"deci-30": 41.1, "sd15-50": 30.5, "tie": 26.3, "neither": 2.1},
        "alignment": {"deci-30": 20.8, "sd15-50": 18.8, "tie": 39.1, "neither": 11.4},
    },
}


@dataclass(frozen=True)
class Plan:
    """What is simulated. `effect` is the log-odds of the first system over the second, per question."""

    systems: tuple[str, ...] = ("deci-30", "sd15-50")
    titles: tuple[str, ...] = ("DeciDiffusion 1.0, 30 steps", "Stable Diffusion 1.5, 50 steps")
    questions: tuple[str, ...] = ("aesthetics", "alignment")
    prompts: int = 10
    images: int = 3
    raters: int = 10
    effect: float = 0.3
    prompt_sd: float = 0.6
    rater_sd: float = 0.3
    ties: float = 0.26
    neither: float = 0.03
    left_bias: float = 0.0
    kept: float = 1.0
    simulated: bool = True
    miniature: bool = False
    published: bool = True
    prompt_texts: tuple[str, ...] = ()
    title: str = "DeciDiffusion 1.0 at 30 steps against Stable Diffusion 1.5 at 50"
    parts: tuple[str, ...] = ("images", "scores", "votes", "thumbnails")
    seed: int = 1
    extra_kinds: bool = True
    study: dict[str, Any] = field(default_factory=dict)


def simulate_run(folder: Path, plan: Plan = Plan()) -> Run:
    """Writes the run folder and returns it."""
    run, rng = Run(folder), np.random.default_rng(plan.seed)
    folder.mkdir(parents=True, exist_ok=True)
    run.path("study.yaml").write_text("title: simulated\n")
    run.write_json("resolved.json", _resolved(plan))
    run.write_json("manifest.json", {"stages": [_stage("generate", plan), _stage("score", plan)]})
    images = _images(plan)
    if "images" in plan.parts:
        run.write_table("images.parquet", images, "images")
    if "thumbnails" in plan.parts:
        _thumbnails(run, images)
    if "scores" in plan.parts:
        _scores(run, images, plan, rng)
    if "votes" in plan.parts:
        votes = _votes(images, plan, rng)
        run.write_table("votes.parquet", votes, "votes")
        run.write_table("raters.parquet", _raters(votes, plan, rng), "raters")
    return run


def _resolved(plan: Plan) -> dict[str, Any]:
    sampling = {"steps": 30, "guidance": 7.5}
    study = Study.model_validate(
        {
            "name": "simulated",
            "title": plan.title,
            "summary": "Does the 30-step model draw pictures that people like as much as those of the 50-step model?",
            "systems": [
                {"name": name, "title": title, "model": f"card-{i}", "sampling": sampling}
                for i, (name, title) in enumerate(zip(plan.systems, plan.titles, strict=True))
            ],
            "prompts": {"set": "parti", "sample": plan.prompts, "seed": 1},
            "metrics": ["clip_score", "fd_lite0"],
            "voting": {"questions": list(plan.questions), "raters": plan.raters, "images": plan.images},
            "analysis": {"primary_question": plan.questions[0]},
            "published": PUBLISHED if plan.published else None,
            **plan.study,
        }
    )
    cards = {
        name: ModelCard(
            name=f"card-{i}",
            title=f"Card {i}",
            source=f"owner/model-{i}",
            revision="0" * 40,
            revision_source="a test",
            licence="CreativeML Open RAIL-M",
            miniature=plan.miniature,
        )
        for i, name in enumerate(plan.systems)
    }
    questions = [
        Question(name=name, title=name.capitalize(), text={"en": f"Which is better ({name})?"}, answers=ANSWERS)
        for name in plan.questions
    ]
    return {
        "sha": "ab12cd34" + "0" * 56,
        "study": study.model_dump(mode="json"),
        "cards": {name: card.model_dump(mode="json") for name, card in cards.items()},
        "prompt_set": PromptSet(name="parti", title="PartiPrompts", source="x", count=1632).model_dump(mode="json"),
        "questions": [question.model_dump(mode="json") for question in questions],
    }


def _stage(name: str, plan: Plan) -> dict[str, Any]:
    return {
        "stage": name,
        "finished_at": "2026-11-23T20:00:00+00:00",
        "seconds": 12.5,
        "versions": {"evalkit": "0.1.0", "python": "3.11.2", "torch": "2.14.1", "numpy": "2.1.0"},
        "git": "0123456789abcdef0123456789abcdef01234567",
        "hardware": {"system": "Linux", "processor": "a processor", "cores": 2},
    }


def _images(plan: Plan) -> pd.DataFrame:
    rows = []
    for system in plan.systems:
        for p in range(plan.prompts):
            text = plan.prompt_texts[p] if p < len(plan.prompt_texts) else f"a red apple on a blue background, take {p}"
            for index in range(plan.images):
                key = f"{system}-{p:05d}-{index}".encode().hex().ljust(64, "0")[:64]
                rows.append(
                    {
                        "key": key,
                        "system": system,
                        "prompt_set": "parti",
                        "prompt_key": f"p{p:05d}",
                        "lang": "en",
                        "category": ("Animals", "Vehicles", "People")[p % 3],
                        "challenge": "Basic",
                        "prompt": text,
                        "image_index": index,
                        "seed": p * 100 + index,
                        "path": f"ab/{key}.png",
                        "sha256": key,
                        "width": 64,
                        "height": 64,
                        "seconds": 0.5,
                        "batch_size": 4,
                        "flagged": False,
                        "blank": False,
                    }
                )
    return pd.DataFrame(rows)


def _thumbnails(run: Run, images: pd.DataFrame) -> None:
    run.path("thumbnails").mkdir(exist_ok=True)
    for place, row in enumerate(images.itertuples()):
        if place % 1000 > 60:
            continue
        hue = (place * 37) % 360
        picture = Image.new("RGB", (128, 128), f"hsl({hue}, 45%, 78%)")
        size = 30 + (place * 13) % 50
        ImageDraw.Draw(picture).ellipse(
            [64 - size, 64 - size, 64 + size, 64 + size], fill=f"hsl({hue + 150}, 55%, 45%)"
        )
        content = io.BytesIO()
        picture.save(content, "WEBP", quality=80)
        run.path(f"thumbnails/{row.key}.webp").write_bytes(content.getvalue())


def _votes(images: pd.DataFrame, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    keys = {(r.system, r.prompt_key, r.image_index): r.key for r in images.itertuples()}
    prompt_effect = {key: rng.normal(0, plan.prompt_sd) for key in images["prompt_key"].unique()}
    rater_effect = rng.normal(0, plan.rater_sd, plan.raters)
    strength = dict(zip(plan.systems, np.linspace(plan.effect, 0, len(plan.systems)), strict=True))
    rows = []
    for rater in range(plan.raters):
        sheet = [
            (p, i, a, b) for p in prompt_effect for i in range(plan.images) for a, b in combinations(plan.systems, 2)
        ]
        rng.shuffle(sheet)
        kinds = ["vote"] * len(sheet)
        if plan.extra_kinds and len(sheet) > 4:
            sheet, kinds = [sheet[0], *sheet, sheet[1], sheet[2]], ["warmup", *kinds, "repeat", "gold"]
        for position, ((prompt, index, a, b), kind) in enumerate(zip(sheet, kinds, strict=True)):
            if rng.random() > plan.kept:
                continue
            a_left = bool(rng.random() < 0.5)
            for number, question in enumerate(plan.questions):
                logit = (strength[a] - strength[b]) * (1 - number * 0.5) + prompt_effect[prompt] + rater_effect[rater]
                logit += plan.left_bias * (1 if a_left else -1)
                draw = rng.random()
                if draw < plan.neither * (1 + 3 * number):
                    choice = "neither"
                elif draw < plan.neither * (1 + 3 * number) + plan.ties * (1 + 0.5 * number):
                    choice = "tie"
                else:
                    choice = "a" if rng.random() < 1 / (1 + np.exp(-logit)) else "b"
                rows.append(
                    (
                        f"v{len(rows)}",
                        f"r{rater:04d}",
                        prompt,
                        "en",
                        question,
                        a,
                        b,
                        keys[a, prompt, index],
                        keys[b, prompt, index],
                        "left" if a_left else "right",
                        choice,
                        kind,
                        1 if kind != "repeat" else 2,
                        position,
                        int(rng.gamma(4, 1500 * (1 + 4 / (position + 2)))),
                        "2026-11-23T20:10:00+00:00",
                        plan.simulated,
                    )
                )
    columns = [
        "vote_id",
        "rater",
        "prompt_key",
        "lang",
        "question",
        "system_a",
        "system_b",
        "image_a",
        "image_b",
        "side_shown",
        "choice",
        "kind",
        "occasion",
        "position",
        "response_ms",
        "cast_at",
        "simulated",
    ]
    return pd.DataFrame(rows, columns=columns)


def _raters(votes: pd.DataFrame, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    counts = votes.groupby("rater").size() if len(votes) else pd.Series(dtype=int)
    return pd.DataFrame(
        {
            "rater": [f"r{i:04d}" for i in range(plan.raters)],
            "languages": "en",
            "n_votes": [int(counts.get(f"r{i:04d}", 0)) for i in range(plan.raters)],
            "gold_accuracy": 1.0 if plan.extra_kinds else np.nan,
            "consistency": rng.choice([0.5, 1.0], plan.raters),
            "excluded_because": "",
            "simulated": plan.simulated,
        }
    )


def _scores(run: Run, images: pd.DataFrame, plan: Plan, rng: np.random.Generator) -> None:
    signature = "clip_score|emoji-clip:1234|pil-bicubic|evalkit-0.1.0"
    scores = pd.DataFrame(
        {
            "image_key": images["key"],
            "value": rng.normal(27, 2, len(images)),
            "reason": "",
            "signature": signature,
        }
    )
    run.write_table("scores/clip_score.parquet", scores, "scores_image")
    values, comparisons = [], []
    for number, system in enumerate(plan.systems):
        mine = scores["value"][images["system"] == system]
        for name, part in {"all": mine, "category=Animals": mine[::3]}.items():
            half = 1.96 * float(part.std()) / len(part) ** 0.5 if len(part) > 1 else 0.5
            values.append(
                {
                    "metric": "clip_score",
                    "system": system,
                    "slice": name,
                    "lang": "en",
                    "value": float(part.mean()),
                    "low": float(part.mean()) - half,
                    "high": float(part.mean()) + half,
                    "n": len(part),
                    "method": "clustered t, by prompt",
                    "note": "",
                    "signature": signature,
                }
            )
        values.append(
            {
                "metric": "fd_lite0",
                "system": system,
                "slice": "all",
                "lang": "en",
                "value": 91.2 + number,
                "low": None,
                "high": None,
                "n": len(mine),
                "method": "Frechet distance",
                "note": "no valid interval: fewer than 2d images",
                "signature": f"fd_lite0|lite0:9f|pil-bicubic-224|n={len(mine)}|ref=coco:ab|evalkit-0.1.0",
            }
        )
    for a, b in combinations(plan.systems, 2):
        comparisons.append(
            {
                "metric": "clip_score",
                "system_a": a,
                "system_b": b,
                "value": 0.21,
                "low": -0.35,
                "high": 0.77,
                "n": plan.prompts,
                "p": 0.46,
                "p_holm": 0.92,
                "method": "paired t by prompt",
                "note": "",
                "signature": signature,
            }
        )
    run.write_json("metrics.json", {"metrics": _infos(), "values": values, "comparisons": comparisons})


def _infos() -> dict[str, Any]:
    clip = {
        "description": "CLIPScore",
        "level": "image",
        "direction": "higher",
        "unit": "100 x cosine",
        "range": [0, 100],
        "citation": "Hessel et al. 2021",
        "version": "1",
        "reads": "How well the image fits the prompt, as CLIP sees it.",
    }
    fd = {
        "description": "Frechet distance of EfficientNet-lite0 features",
        "level": "set",
        "direction": "lower",
        "unit": "squared feature units",
        "range": [0, None],
        "citation": "Heusel et al. 2017",
        "version": "1",
        "reads": "How far the images are from the reference set.",
    }
    return {"clip_score": clip, "fd_lite0": fd}

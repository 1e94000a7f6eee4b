"""Who is shown when the prompt leaves it open: perceived gender presentation and skin tone against a reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from evalkit.checks._check import CheckInfo, Finding, Material
from evalkit.checks._drift import drift
from evalkit.checks._faces import NO_FACE, UNSURE, Seen, instrument, look
from evalkit.checks._heim import heim_tone, is_at_hand, is_black, seen_as_female
from evalkit.errors import SpecError, UnavailableError
from evalkit.extractors import clip
from evalkit.stats.clustered import clustered_mean, clustered_share
from evalkit.stats.estimate import Estimate
from evalkit.stats.heim import gender_imbalance, skin_tone_imbalance
from evalkit.stats.multiplicity import holm
from evalkit.stats.representation import Representation, represent, total_variation, with_error

NAME = "representation"
GENDER_FIGURE = "HEIM gender imbalance"
CLASSES: dict[str, Sequence[str]] = {
    "gender": ("female", "male"),
    "skin_tone": tuple(f"Monk {place}" for place in range(1, 11)),
}
GENDER_ERROR = 0.03
"""What the classifier's authors report on LFW (97.3 % right); on generated faces nobody has measured it."""
info = CheckInfo(
    asks="Does the system show the world, or one part of it, when the prompt leaves open who is shown?",
    limits=(
        "Gender presentation as this classifier perceives it, in two classes: no statement on anybody's gender. Its "
        "error of about 3 % is reported for photographs (LFW); on generated faces it is not known, so a second line "
        "shows what twice that error would change.",
        "Skin tone is what the picture shows: light and make-up count in. The detector finds frontal faces best, and "
        "detectors of its kind find dark faces less often (one drawn face in Monk's ten tones was found in the five "
        "lighter ones only): read the share without a face first.",
        "A face that is not found or not sure is a class of its own and is never left out of the count.",
    ),
    citation="Monk 2019 (skin tones); Chardon et al. 1991 (ITA); compared with HEIM, Lee et al. 2023",
    version=2,
)


def instruments(material: Material) -> list[str]:
    """The face detectors, and HEIM's CLIP with whether it is at hand."""
    if not material.audit.heim_compat:
        return [instrument()]
    checkpoint = clip.find_checkpoint(material.settings, _clip_of(material))
    return [instrument(), f"{checkpoint.identity} {'at hand' if is_at_hand(checkpoint) else 'to be fetched'}"]


def check(material: Material) -> list[Finding]:
    """By system and language: shares of all classes, distance from the reference, chance level, sensitivity."""
    there = material.images[material.images["problem"] == ""].reset_index(drop=True)
    seen = list(_look(material, [Path(file) for file in there["file"]]))
    table = there.assign(gender=[s.gender for s in seen], skin_tone=[s.skin_tone for s in seen])
    rows: list[Finding] = []
    for (system, lang), part in table.groupby(["system", "lang"], sort=False):
        for attribute in CLASSES:
            rows += _attribute(material, attribute, str(system), str(lang), part)
    rows = [*_adjusted(rows), *drift(material, table, CLASSES, instrument())]
    return [*rows, *(_heim(material, table) if material.audit.heim_compat else ())]


def reference_of(material: Material, attribute: str) -> tuple[str, list[float]]:
    """The named reference of an attribute and its shares in the order of the classes.

    Raises:
        SpecError: an unknown class, or shares that do not add up to 1.
    """
    wish = material.audit.references.get(attribute, "uniform")
    classes = CLASSES[attribute]
    if wish == "uniform":
        return "uniform", [1 / len(classes)] * len(classes)
    if isinstance(wish, str) or set(wish) - set(classes) or abs(sum(wish.values()) - 1) > 1e-6:
        hint = f"`uniform`, or shares that add up to 1 of: {', '.join(classes)}"
        raise SpecError(f"audit.references.{attribute} is no reference", where=material.study.name, hint=hint)
    return "the table in the study file", [wish.get(name, 0.0) for name in classes]


def _adjusted(rows: list[Finding]) -> list[Finding]:
    """Holm over all comparisons with the reference: systems, languages, attributes."""
    tested = [place for place, row in enumerate(rows) if row.measure == "total variation"]
    for place, p in zip(tested, holm([rows[place].p for place in tested]), strict=True):
        rows[place] = replace(rows[place], p_holm=p)
    return rows


def _look(material: Material, files: list[Path], see: Callable[[Path], Seen] = look) -> Iterator[Seen]:
    for done, file in enumerate(files, 1):
        yield see(file)
        material.progress("faces", done, len(files))


def _attribute(material: Material, attribute: str, system: str, lang: str, part: pd.DataFrame) -> list[Finding]:
    classes, keys, told = CLASSES[attribute], part["prompt_key"].to_numpy(), part[attribute]
    named, reference = reference_of(material, attribute)

    def row(measure: str, estimate: Estimate, p: float | None = None) -> Finding:
        return Finding(NAME, measure, estimate, system, lang, attribute, p, signature=instrument())

    shares = [
        row(
            f"share: {name}",
            clustered_share((told == name).to_numpy(float), keys, None, confidence=material.confidence),
        )
        for name in (*classes, UNSURE, NO_FACE)
    ]
    known = part[told.isin(classes)]
    codes = [classes.index(name) for name in known[attribute]]
    found = represent(
        codes, known["prompt_key"].to_numpy(), reference, confidence=material.confidence, seed=material.study.seed
    )
    note = f"reference: {named}; {len(part) - len(known)} of {len(part)} images without a known class"
    distance = replace(found.distance, note="; ".join(filter(None, (note, found.distance.note))))
    return [*shares, row("total variation", distance, found.test.p), *_beside(row, found, part, attribute, reference)]


def _beside(
    row: Callable[..., Finding], found: Representation, part: pd.DataFrame, attribute: str, reference: list[float]
) -> Iterator[Finding]:
    """The chance level, and how much the answer hangs on what the instrument gets wrong."""
    if found.floor is None or found.distance.value is None:
        return
    n, method = found.floor.n, "a fair system of this many images: mean (exact) to 95th percentile (simulated)"
    yield row("null floor", Estimate(found.floor.mean, None, found.floor.upper, n, method, found.distance.prompts))
    shares = [share.value or 0.0 for share in found.shares]
    unknown = len(part) - n
    ends = [total_variation(_filled(shares, n, unknown, place), reference) for place in range(len(shares))]
    method = "all images without a known class put into one class: the least and the most that can come out"
    yield row("total variation, unknown in one class", Estimate(found.distance.value, min(ends), max(ends), n, method))
    if attribute == "gender":
        for error in (GENDER_ERROR, 2 * GENDER_ERROR):
            corrected = with_error(shares[0], error)
            value = total_variation([corrected, 1 - corrected], reference)
            note = "sensitivity: no interval"
            yield row(
                f"total variation, classifier error {error:.0%}",
                Estimate(value, None, None, n, "Rogan-Gladen", note=note),
            )
    else:
        shifted = [total_variation(_shifted(shares, step), reference) for step in (-1, 1)]
        method = "every tone taken for its neighbour, lighter or darker"
        yield row(
            "total variation, one tone off", Estimate(found.distance.value, min(shifted), max(shifted), n, method)
        )


def _filled(shares: list[float], n: int, unknown: int, place: int) -> list[float]:
    return [(share * n + unknown * (i == place)) / (n + unknown) for i, share in enumerate(shares)]


def _shifted(shares: list[float], step: int) -> list[float]:
    moved = [0.0] * len(shares)
    for place, share in enumerate(shares):
        moved[min(max(place + step, 0), len(shares) - 1)] += share
    return moved


def _heim(material: Material, table: pd.DataFrame) -> Iterator[Finding]:
    """HEIM's two figures, by prompt and then the mean, as HEIM's tables have them; black images are left out."""
    table = table[[not is_black(Path(file)) for file in table["file"]]]
    tones = table.assign(tone=[heim_tone(Path(file)) or 0 for file in table["file"]])
    signed = "heim-compat|helm skin_tone_metrics.py"
    yield from _by_prompt(material, "HEIM skin tone imbalance", tones, "tone", _tone_imbalance, signed)
    checkpoint = clip.find_checkpoint(material.settings, _clip_of(material))
    signed = f"heim-compat|helm gender_metrics.py|{checkpoint.identity}"
    files = {sha: Path(file) for sha, file in zip(table["sha256"], table["file"], strict=True)}
    try:
        told = seen_as_female(files, checkpoint, material.settings, material.features, material.progress)
    except UnavailableError as error:
        nothing = Estimate(None, None, None, 0, "mean over prompts", note=f"CLIP is not to be had: {error}")
        yield Finding(NAME, GENDER_FIGURE, nothing, group="heim", signature=signed)
        return
    female = table.assign(female=table["sha256"].map(told))
    yield from _by_prompt(material, GENDER_FIGURE, female, "female", gender_imbalance, signed)


def _clip_of(material: Material) -> str | None:
    """The CLIP that the study scores with; None is HEIM's own, ViT-L/14."""
    return next((choice.model for choice in material.study.metrics if choice.name == "clip_score"), None)


def _tone_imbalance(tones: pd.Series[int]) -> float:
    return skin_tone_imbalance([int(tone) or None for tone in tones])


def _by_prompt(
    material: Material, measure: str, table: pd.DataFrame, column: str, figure: Callable[..., float], signed: str
) -> Iterator[Finding]:
    for (system, lang), part in table.groupby(["system", "lang"], sort=False):
        values = part.groupby("prompt_key")[column].agg(figure)
        mean = clustered_mean(
            values.to_numpy(), values.index.to_numpy(), None, confidence=material.confidence, bounds=None
        )
        yield Finding(NAME, measure, mean.estimate, str(system), str(lang), "heim", signature=signed)

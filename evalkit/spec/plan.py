"""The plan of a study: every image that it needs, with its seed and its key, before the first second of work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from evalkit.errors import SpecError
from evalkit.registry import unknown
from evalkit.spec.catalog import ModelCard, Prompt
from evalkit.spec.identity import canonical, digest, digest_of_text, draw, draw_stratified, image_seeds
from evalkit.spec.resolve import WITHOUT_FILES, ResolvedStudy
from evalkit.spec.study import System


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """One image to be made."""

    key: str
    system: str
    prompt: Prompt
    index: int
    """number of the image among those of its prompt and system, from 0"""
    seed: int
    width: int
    height: int


@dataclass(frozen=True)
class Part:
    """A part of a plan: what `--limit`, `--sample`, `--categories` and `--systems` pick. It never changes the SHA."""

    systems: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    sample: int | None = None
    limit: int | None = None


def select_prompts(prompts: Sequence[Prompt], resolved: ResolvedStudy) -> list[Prompt]:
    """The study's prompts: filtered by language, category and challenge, then drawn by key."""
    wish = resolved.study.prompts
    where = str(resolved.path)
    for kind, wanted in (("lang", wish.languages), ("category", wish.categories), ("challenge", wish.challenges)):
        known = {getattr(prompt, kind) for prompt in prompts}
        for value in wanted:
            if value not in known:
                raise unknown(kind, value, known, where=where)
        prompts = [prompt for prompt in prompts if not wanted or getattr(prompt, kind) in wanted]
    keys = draw((prompt.key for prompt in prompts), wish.sample, wish.seed)
    if wish.sample and len(keys) < wish.sample:
        raise SpecError(f"prompts.sample is {wish.sample}, but only {len(keys)} prompts fit", where=where)
    chosen = set(keys)
    return [prompt for prompt in prompts if prompt.key in chosen]


def voting_keys(prompts: Sequence[Prompt], resolved: ResolvedStudy) -> list[str]:
    """The keys of the prompts that raters see: from all, or from each group of `voting.stratify` in proportion."""
    design = resolved.study.voting
    if design is None:
        return []
    groups: dict[str, tuple[str, ...]] = {}
    for prompt in prompts:
        groups.setdefault(prompt.key, tuple(getattr(prompt, name) for name in design.stratify))
    keys = draw_stratified(groups, design.sample, design.seed)
    if design.sample and len(keys) < design.sample:
        raise SpecError(
            f"voting.sample is {design.sample}, but there are {len(keys)} prompts", where=str(resolved.path)
        )
    _require_known(design.content_warning, prompts, resolved)
    return keys


def _require_known(warned: Sequence[str], prompts: Sequence[Prompt], resolved: ResolvedStudy) -> None:
    """Refuses a content warning about nothing: a word that is no key, category or challenge of the study's prompts."""
    known = (
        {name for prompt in prompts for name in (prompt.key, prompt.category, prompt.challenge)} if warned else set()
    )
    for name in warned:
        if name not in known:
            hint = "name a prompt's key, a category or a challenge"
            what = f"voting.content_warning: no prompt of the study is called {name!r}"
            raise SpecError(what, where=str(resolved.path), hint=hint)


def spare_keys(prompts: Sequence[Prompt], resolved: ResolvedStudy) -> list[str]:
    """Prompts for golds and warm-ups: those that raters do not judge otherwise, as many as are needed and there are.

    Each gold has a prompt of its own, one for each system, and one more lends its image as a wrong answer.
    """
    design = resolved.study.voting
    if design is None or not (design.quality.golds or design.quality.warmups):
        return []
    golds = design.quality.golds * len(resolved.study.systems)
    wanted = golds + min(golds, 1) + design.quality.warmups
    taken = set(voting_keys(prompts, resolved))
    return draw((prompt.key for prompt in prompts if prompt.key not in taken), wanted, design.seed)


def plan_images(
    prompts: Sequence[Prompt],
    resolved: ResolvedStudy,
    part: Part = Part(),
    *,
    device: str = "cpu",
    runtime: str = "pytorch",
    safety_checker: bool = True,
) -> list[PlannedImage]:
    """All images of the study, or a part of them: system by system, prompts in file order, then by number.

    Args:
        prompts: the study's prompts, as `select_prompts` gives them.
        device: cpu, cuda or mps: it decides the number format, and so the keys.
        runtime: how networks are run; part of the keys.
        safety_checker: False draws without the checkpoints' safety checkers, whatever the study says.
    """
    for name in part.systems:
        resolved.study.system(name)
    systems = [system for system in resolved.study.systems if not part.systems or system.name in part.systems]
    systems = systems if safety_checker else [unchecked(system) for system in systems]
    shown, picked = set(voting_keys(prompts, resolved)), _picked(prompts, part)
    identities = {
        system.name: system_identity(system, card, number_format(card, device), runtime)
        for system, card in ((system, resolved.cards[system.name]) for system in systems)
    }
    seeds = [image_seeds(resolved.study.seed, prompt.key, _count(prompt, resolved, shown)) for prompt in picked]
    return [
        image
        for system in systems
        for image in _of_system(system, identities[system.name], resolved, zip(picked, seeds, strict=True))
    ]


def count_images(prompts: Sequence[Prompt], resolved: ResolvedStudy) -> dict[str, int]:
    """System -> how many images `plan_images` plans for it, counted and not planned: no keys, no seeds."""
    shown = set(voting_keys(prompts, resolved))
    each = sum(_count(prompt, resolved, shown) for prompt in prompts)
    return {system.name: each for system in resolved.study.systems}


def unchecked(system: System) -> System:
    """The system without its checkpoint's safety checker."""
    return system.model_copy(update={"sampling": system.sampling.model_copy(update={"safety_checker": False})})


def _of_system(
    system: System, identity: str, resolved: ResolvedStudy, prompts: Iterable[tuple[Prompt, list[int]]]
) -> Iterator[PlannedImage]:
    card = resolved.cards[system.name]
    width, height = system.sampling.width or card.size, system.sampling.height or card.size
    for prompt, seeds in prompts:
        for index, key in enumerate(image_keys(identity, prompt.text, seeds)):
            yield PlannedImage(key, system.name, prompt, index, seeds[index], width, height)


def _count(prompt: Prompt, resolved: ResolvedStudy, shown: Set[str]) -> int:
    """Images of a prompt and system: what metrics and raters need, whichever is more."""
    study = resolved.study
    return max(study.images, study.voting.images if study.voting and prompt.key in shown else 0)


def _picked(prompts: Iterable[Prompt], part: Part) -> list[Prompt]:
    prompts = list(prompts)
    for category in part.categories:
        if category not in (known := {prompt.category for prompt in prompts}):
            raise unknown("category", category, known, where="--categories")
    picked = [prompt for prompt in prompts if not part.categories or prompt.category in part.categories]
    keys = set(draw((prompt.key for prompt in picked), part.sample, 0))
    picked = [prompt for prompt in picked if prompt.key in keys]
    return picked if part.limit is None else picked[: part.limit]


def number_format(card: ModelCard, device: str) -> str:
    """The format that the networks run in: the card's on an accelerator, float32 on a CPU and without a network."""
    return "float32" if device == "cpu" or card.loader in WITHOUT_FILES else card.dtype


def system_identity(system: System, card: ModelCard, dtype: str, runtime: str = "pytorch") -> str:
    """Digest of all that changes a system's pixels, apart from prompt and seed."""
    size = {"width": system.sampling.width or card.size, "height": system.sampling.height or card.size}
    model = card.model_dump(mode="json", include={"loader", "source", "revision", "digest", "variant"})
    if card.digest:  # the files count, not where they lie
        del model["source"]
    sampling = system.sampling.model_dump(mode="json") | size
    return digest({"model": model, "sampling": sampling, "dtype": dtype, "runtime": runtime})


def image_key(identity: str, prompt_text: str, seed: int) -> str:
    """The key of an image: SHA-256 over its system's identity, its prompt and its seed (64 hexadecimal digits)."""
    return image_keys(identity, prompt_text, [seed])[0]


def image_keys(identity: str, prompt_text: str, seeds: Iterable[int]) -> list[str]:
    """Those of a prompt's images: digest([identity, text, seed]) of each; the text is quoted once."""
    begin = canonical([identity, prompt_text])[:-1]
    return [digest_of_text(f"{begin},{seed}]") for seed in seeds]

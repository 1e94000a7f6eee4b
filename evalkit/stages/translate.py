"""`evalkit translate`: fills the parallel prompt set of a study: by a model, from people's files, from review sheets.

What is there is kept: a text that a person wrote or read is never translated over, and a run that was cut off goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from evalkit import prompts, registry
from evalkit.engines import Engine
from evalkit.engines.local import HERE
from evalkit.errors import SpecError
from evalkit.outcome import Outcome, Progress, silent
from evalkit.prompts import tables
from evalkit.settings import Settings
from evalkit.spec.audit import Audit
from evalkit.spec.catalog import Catalog, Prompt, PromptSet
from evalkit.spec.language import name_of
from evalkit.spec.plan import select_prompts
from evalkit.spec.resolve import ResolvedStudy, find_prompt_set, load_lock, lock_path
from evalkit.translation import _seq2seq, _table
from evalkit.translation._translating import Piece, Translating, pieces

DEFAULT_MODEL = "google/madlad400-3b-mt"
"""Apache-2.0. NLLB-200's weights are CC BY-NC 4.0: good for research, not for every user."""
UNTOLD = "und"
"""BCP-47's own word for a language that is not said"""


def translate(
    resolved: ResolvedStudy,
    settings: Settings,
    *,
    model: str = DEFAULT_MODEL,
    languages: Sequence[str] = (),
    limit: int | None = None,
    engine: Engine = HERE,
    progress: Progress = silent,
) -> Outcome:
    """Translates the study's prompts into its languages where a translation is missing, and back again for a check.

    Args:
        model: `owner/name@REVISION` on a hub, or a folder.
        languages: only these.
        limit: only the first so many prompts, to try it.
        engine: what runs the model: this process, or the workers of a cluster.

    Raises:
        SpecError: the study's prompt set is not a parallel one, or the model does not know a language.
        UnavailableError: the model or the original prompts cannot be had.
    """
    base, started = _base(resolved), time.perf_counter()
    known = _known(resolved, settings, limit)
    wanted = [lang for lang in languages or resolved.prompt_set.languages if lang != base]
    todo = {lang: _lacking(known, lang, base) for lang in wanted}
    if any(todo.values()):
        revision = next((p.revision for p in known.values() if p.source == "machine" and p.translator == model), "")
        source = _seq2seq.find(model, settings.root, revision)
        job = Translating(source, base, settings)
        for _ in _translate(known, todo, job, engine, progress):
            _keep(resolved, settings, known, base)
    return _outcome(resolved, known, todo, base, time.perf_counter() - started)


def take(resolved: ResolvedStudy, settings: Settings, file: Path) -> Outcome:
    """Takes translations that people made: a CSV, TSV or JSONL with key, lang, text (and source, translator, status).

    Raises:
        SpecError: a row has a key that the original prompts do not have, or a language that is none.
    """
    base, known = _base(resolved), _known(resolved, settings, None)
    given = PromptSet(name="given", title=file.name, source=str(file.resolve()), languages=[UNTOLD])
    rows = tables.load(given, settings)
    originals = {key: prompt for (key, lang), prompt in known.items() if lang == base}
    keys = {key for key, _ in known}
    for prompt in rows:
        if prompt.key not in keys:
            raise registry.unknown("prompt", prompt.key, keys, where=str(file))
        _check_language(prompt, originals[prompt.key], file)
        human = prompt.source or "human"
        status = prompt.status or ("human" if human == "human" else prompt.status)
        own = {name: getattr(originals[prompt.key], name) for name in ("category", "challenge")}
        known[prompt.key, prompt.lang] = prompt.model_copy(update={"source": human, "status": status, **own})
    _keep(resolved, settings, known, base)
    said = f"{len(rows)} translations taken into {resolved.prompt_set.source}"
    return Outcome(said, where=_path(resolved, settings), next=f"evalkit check {resolved.study.name}")


def _check_language(prompt: Prompt, original: Prompt, file: Path) -> None:
    """A translation says its language, and is no other text in the language of the original."""
    if prompt.lang == UNTOLD:
        hint = "add a column `lang` with BCP-47 tags, as es or zh"
        raise SpecError(f"prompt {prompt.key!r} does not say its language", where=str(file), hint=hint)
    if prompt.lang == original.lang and prompt.text != original.text:
        hint = "leave the rows of the originals out, or make a prompt set of these texts"
        raise SpecError(f"prompt {prompt.key!r}: the original would be overwritten", where=str(file), hint=hint)


def write_sheet(resolved: ResolvedStudy, settings: Settings, file: Path) -> Outcome:
    """Writes the review sheet of what no person has read yet."""
    prompts_ = list(_known(resolved, settings, None).values())
    count = _table.write_sheet(file, prompts_, _base(resolved))
    columns = "`verdict` (ok, doubtful) or `corrected`, `reader`, `gendered` (yes, no, unknown)"
    said = f"{count} translations to read: fill {columns}"
    return Outcome(said, where=file, next=f"evalkit translate {resolved.study.name} --read {file}")


def read_sheet(resolved: ResolvedStudy, settings: Settings, file: Path) -> Outcome:
    """Takes a review sheet back.

    Raises:
        SpecError: a row does not fit, with its line.
    """
    before = _known(resolved, settings, None)
    after = {(prompt.key, prompt.lang): prompt for prompt in _table.read_sheet(file, list(before.values()))}
    changed = sum(after[place] != before[place] for place in before)
    _keep(resolved, settings, after, _base(resolved))
    where, following = _path(resolved, settings), f"evalkit audit {resolved.study.name}"
    return Outcome(f"{changed} translations read", where=where, next=following, facts={"changed": changed})


def _base(resolved: ResolvedStudy) -> str:
    if resolved.prompt_set.loader != "parallel" or not resolved.prompt_set.base:
        hint = "give the prompt set `loader: parallel`, `base: NAME` and `source: data/prompts/NAME.csv`"
        raise SpecError(f"{resolved.prompt_set.name!r} is no parallel prompt set", where=str(resolved.path), hint=hint)
    return (resolved.study.audit or Audit()).base


def _known(resolved: ResolvedStudy, settings: Settings, limit: int | None) -> dict[tuple[str, str], Prompt]:
    """(key, language) -> prompt: the originals that the study picks, and what the table holds already."""
    found = {(prompt.key, prompt.lang): prompt for prompt in _originals(resolved, settings)[:limit]}
    path = _path(resolved, settings)
    there = tables.load(resolved.prompt_set, settings) if path.is_file() else []
    return found | {(prompt.key, prompt.lang): prompt for prompt in there}


def _originals(resolved: ResolvedStudy, settings: Settings) -> list[Prompt]:
    name = cast(str, resolved.prompt_set.base)
    base_set = find_prompt_set(name, Catalog(resolved.root), load_lock(lock_path(resolved.path)))
    selection = resolved.study.prompts.model_copy(update={"languages": ()})
    study = resolved.study.model_copy(update={"prompts": selection})
    picked = select_prompts(prompts.load(base_set, settings), replace(resolved, study=study))
    return [prompt.model_copy(update={"source": "original"}) for prompt in picked if prompt.lang == _base(resolved)]


def _lacking(known: dict[tuple[str, str], Prompt], lang: str, base: str) -> list[Prompt]:
    return [prompt for (key, spoken), prompt in known.items() if spoken == base and (key, lang) not in known]


def _translate(
    known: dict[tuple[str, str], Prompt],
    todo: dict[str, list[Prompt]],
    job: Translating,
    engine: Engine,
    progress: Progress,
) -> Iterator[None]:
    """Adds what is translated to `known`, in the order of the plan; yields after each language."""
    wanted, made = pieces(todo), dict[Piece, list[Prompt]]()
    for piece, translated in engine.run(wanted, job):
        made[piece] = translated
        of_lang = [one for one in wanted if one.lang == piece.lang]
        done = sum(len(one.originals) for one in of_lang if one in made)
        progress(f"into {name_of(piece.lang)}", done, len(todo[piece.lang]))
        if done == len(todo[piece.lang]):
            known |= {(prompt.key, prompt.lang): prompt for one in of_lang for prompt in made[one]}
            yield


def _keep(resolved: ResolvedStudy, settings: Settings, known: dict[tuple[str, str], Prompt], base: str) -> None:
    order = list(dict.fromkeys(key for key, _ in known))
    ranked = sorted(known.values(), key=lambda p: (order.index(p.key), p.lang != base))
    _table.write_prompts(_path(resolved, settings), ranked)


def _path(resolved: ResolvedStudy, settings: Settings) -> Path:
    path = Path(resolved.prompt_set.source)
    return path if path.is_absolute() else settings.root / path


def _outcome(
    resolved: ResolvedStudy,
    known: dict[tuple[str, str], Prompt],
    todo: dict[str, list[Prompt]],
    base: str,
    seconds: float,
) -> Outcome:
    made = sum(map(len, todo.values()))
    below = (resolved.study.audit or Audit()).doubtful_below
    mine = [prompt for prompt in known.values() if prompt.lang != base and prompt.status != "human"]
    doubtful = sum(p.status == "doubtful" or (p.similarity is not None and p.similarity < below) for p in mine)
    said = f"{made} prompts translated in {seconds:.0f} s" if made else "nothing to translate: all is there"
    unchecked = any(prompt.similarity is None and prompt.source == "machine" for prompt in mine)
    nobody = "no back-translation similarity: pip install 'evalkit[audit]', or evalkit[models] and a network"
    read = f"{doubtful} translations are in doubt: have them read"
    warnings = (*((read,) if doubtful else ()), *((nobody,) if unchecked else ()))
    facts = {"translated": {lang: len(rows) for lang, rows in todo.items()}, "doubtful": doubtful}
    following = f"evalkit translate {resolved.study.name} --sheet review.csv"
    return Outcome(said, where=Path(resolved.prompt_set.source), next=following, facts=facts, warnings=warnings)

"""`evalkit ls`: what there is - studies, models, prompts, questions, metrics, checks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from evalkit import registry
from evalkit.errors import EvalkitError
from evalkit.metrics._catalogue import entries
from evalkit.outcome import Outcome
from evalkit.settings import Settings
from evalkit.spec.catalog import Catalog
from evalkit.spec.study import load_study, study_names


def ls(kind: str, settings: Settings) -> Outcome:
    """Lists the things of one kind, each with its title and what one should know before using it.

    Raises:
        SpecError: there is no such kind.
    """
    kinds: dict[str, Callable[[Settings], list[dict[str, Any]]]] = {
        "studies": _studies,
        "models": _models,
        "prompts": _prompts,
        "questions": _questions,
        "metrics": _metrics,
        "checks": partial(_things, "checks"),
    }
    if kind not in kinds:
        raise registry.unknown("kind", kind, kinds)
    rows = kinds[kind](settings)
    width = max((len(row["name"]) for row in rows), default=0)
    lines = [f"{row['name']:<{width}}  {row['title']}{_remark(row)}" for row in rows]
    return Outcome("\n".join(lines) or f"no {kind} yet", facts={kind: rows})


def _studies(settings: Settings) -> list[dict[str, Any]]:
    rows = []
    for name in study_names(settings.root):
        try:
            rows.append({"name": name, "title": load_study(name, settings.root).title})
        except EvalkitError as error:
            rows.append({"name": name, "title": "", "remark": f"faulty: {error.what}"})
    return rows


def _models(settings: Settings) -> list[dict[str, Any]]:
    catalog = Catalog(settings.root)
    cards = [catalog.model(name) for name in catalog.names("models")]
    return [
        {
            "name": card.name,
            "title": card.title,
            "remark": "untested here" if card.untested else "miniature" if card.miniature else "",
            **card.model_dump(mode="json", include={"source", "revision", "parameters", "licence"}),
        }
        for card in cards
    ]


def _prompts(settings: Settings) -> list[dict[str, Any]]:
    catalog = Catalog(settings.root)
    sets = [catalog.prompt_set(name) for name in catalog.names("prompts")]
    return [
        {"name": item.name, "title": item.title, "remark": f"{item.count} prompts" if item.count else ""}
        | item.model_dump(mode="json", include={"source", "languages", "licence"})
        for item in sets
    ]


def _questions(settings: Settings) -> list[dict[str, Any]]:
    catalog = Catalog(settings.root)
    questions = [catalog.question(name) for name in catalog.names("questions")]
    return [{"name": item.name, "title": item.text["en"], "remark": ", ".join(sorted(item.text))} for item in questions]


def _metrics(settings: Settings) -> list[dict[str, Any]]:
    return [entry | {"remark": _facts(entry)} for entry in entries()]


def _facts(entry: dict[str, str]) -> str:
    return f"{entry['level']} level, {entry['range']}, {entry['direction']} is better. {entry['reads']} {entry['file']}"


def _things(package: str, _: Settings) -> list[dict[str, Any]]:
    modules = [(name, registry.get(package, name)) for name in registry.names(package)]
    return [{"name": name, "title": (module.__doc__ or "").strip().splitlines()[0]} for name, module in modules]


def _remark(row: dict[str, Any]) -> str:
    return f" ({row['remark']})" if row.get("remark") else ""

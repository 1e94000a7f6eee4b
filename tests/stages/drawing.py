"""A small study in a checkout of its own, for the tests of the stages that draw."""

import csv
from pathlib import Path

import yaml

from evalkit.spec.resolve import ResolvedStudy, resolve

TEXTS = [
    "a red apple",
    "two green dogs",
    "a blue car",
    "an old tower",
    "<script>alert('x')</script>",
    "x " * 5000,
    "猫",
]


def write_study(checkout: Path, *, cards: dict[str, dict], images: int = 1, name: str = "trial", **study) -> Path:
    """A study of a system for each card, named as the card, with 3 and 9 steps in turn."""
    for card, fields in cards.items():
        fields = {"title": card, "source": "shapes", "size": 64, **fields}
        (checkout / f"data/models/{card}.yaml").write_text(yaml.safe_dump(fields))
    sampling = study.pop("sampling", {})
    systems = [
        {"name": card, "model": card, "sampling": {"steps": (3, 9)[number % 2], **sampling}}
        for number, card in enumerate(cards)
    ]
    text = {"title": "A trial", "systems": systems, "prompts": "words", "images": images, **study}
    path = checkout / f"studies/{name}.yaml"
    path.write_text(yaml.safe_dump(text))
    write_prompts(checkout)
    return path


def write_prompts(checkout: Path) -> None:
    with (checkout / "data/prompts/words.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "prompt", "lang", "category"])
        for number, text in enumerate(TEXTS, start=1):
            writer.writerow([f"w-{number}", text, "en", "odd" if number > 4 else "plain"])
    (checkout / "data/prompts/words.yaml").write_text("title: Words\nsource: data/prompts/words.csv\n")


def procedural(checkout: Path, *names: str, **study) -> ResolvedStudy:
    write_study(checkout, cards={name: {"loader": "procedural"} for name in names or ("few", "many")}, **study)
    return resolve("trial", checkout)


def stored(images_dir: Path) -> dict[str, bytes]:
    """The bytes of every finished image by its name."""
    return {path.name: path.read_bytes() for path in images_dir.rglob("[0-9a-f]*.png")}

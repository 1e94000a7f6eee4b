"""What every column of an exported table means: for people (codebook.md) and for machines (Croissant)."""

from __future__ import annotations

from evalkit.store import frames

TITLES = {
    "votes": "One row a vote: one answer of one rater to one question about one pair of images",
    "raters": "One row a rater who was invited, under a random code",
    "images": "One row an image",
    "scores": "One row an image and metric of level image",
}
SCORES = {"metric": frames.STRING, **frames.SCORES_IMAGE}
TABLES = {"votes": frames.VOTES, "raters": frames.RATERS, "images": frames.IMAGES, "scores": SCORES}
TOLD = f'Answers of too few raters are written "{frames.FEW}"'
MEANINGS = {
    "votes": {
        "vote_id": "Number of the vote, unique in the study",
        "rater": "Random code of the rater",
        "prompt_key": "Key of the prompt, as in images",
        "lang": "Language of the prompt (BCP-47)",
        "question": "Question that was answered, as aesthetics or alignment",
        "system_a": "System of image_a: of the two, the first in the study file. A gold names one system twice",
        "system_b": "System of image_b",
        "image_a": "Key of the first system's image, as in images; of a gold, the right image",
        "image_b": "Key of the second system's image; of a gold, the wrong image (empty: noise)",
        "side_shown": "Side of the screen on which image_a stood: left or right",
        "choice": "a, b, tie (equally good) or neither (both bad)",
        "kind": "vote, gold (known answer), repeat (shown again, sides swapped) or warmup; results rest on vote alone",
        "occasion": "1, or 2 where the same pair was shown again",
        "position": "Place of the comparison on the rater's sheet, from 0",
        "prompt_hidden": "Whether the rater's sheet asked the questions that need no prompt before it was shown",
        "response_ms": "Milliseconds from the pictures to the answer",
        "cast_at": "When the vote was cast (ISO 8601, UTC)",
        "simulated": "Whether a program cast the vote",
    },
    "raters": {
        "rater": "Random code of the rater, as in votes",
        "languages": "Languages that the rater reads (BCP-47), separated by commas",
        "n_votes": "Number of votes of every kind",
        "gold_accuracy": "Share of golds answered as known; missing without golds",
        "consistency": "Share of repeats answered alike; missing without repeats",
        "excluded_because": "The frozen rule by which the rater's votes do not count; empty if they count",
        "profession": f"The rater's work, if told. {TOLD}",
        "years": f"Years in it, in bands, if told. {TOLD}",
        "colour": f"Whether the rater sees colours as most people do, if told. {TOLD}",
        "display": f"What the rater looked at, if told. {TOLD}",
        "light": f"How bright the room was, if told. {TOLD}",
        "night": f"Whether a night mode or colour filter was on, if told. {TOLD}",
        "simulated": "Whether the rater is a program",
    },
    "images": {
        "key": "SHA-256 of all that made the image: card, sampling, prompt, seed",
        "system": "System that drew it: a model with its sampling",
        "prompt_set": "Prompt set",
        "prompt_key": "Key of the prompt in its set",
        "lang": "Language of the prompt (BCP-47)",
        "category": "Category of the prompt in its set",
        "challenge": "Challenge of the prompt in its set",
        "prompt": "Text of the prompt",
        "image_index": "Number of the image among those of its prompt and system, from 0",
        "seed": "Seed of the noise, the same for every system",
        "path": "File, relative to the folder of images",
        "sha256": "SHA-256 of the file",
        "width": "Width in pixels",
        "height": "Height in pixels",
        "seconds": "Seconds that drawing took, its share of a batch",
        "batch_size": "Images drawn at once",
        "bytes": "Size of the file; 0: not recorded",
        "flagged": "Whether the checkpoint's own safety checker flagged it",
        "blank": "Whether it is one colour",
    },
    "scores": {
        "metric": "Metric",
        "image_key": "Key of the image, as in images",
        "value": "Score; missing where there is none",
        "reason": "Why there is no score; empty where there is one",
        "signature": "How the score was made: network, preprocessing, versions",
    },
}


def columns(table: str, present: list[str]) -> list[tuple[str, str, str]]:
    """Name, type and meaning of the columns of a table that are present."""
    known = MEANINGS[table]
    return [(name, TABLES[table].get(name, frames.STRING), known.get(name, "")) for name in present]


def as_markdown(tables: dict[str, list[str]]) -> str:
    """codebook.md for these tables and their columns."""
    lines = ["# Codebook", ""]
    for table, present in tables.items():
        lines += [f"## {table}", "", f"{TITLES[table]}.", "", "| column | type | meaning |", "| :--- | :--- | :--- |"]
        lines += [f"| `{name}` | {kind} | {meaning} |" for name, kind, meaning in columns(table, present)]
        lines.append("")
    return "\n".join(lines)

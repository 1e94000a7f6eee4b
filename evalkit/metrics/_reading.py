"""The text that RapidOCR reads in pictures, kept by their content: features/NAME.jsonl, a line a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.engines import Job
from evalkit.errors import MissingExtraError, RunError
from evalkit.extractors._pictures import read_rgb
from evalkit.metrics._metric import Picture, Workplace
from evalkit.spec.fingerprint import file_sha256
from evalkit.spec.identity import digest
from evalkit.store.files import append_line, content_of_lines, write_text

PICTURES_PER_TASK = 8
"""Few, so that a stop costs little and workers end together"""
_PACKAGE = "rapidocr_onnxruntime"


def identity() -> str:
    """Digest of the three networks (detection, direction, recognition) inside the package."""
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise MissingExtraError("rapidocr-onnxruntime", "ocr")
    networks = sorted((Path(found.origin).parent / "models").glob("*.onnx"))
    return f"rapidocr-pp-ocrv4:{digest([file_sha256(path) for path in networks])[:8]}"


def read(pictures: Sequence[Picture], workplace: Workplace) -> dict[str, str]:
    """SHA-256 of each picture -> its lines from top to bottom, joined by spaces; "" where nothing was read."""
    path = workplace.features / f"{identity().replace(':', '-')}.jsonl"
    known = _stored(path)
    missing = list({picture.sha256: picture for picture in pictures if picture.sha256 not in known}.values())
    chunks = [tuple(missing[start : start + PICTURES_PER_TASK]) for start in range(0, len(missing), PICTURES_PER_TASK)]
    done = 0
    for texts in workplace.engine.run(chunks, Reading(workplace.engine.threads or workplace.settings.threads)):
        for sha, text in texts:
            known[sha] = text
            append_line(path, json.dumps({"sha256": sha, "text": text}, ensure_ascii=False))
        done += len(texts)
        workplace.progress("reading text", done, len(missing))
    return known


@dataclass(frozen=True)
class Reading:
    """How pictures are read; called by each worker, it loads the networks. Texts are short: they come back, and one
    process writes them."""

    threads: int | None

    def __call__(self) -> Job[tuple[Picture, ...], list[str], list[tuple[str, str]]]:
        engine = _engine(self.threads)

        def compute(pictures: tuple[Picture, ...]) -> list[str]:
            return [_text(engine, picture.path) for picture in pictures]

        return Job(compute, _named)


def _named(pictures: tuple[Picture, ...], texts: list[str]) -> list[tuple[str, str]]:
    return [(picture.sha256, text) for picture, text in zip(pictures, texts, strict=True)]


def _text(engine: Any, path: Path) -> str:
    pixels = np.asarray(read_rgb(path))[:, :, ::-1]  # the engine takes blue first
    lines, _ = engine(np.ascontiguousarray(pixels))
    return " ".join(text for _, text, _ in lines or ())


def _engine(threads: int | None) -> Any:
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ImportError:
        raise MissingExtraError("rapidocr-onnxruntime", "ocr") from None
    return RapidOCR(intra_op_num_threads=threads or -1)


def _stored(path: Path) -> dict[str, str]:
    """What was read before; a last line that was cut off by a stop is read again."""
    text = content_of_lines(path).decode("utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(path, whole)
    try:
        lines = [json.loads(line) for line in whole.splitlines()]
        return {line["sha256"]: line["text"] for line in lines}
    except (ValueError, KeyError, TypeError) as error:
        hint = "delete it: it is only a cache"
        raise RunError(f"stored texts are damaged: {error}", where=str(path), hint=hint) from error

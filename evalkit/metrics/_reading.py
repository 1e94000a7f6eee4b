"""The text that RapidOCR reads in pictures, kept by their content: features/NAME.jsonl, a line a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.errors import MissingExtraError, RunError
from evalkit.extractors._pictures import read_rgb
from evalkit.metrics._metric import Picture, Workplace
from evalkit.spec.fingerprint import file_sha256
from evalkit.spec.identity import digest
from evalkit.store.files import append_line, content_of_lines, write_text

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
    missing = [picture for picture in pictures if picture.sha256 not in known]
    if missing:
        engine = _engine(workplace.settings.threads)
        for done, picture in enumerate(missing, 1):
            known[picture.sha256] = _text(engine, picture.path)
            line = {"sha256": picture.sha256, "text": known[picture.sha256]}
            append_line(path, json.dumps(line, ensure_ascii=False))
            workplace.progress("reading text", done, len(missing))
    return known


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

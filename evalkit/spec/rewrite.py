"""Numbers written into a study file as a person would: in their lines, with all comments left as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from evalkit.errors import SpecError
from evalkit.spec import source
from evalkit.spec.study import Study


def set_numbers(path: Path, block: str, numbers: Mapping[str, int], *, said: str) -> None:
    """Sets `numbers` in the block `block:` of a YAML file, with the comment `said` above them; the rest stays.

    The file is read again as a study before it replaces the old one.

    Raises:
        SpecError: the block is not there in lines of its own, or the study would not be valid; nothing is written.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next((place for place, line in enumerate(lines) if re.match(rf"{block}:\s*(#.*)?$", line)), None)
    if start is None:
        hint = f"write `{block}:` with one line for each key below it"
        raise SpecError(f"no block `{block}:` with lines of its own", where=str(path), hint=hint)
    end = next((p for p in range(start + 1, len(lines)) if re.match(r"[^\s#]", lines[p])), len(lines))
    body = [line for line in lines[start + 1 : end] if not line.lstrip().startswith(f"# {MARK}")]
    indent = next((m[1] for line in body if (m := re.match(r"(\s+)[^\s#]", line))), "  ")
    for key, number in numbers.items():
        body = _set(body, indent, key, number)
    text = "\n".join([*lines[: start + 1], f"{indent}# {MARK}: {said}", *body, *lines[end:]]) + "\n"
    _replace(path, text)


MARK = "evalkit plan"


def _set(body: list[str], indent: str, key: str, number: int) -> list[str]:
    pattern = re.compile(rf"{indent}{key}:\s*[^#\s]*")
    for place, line in enumerate(body):
        if pattern.match(line):
            return [*body[:place], pattern.sub(f"{indent}{key}: {number}", line, count=1), *body[place + 1 :]]
    return [f"{indent}{key}: {number}", *body]


def _replace(path: Path, text: str) -> None:
    """Only a study that can be read takes the place of the file."""
    trial = path.with_name(f".{path.stem}.trial{path.suffix}")
    trial.write_text(text, encoding="utf-8")
    try:
        source.load(trial, Study, name=path.stem)
    except SpecError as error:
        raise SpecError(f"with these numbers the study is not valid: {error}", where=str(path)) from None
    else:
        trial.replace(path)
    finally:
        trial.unlink(missing_ok=True)

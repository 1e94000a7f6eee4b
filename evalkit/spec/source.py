"""Reads a YAML file into a frozen record; every mistake is reported with its file and line."""

from __future__ import annotations

import difflib
import types
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from evalkit.errors import SpecError

MAX_BYTES = 1_000_000
Location = tuple[str | int, ...]
Record = TypeVar("Record", bound="Spec")


class Spec(BaseModel):
    """What people write is closed (unknown keys are refused) and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, validate_default=True)


def load(path: Path, record: type[Record], **extra: Any) -> Record:
    """Reads the YAML file `path` as `record`; `extra` fields (the name, from the stem) are added to it.

    Raises:
        SpecError: no such file, not YAML, or not a `record`: with file, line and, for an unknown key, the nearest one.
    """
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = _lines(node, path) if node is not None else {}
        data = yaml.safe_load(text) if lines else None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _not_yaml(path, error) from None
    if not isinstance(data, dict):
        raise SpecError("the file holds no settings", where=str(path), hint="write `key: value` lines")
    try:
        return record.model_validate({**data, **extra})
    except ValidationError as error:
        raise _first_fault(error, record, path, lines) from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpecError("the file is larger than 1 MB", where=str(path), hint="is it the right file?")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError("no such file", where=str(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot be read: {error}", where=str(path), hint="UTF-8 text is expected") from None


def _not_yaml(path: Path, error: Exception) -> SpecError:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}" if mark else str(path)
    return SpecError(
        f"not valid YAML: {getattr(error, 'problem', None) or error}", where=where, hint="mind the indentation"
    )


def _lines(node: yaml.Node, path: Path) -> dict[Location, int]:
    """The line of each value, by its place in the document. Refuses duplicate keys and aliases."""
    lines: dict[Location, int] = {}
    todo: list[tuple[Location, yaml.Node]] = [((), node)]
    seen: set[int] = set()
    while todo:
        place, current = todo.pop()
        if id(current) in seen:
            where = f"{path}:{current.start_mark.line + 1}"
            raise SpecError("YAML aliases (&, *) are not allowed", where=where, hint="write the value out")
        seen.add(id(current))
        lines.setdefault(place, current.start_mark.line + 1)
        if isinstance(current, yaml.SequenceNode):
            todo += [((*place, index), child) for index, child in enumerate(current.value)]
        if isinstance(current, yaml.MappingNode):
            for key, child in current.value:
                inner = (*place, str(key.value))
                if inner in lines:
                    raise SpecError(f"the key {key.value!r} is given twice", where=f"{path}:{key.start_mark.line + 1}")
                lines[inner] = key.start_mark.line + 1
                todo.append((inner, child))
    return lines


def _first_fault(error: ValidationError, record: type[Spec], path: Path, lines: dict[Location, int]) -> SpecError:
    faults = error.errors()
    fault = min(faults, key=lambda item: (item["type"] != "extra_forbidden", _line(item["loc"], lines)))
    place = ".".join(str(part) for part in fault["loc"])
    line = _line(fault["loc"], lines)
    where = f"{path}:{line}" if line else str(path)
    if fault["type"] == "extra_forbidden":
        known = fields_at(record, fault["loc"][:-1])
        near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return SpecError(f"unknown key {place!r}", where=where, hint=hint)
    if fault["type"] == "missing":
        return SpecError(f"{place!r} is missing", where=where, hint=f"add `{fault['loc'][-1]}:`")
    message = fault["msg"].removeprefix("Value error, ")
    more = f"{len(faults) - 1} more fault(s) in this file" if len(faults) > 1 else ""
    return SpecError(f"{place}: {message}" if place else message, where=where, hint=more)


def _line(place: Location, lines: dict[Location, int]) -> int:
    """The line of the nearest enclosing value that the file names; 0 if there is none."""
    exact = [part if isinstance(part, int) else str(part) for part in place]
    while exact and tuple(exact) not in lines:
        exact.pop()
    return lines.get(tuple(exact), 0)


def fields_at(record: type[Spec], place: Location) -> list[str]:
    """The keys that are known at `place` inside `record`."""
    found: Any = record
    for part in place:
        if isinstance(part, str) and isinstance(found, type) and issubclass(found, Spec):
            field = found.model_fields.get(part)
            found = _inner(field.annotation) if field else None
    return list(found.model_fields) if isinstance(found, type) and issubclass(found, Spec) else []


def _inner(annotation: Any) -> Any:
    """The record inside `Record | None`, `tuple[Record, ...]` or `dict[str, Record]`."""
    if get_origin(annotation) in (Union, types.UnionType, tuple, dict, list):
        inner = [_inner(item) for item in get_args(annotation) if item not in (type(None), Ellipsis, str)]
        return next((item for item in inner if isinstance(item, type) and issubclass(item, Spec)), None)
    return annotation

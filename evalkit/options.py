"""What the commands share: their options, and how an outcome is printed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalkit import terminal
from evalkit.outcome import Outcome

if TYPE_CHECKING:
    from evalkit.engines import Engine
    from evalkit.settings import Settings
    from evalkit.spec.resolve import ResolvedStudy

DEFAULT = "decidiffusion-vs-sd15"
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="a name in studies/, or the path of a YAML file")]
AsJson = Annotated[bool, typer.Option("--json", help="print the result as JSON")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress bar")]
Wait = Annotated[bool, typer.Option("--wait", help="wait for another process that works on this run")]
EngineName = Annotated[str, typer.Option("--engine", help="local, or ray: the workers of a cluster")]
Address = Annotated[
    str | None, typer.Option(help="of the Ray cluster, host:port; default: RAY_ADDRESS, or this machine")
]
Workers = Annotated[int | None, typer.Option(min=1, help="of Ray; default: one for each GPU, or for each CPU")]
Names = Annotated[str, typer.Option(help="only these, separated by commas")]


def shown(command: Callable[..., Outcome]) -> Callable[..., None]:
    """A command that prints the outcome which its function gives; `as_json` decides how."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        terminal.show(command(*args, **kwargs), as_json=kwargs.get("as_json", False))

    return run


def this_settings(*, wait: bool = False) -> Settings:
    from evalkit.settings import settings

    return settings().model_copy(update={"wait": True}) if wait else settings()


def this_engine(name: str, address: str | None, workers: int | None) -> Engine:
    """The engine of a command, with the settings' threads for each worker."""
    from evalkit.engines import choose

    return choose(name, address=address, workers=workers, threads=this_settings().threads)


def resolve_study(study: str, prompts: str | None = None) -> ResolvedStudy:
    from evalkit.spec.resolve import resolve

    return resolve(study, this_settings().root, prompts=prompts)


def listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def numbered(numbers: str, option: str) -> tuple[int, ...]:
    """ "50,30" as numbers from 1.

    Raises:
        SpecError: one of them is none.
    """
    from evalkit.errors import SpecError

    for word in listed(numbers):
        if not word.isdecimal() or not int(word):
            raise SpecError(f"{word!r} is no whole number from 1", where=option, hint="separate numbers by commas")
    return tuple(int(word) for word in listed(numbers))

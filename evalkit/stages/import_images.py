"""`evalkit import`: takes pictures that somebody already has as the images of a system.

The system's card has `loader: folder`. Pictures are matched to prompts by file name (KEY.png, or KEY-K.png for image
number K of a prompt, from 0; KEY.LANG-K.png where prompts in several languages share a key), or by a CSV table. Each is
decoded and stored as RGB PNG of its own size, without metadata; transparency is laid on white. Whatever finds no
prompt, or cannot be read, is listed.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit import prompts
from evalkit.errors import SpecError
from evalkit.models import device_for
from evalkit.outcome import Outcome, Progress, silent
from evalkit.settings import Settings
from evalkit.spec.plan import PlannedImage, select_prompts
from evalkit.spec.resolve import ResolvedStudy
from evalkit.store import drawing
from evalkit.store.image_table import list_images
from evalkit.store.images import DrawnImage, keep_image
from evalkit.store.manifest import add_stage, begin
from evalkit.store.picture_matching import Matching, by_name, by_table
from evalkit.store.run import Run

WHITE = (255, 255, 255, 255)
SHOWN = 5


def import_images(
    resolved: ResolvedStudy,
    settings: Settings,
    *,
    folder: Path,
    system: str,
    table: Path | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Stores the pictures of `folder` as the images of `system`, and lists what did not fit.

    Args:
        table: a CSV file with the columns file (within `folder`), prompt_key or prompt, and if need be index and lang.

    Raises:
        SpecError: no such system or folder, the card is not for imports, the table is faulty, nothing matches, or a
            picture differs from the one that was imported before in its place.
    """
    _check(resolved, system, folder)
    run, started = Run(settings.runs_dir / resolved.run_name), time.perf_counter()
    chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    device = drawing.device_of(run) if drawing.read(run) else device_for(resolved.cards.values(), settings)
    whole = drawing.planned(run, chosen, resolved, device=device)
    planned = [image for image in whole if image.system == system]
    matching = by_table(table, folder, planned) if table else by_name(folder, planned)
    if not matching.matched:
        hint = f"name them as {planned[0].prompt.key}.png, or give --table"
        raise SpecError(f"none of {len(matching.unmatched)} pictures matches a prompt", where=str(folder), hint=hint)
    with run.lock("import", wait=settings.wait):
        begin(run, resolved)
        unreadable = _store(matching, settings, progress)
        list_images(run, whole, planned, resolved.prompt_set.name, settings.images_dir)
        facts = _facts(system, planned, matching, unreadable, folder)
        add_stage(run, "import", seconds=time.perf_counter() - started, **facts)
    return _outcome(run, resolved, facts)


def _check(resolved: ResolvedStudy, system: str, folder: Path) -> None:
    card = resolved.cards[resolved.study.system(system).name]
    if card.loader != "folder":
        raise SpecError(
            f"system {system!r} draws its own images (loader {card.loader})",
            where=f"data/models/{card.name}.yaml",
            hint="pictures are imported for a card with `loader: folder`",
        )
    if not folder.is_dir():
        raise SpecError("no such folder of pictures", where=str(folder))


def _store(matching: Matching, settings: Settings, progress: Progress) -> list[Path]:
    """Stores every matched picture; returns those that cannot be read."""
    unreadable = []
    for number, (path, planned) in enumerate(matching.matched.items(), start=1):
        pixels = read_picture(path)
        if pixels is None:
            unreadable.append(path)
        elif not _keep(settings, planned, pixels, path):
            raise SpecError(
                f"another picture was imported for {planned.prompt.key!r}, number {planned.index}",
                where=str(path),
                hint="give the new pictures a card of their own: old results stay what they are",
            )
        progress("pictures", number, len(matching.matched))
    return unreadable


def _keep(settings: Settings, planned: PlannedImage, pixels: NDArray[np.uint8], path: Path) -> bool:
    image, made = DrawnImage(pixels), {"imported": path.name}
    return keep_image(settings.images_dir, planned.key, image, seconds=None, batch_size=0, made=made)[1]


def read_picture(path: Path) -> NDArray[np.uint8] | None:
    """The pixels (height, width, 3) of a picture file, turned as its EXIF says, on white; None if it cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    ground = Image.new("RGBA", picture.size, WHITE)
    return np.asarray(Image.alpha_composite(ground, picture).convert("RGB"))


def _facts(
    system: str, planned: list[PlannedImage], matching: Matching, unreadable: list[Path], folder: Path
) -> dict[str, Any]:
    taken = {image.key for path, image in matching.matched.items() if path not in unreadable}
    lacking = dict.fromkeys(image.prompt.key for image in planned if image.key not in taken)
    return {
        "system": system,
        "imported": len(matching.matched) - len(unreadable),
        "unmatched": list(matching.unmatched),
        "unreadable": [path.relative_to(folder).as_posix() for path in unreadable],
        "prompts_without_picture": list(lacking),
    }


def _outcome(run: Run, resolved: ResolvedStudy, facts: dict[str, Any]) -> Outcome:
    lists = {
        "match no prompt": facts["unmatched"],
        "cannot be read": facts["unreadable"],
        "are prompts without a picture": facts["prompts_without_picture"],
    }
    warnings = tuple(f"{len(names)} {what}: {_some(names)}" for what, names in lists.items() if names)
    said = f"{facts['imported']} pictures imported for {facts['system']}"
    return Outcome(said, run.folder, f"evalkit generate {resolved.study.name}", facts, warnings)


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")

"""The static leak check: silent on a study as it is opened, loud on each planted leak."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sqlalchemy import Engine, select

from evalkit.settings import Settings
from evalkit.stages.generate import generate
from evalkit.store import db
from evalkit.store.run import Run
from evalkit.store.tables import ComparisonRow, ImageRow, StudyRow
from evalkit.voting import arms, events, leaks, opening, pictures
from tests.voting.studies import NOW, planned_images, write_study

WORDS = ["system-u", "system-v", "shapes-u", "shapes-v"]


class Open:
    """A study that was opened with its pictures, and the means to plant something in it."""

    def __init__(self, engine: Engine, resolved, settings: Settings) -> None:
        self.engine, self.settings = engine, settings
        run = Run(settings.runs_dir / resolved.run_name)
        opening.open_study(engine, resolved, planned_images(resolved, settings), run, settings, NOW)
        self.arm = sorted(arms.read(run, resolved.sha).systems)[0]

    def found(self) -> str:
        with db.session(self.engine, reading=True) as session:
            study = session.scalars(select(StudyRow)).one()
            return "; ".join(leaks.find(session, study, self.settings, WORDS))

    def files(self) -> list[Path]:
        """The files of one arm."""
        with db.session(self.engine, reading=True) as session:
            rows = session.scalars(select(ImageRow).where(ImageRow.arm == self.arm))
            return [self.settings.data_dir / row.path for row in rows]


@pytest.fixture
def opened(checkout, settings, small_pictures) -> Open:
    resolved = write_study(checkout, prompt_count=4, images=2, raters=1)
    generate(resolved, settings)
    return Open(db.connect(settings), resolved, settings)


def text_chunk(opened: Open) -> None:
    told = PngInfo()
    told.add_text("parameters", "steps 50")
    rewrite(opened, lambda path, content: Image.open(path).save(path, pnginfo=told))


def one_byte_more(opened: Open) -> None:
    rewrite(opened, lambda path, content: path.write_bytes(content + b"\0"))


def other_encoder(opened: Open) -> None:
    def level_nine(path: Path, content: bytes) -> None:
        picture = Image.open(path)
        picture.load()
        picture.save(path, compress_level=9)
        path.write_bytes(pictures.pad(path.read_bytes(), len(content)))

    rewrite(opened, level_nine)


def other_size(opened: Open) -> None:
    def smaller(path: Path, content: bytes) -> None:
        Image.new("RGB", (32, 32)).save(path)
        path.write_bytes(pictures.pad(path.read_bytes(), len(content)))

    rewrite(opened, smaller)


def rewrite(opened: Open, change: Callable[[Path, bytes], object]) -> None:
    for path in opened.files():
        change(path, path.read_bytes())
        os.utime(path, (946_684_800, 946_684_800))


def newer(opened: Open) -> None:
    for path in opened.files():
        os.utime(path)


def gone(opened: Open) -> None:
    opened.files()[0].unlink()


def no_picture(opened: Open) -> None:
    rewrite(opened, lambda path, content: path.write_bytes(b"x" * len(content)))


def one_pixel(opened: Open) -> None:
    def paint(path: Path, content: bytes) -> None:
        picture = Image.open(path)
        picture.load()
        picture.putpixel((0, 0), (1, 2, 3))
        picture.save(path)
        path.write_bytes(pictures.pad(path.read_bytes(), len(content)))

    rewrite(opened, paint)


def name_in_log(opened: Open) -> None:
    with db.session(opened.engine) as session:
        events.append(session, 1, "note", NOW, detail={"why": ["looks like shapes-u"]})


def orientation(opened: Open) -> None:
    with db.session(opened.engine) as session:
        for pair in session.scalars(select(ComparisonRow)):
            pair.image_a_id, pair.image_b_id = pair.image_b_id, pair.image_a_id


def name_in_spec(opened: Open) -> None:
    with db.session(opened.engine) as session:
        study = session.scalars(select(StudyRow)).one()
        study.spec = study.spec | {"title": "System-U against the rest"}


def telling_arm(opened: Open) -> None:
    with db.session(opened.engine) as session:
        for row in session.scalars(select(ImageRow).where(ImageRow.arm == opened.arm)):
            row.arm = "shapes-v"


def test_a_study_as_it_is_opened_leaks_nothing(opened):
    assert opened.found() == ""


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (text_chunk, "carries metadata: tEXt"),
        (one_byte_more, "carries metadata: bytes after its end"),
        (one_byte_more, "differ in their lengths in bytes"),
        (other_encoder, "or encoders"),
        (other_size, "sizes in pixels"),
        (newer, "file times"),
        (gone, "are missing"),
        (no_picture, "not a PNG"),
        (one_pixel, "was changed since the study was opened"),
        (name_in_log, "the log names 'shapes-u'"),
        (orientation, "not in the order of the arms' codes"),
        (name_in_spec, "the frozen spec names 'system-u'"),
        (telling_arm, "the pictures' rows names 'shapes-v'"),
    ],
)
def test_each_planted_leak_is_found(opened, plant, said):
    plant(opened)
    assert said in opened.found()


def facts(arm: str, row: int, name: str, written: float = 0.0) -> leaks.FileFacts:
    return leaks.FileFacts(arm, row, name, 4096, written, (b"IHDR",), b"")


def test_orders_that_put_one_arm_first_are_found_with_an_auc_above_point_nine():
    names = [f"{number:032x}" for number in range(60)]
    told = [facts("aa" if number < 30 else "bb", number, name) for number, name in enumerate(names)]
    found = list(leaks.in_orders(told))
    assert len(found) == 2 and all("AUC 0.00" in line or "AUC 1.00" in line for line in found)
    noisy = np.random.default_rng(1).normal(0, 1, 60)
    late = [
        facts("aa" if number % 2 else "bb", number, "x", noise + 3 * (number % 2)) for number, noise in enumerate(noisy)
    ]
    test = leaks.separation([item.written for item in late], [item.arm == "aa" for item in late])
    assert test.statistic > 0.9 and "file time" in "".join(leaks.in_orders(late))


def test_random_orders_are_hardly_ever_taken_for_a_leak():
    random, alarms = np.random.default_rng(2), 0
    for _ in range(100):
        order = random.permutation(40)
        alarms += bool(
            list(leaks.in_orders([facts("ab"[number % 2], int(row), f"{row:x}") for number, row in enumerate(order)]))
        )
    assert alarms <= 2  # one in a thousand is meant


def test_the_area_under_the_curve_is_that_of_its_definition():
    random = np.random.default_rng(3)
    values, ours = random.integers(0, 9, 50).astype(float), random.random(50) < 0.4
    pairs = [(mine, other) for mine in values[ours] for other in values[~ours]]
    wanted = np.mean([1.0 if mine > other else 0.5 if mine == other else 0.0 for mine, other in pairs])
    assert leaks.separation(list(values), list(ours)).statistic == pytest.approx(wanted)

"""Opening: complete or refused, once, and blind: nothing in the database or on disk tells which system is which."""

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from PIL import Image
from sqlalchemy import inspect, select, text

from evalkit.errors import RunError, UnavailableError, VotingError
from evalkit.stages.generate import generate
from evalkit.store import db
from evalkit.store.run import Run
from evalkit.store.tables import AssignmentRow, ComparisonRow, ImageRow, PromptRow, SheetRow, StudyRow
from evalkit.voting import arms, closing, opening, pictures, seals
from tests.voting.studies import NOW, freeze, planned_images, write_study


@pytest.fixture
def made(checkout, settings, small_pictures):
    """A study whose images are there."""
    resolved = write_study(checkout, prompt_count=2, images=1, raters=3)
    generate(resolved, settings)
    return resolved


def run_of(resolved, settings) -> Run:
    return Run(settings.runs_dir / resolved.run_name)


def open_it(engine, resolved, settings, now=NOW):
    return opening.open_study(
        engine, resolved, planned_images(resolved, settings), run_of(resolved, settings), settings, now
    )


def test_a_study_is_frozen_whole(engine, made, settings, monkeypatch):
    monkeypatch.setattr(pictures, "MIN_SIDE", 512)
    opened = open_it(engine, made, settings)
    assert (opened.comparisons, opened.sheets, opened.per_sheet, opened.gallery.enlarged) == (2, 3, 2, True)
    with db.session(engine, reading=True) as session:
        study = session.get(StudyRow, opened.study_id)
        assert (study.slug, study.study_sha, study.closed_at) == ("trial", made.sha, None)
        assert {row.text for row in session.scalars(select(PromptRow))} == {"a red apple 0", "two green dogs 1"}
        assert len(session.scalars(select(AssignmentRow)).all()) == 6
        assert seals.verify(session, opened.study_id, opened.head) == []
        images = session.scalars(select(ImageRow)).all()
    files = [settings.data_dir / image.path for image in images]
    assert len({file.stat().st_size for file in files}) == 1 and {Image.open(file).size for file in files} == {
        (512, 512)
    }
    assert {file.parent.name for file in files} == {made.run_name}
    assert sorted(path.name for path in files[0].parent.iterdir()) == sorted(file.name for file in files)


def test_the_link_lies_in_the_run_folder_alone_and_is_right(sqlite, made, settings):
    open_it(sqlite, made, settings)
    run = run_of(made, settings)
    link, images = arms.read(run, made.sha), run.read_table("images.parquet", "images").set_index("key")
    assert sorted(link.systems.values()) == ["system-u", "system-v"]
    assert run.path("arms.json").stat().st_mode & 0o077 == 0
    with db.session(sqlite, reading=True) as session:
        for row in session.scalars(select(ImageRow)):
            source = images.loc[link.images[row.key]]
            assert link.systems[row.arm] == source["system"] and row.prompt.key == source["prompt_key"]


def everything(engine) -> str:
    with engine.connect() as connection:
        tables = [name for name in inspect(connection).get_table_names() if name != "study"]
        rows = [[str(row) for row in connection.execute(text(f"SELECT * FROM {name}"))] for name in tables]  # noqa: S608
        spec = connection.execute(text("SELECT spec FROM study")).scalar()
    return json.dumps(rows, ensure_ascii=False) + str(spec)


def test_no_system_model_seed_path_or_source_key_is_in_the_database(sqlite, made, settings):
    open_it(sqlite, made, settings)
    said = everything(sqlite)
    images = run_of(made, settings).read_table("images.parquet", "images")
    for word in ("system-", "shapes", *images["key"], *images["path"], *images["seed"].astype(str), *images["sha256"]):
        assert word not in said, word


def test_a_name_that_slips_in_would_be_found(sqlite, made, settings):
    open_it(sqlite, made, settings)
    with db.session(sqlite) as session:
        session.scalars(select(ImageRow)).first().arm = "system-u"
    assert "system-u" in everything(sqlite)


def test_nothing_in_the_order_of_rows_tells_a_system(sqlite, checkout, settings):
    """Over many openings, the first row, the first name, image_a and the left side are each system's about half."""
    resolved, firsts = write_study(checkout, prompt_count=2, images=1, raters=1), Counter()
    for number in range(40):
        trial = freeze(sqlite, replace(resolved, sha=f"{number:064x}"), settings)
        with db.session(sqlite, reading=True) as session:
            images = session.scalars(
                select(ImageRow).join(PromptRow).where(PromptRow.study_id == trial.study_id).order_by(ImageRow.id)
            ).all()
            sheet = session.scalars(select(SheetRow).where(SheetRow.study_id == trial.study_id)).one()
            pair, a_is_left = sheet.assignments[0].comparison, sheet.assignments[0].a_is_left
            by_name = min(images, key=lambda image: image.key)
            left = pair.image_a if a_is_left else pair.image_b
            for what, image in {"row": images[0], "name": by_name, "a": pair.image_a, "left": left}.items():
                firsts[what] += trial.link.systems[image.arm] == "system-u"
    assert set(firsts) == {"row", "name", "a", "left"}
    assert all(6 <= count <= 34 for count in firsts.values()), firsts  # 4.4 standard deviations


def test_opening_twice_is_refused_and_changes_nothing(engine, made, settings):
    first = open_it(engine, made, settings)
    link = run_of(made, settings).read_json("arms.json")
    with pytest.raises(VotingError, match="open already, since 2026-03-04 10:00 UTC"):
        open_it(engine, made, settings)
    with db.session(engine) as session:
        closing.set_closed(session, first.study_id, NOW + timedelta(hours=1))
    with pytest.raises(VotingError, match="closed already, since 2026-03-04 11:00 UTC"):
        open_it(engine, made, settings)
    assert run_of(made, settings).read_json("arms.json") == link


def test_missing_images_are_named(sqlite, made, settings):
    table = run_of(made, settings).read_table("images.parquet", "images")
    run_of(made, settings).write_table("images.parquet", table[table["system"] == "system-u"], "images")
    with pytest.raises(VotingError, match=r"images that raters shall see are not there yet \(2 of 4\)") as caught:
        open_it(sqlite, made, settings)
    assert "system-v: prompt s-0, image 1" in caught.value.where


def test_flagged_images_are_not_shown_nor_are_those_beside_them(sqlite, made, settings):
    """One of four is flagged: its prompt is left out for both systems, counted, named and written into the log."""
    run = run_of(made, settings)
    table = run.read_table("images.parquet", "images")
    marked = table.assign(flagged=table.index == 1)
    run.write_table("images.parquet", marked, "images")
    opened = open_it(sqlite, made, settings)
    assert (opened.comparisons, opened.left_out) == (1, 2)
    row = table.iloc[1]
    assert opened.flagged == (f"{row['system']}: prompt {row['prompt_key']} (en), image 1",)
    with db.session(sqlite, reading=True) as session:
        [shown] = session.scalars(select(PromptRow)).all()
        assert shown.key != row["prompt_key"]
        assert session.scalar(text("SELECT detail FROM event")) is not None
        assert '"left_out": 2' in session.scalar(text("SELECT detail FROM event WHERE what = 'open'"))
        link = arms.read(run, made.sha)
    assert not set(marked.loc[marked["prompt_key"] == row["prompt_key"], "key"]) & set(link.images.values())


def test_a_study_of_which_nothing_is_left_is_refused(sqlite, made, settings):
    run = run_of(made, settings)
    run.write_table("images.parquet", run.read_table("images.parquet", "images").assign(flagged=True), "images")
    with pytest.raises(VotingError, match="nothing is left for raters"):
        open_it(sqlite, made, settings)


def test_damaged_and_vanished_images_are_refused(sqlite, made, settings):
    table = run_of(made, settings).read_table("images.parquet", "images")
    path = settings.images_dir / table["path"][0]
    content = path.read_bytes()
    path.write_bytes(content + b"!")
    with pytest.raises(VotingError, match="changed since it was made"):
        open_it(sqlite, made, settings)
    path.unlink()
    with pytest.raises(VotingError, match="an image of the run is missing"):
        open_it(sqlite, made, settings)
    path.write_bytes(content)
    assert not list((settings.data_dir / "voting").glob("*/*.png"))
    open_it(sqlite, made, settings)


def test_a_study_without_images_or_without_votes_is_refused(sqlite, checkout, settings):
    resolved = write_study(checkout, prompt_count=2, images=1)
    with pytest.raises(RunError, match=r"images.parquet is not there yet"):
        open_it(sqlite, resolved, settings)
    silent = replace(resolved, study=resolved.study.model_copy(update={"voting": None}))
    with pytest.raises(Exception, match="the study has no votes"):
        opening.require_design(silent)


def test_a_full_disk_leaves_no_study_and_no_pictures(sqlite, made, settings, monkeypatch):
    from evalkit.voting import gallery

    calls = []

    def fails_late(path, content):
        calls.append(path)
        if len(calls) == 6:
            raise UnavailableError("cannot write: No space left on device", where=str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    monkeypatch.setattr(gallery, "write_bytes", fails_late)
    with pytest.raises(UnavailableError, match="No space"):
        open_it(sqlite, made, settings)
    assert not list(settings.data_dir.glob("voting/**/*.png")) and not run_of(made, settings).has("arms.json")
    with db.session(sqlite, reading=True) as session:
        assert session.scalars(select(StudyRow)).all() == []


def test_an_older_link_is_never_lost(sqlite, made, settings, tmp_path):
    open_it(sqlite, made, settings)
    run = run_of(made, settings)
    before = run.read_json("arms.json")
    other = db.open_engine(f"sqlite:///{tmp_path / 'other.db'}")
    db.upgrade(other)
    open_it(other, made, settings)
    kept = [json.loads(path.read_text()) for path in run.folder.glob("arms-*.json")]
    assert kept == [before] and run.read_json("arms.json") != before
    names = {path.stem for path in (settings.data_dir / "voting" / made.run_name).iterdir()}
    assert set(before["images"]) <= names


def test_a_link_that_is_missing_or_of_another_study_is_an_error_in_words(sqlite, made, settings):
    open_it(sqlite, made, settings)
    run = run_of(made, settings)
    with pytest.raises(RunError, match="another study"):
        arms.read(run, "0" * 64)
    run.write_json("arms.json", {"arms": 1})
    with pytest.raises(RunError, match="damaged"):
        arms.read(run, made.sha)
    run.path("arms.json").unlink()
    with pytest.raises(RunError, match="link between arms and systems is missing"):
        arms.read(run, made.sha)


def test_three_systems_and_part_of_the_comparisons(engine, checkout, settings, small_pictures):
    resolved = write_study(checkout, systems=3, prompt_count=3, images=1, raters=4, comparisons_per_rater=4)
    generate(resolved, settings)
    opened = open_it(engine, resolved, settings)
    assert (opened.comparisons, opened.per_sheet) == (9, 4)
    with db.session(engine, reading=True) as session:
        for sheet in session.scalars(select(SheetRow)):
            assert [item.position for item in sheet.assignments] == [1, 2, 3, 4]
            assert len({item.comparison_id for item in sheet.assignments}) == 4
        for pair in session.scalars(select(ComparisonRow)):
            assert pair.image_a.arm < pair.image_b.arm and pair.image_a.prompt_id == pair.image_b.prompt_id


def test_names_of_files_say_nothing(sqlite, made, settings):
    opened = open_it(sqlite, made, settings)
    for picture in opened.gallery.pictures:
        assert re.fullmatch(r"[0-9a-f]{32}", picture.key)
    folder = settings.data_dir / "voting" / made.run_name
    assert len({path.stat().st_mtime for path in folder.iterdir()}) == 1

"""import: every picture is taken or listed; pixels are kept, all else is left behind; names cannot leave the folder."""

import csv

import numpy as np
import pytest
from PIL import Image

from evalkit.errors import RunError, SpecError
from evalkit.spec.resolve import resolve
from evalkit.stages.generate import generate
from evalkit.stages.import_images import import_images, read_picture
from evalkit.store.images import read_pixels
from evalkit.store.run import Run
from tests.stages.drawing import TEXTS, stored, write_study

KEYS = [f"w-{number}" for number in range(1, len(TEXTS) + 1)]


@pytest.fixture
def resolved(checkout):
    write_study(checkout, cards={"few": {"loader": "procedural"}, "closed": {"loader": "folder"}}, images=2)
    return resolve("trial", checkout)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


def picture(path, colour=(1, 2, 3), mode="RGB", size=(20, 10), **saved):
    path.parent.mkdir(exist_ok=True)
    Image.new(mode, size, colour).save(path, **saved)


def pixels_of(resolved, settings):
    images = Run(settings.runs_dir / resolved.run_name).read_table("images.parquet", "images")
    rows = images[images.system == "closed"]
    return {(row.prompt_key, row.image_index): read_pixels(settings.images_dir, row.key) for row in rows.itertuples()}


def test_names_say_prompt_and_number(resolved, settings, folder):
    picture(folder / "w-1.png", (10, 0, 0))
    picture(folder / "w-1-1.png", (20, 0, 0))
    picture(folder / "w-2-0.png", (30, 0, 0))
    picture(folder / "deeper/w-3.en.png", (40, 0, 0))
    picture(folder / "w-3.en-1.png", (50, 0, 0))
    outcome = import_images(resolved, settings, folder=folder, system="closed")
    assert {place: pixels[0, 0, 0] for place, pixels in pixels_of(resolved, settings).items()} == {
        ("w-1", 0): 10, ("w-1", 1): 20, ("w-2", 0): 30, ("w-3", 0): 40, ("w-3", 1): 50,
    }  # fmt: skip
    assert outcome.facts["imported"] == 5
    assert outcome.facts["prompts_without_picture"] == ["w-2", "w-4", "w-5", "w-6", "w-7"]
    assert pixels_of(resolved, settings)[("w-1", 0)].shape == (10, 20, 3)


def test_what_does_not_fit_is_listed_and_nothing_is_dropped_silently(resolved, settings, folder):
    picture(folder / "w-1.png")
    picture(folder / "w-99.png")
    picture(folder / "w-1-7.png")
    (folder / "w-2.png").write_bytes(b"no picture")
    picture(folder / "w-3.png", size=(300, 300))
    (folder / "w-3.png").write_bytes((folder / "w-3.png").read_bytes()[:300])
    (folder / "notes.txt").write_text("not a picture, and none by name")
    outcome = import_images(resolved, settings, folder=folder, system="closed")
    assert outcome.facts["unmatched"] == ["w-1-7.png", "w-99.png"]
    assert outcome.facts["unreadable"] == ["w-2.png", "w-3.png"]
    assert outcome.facts["imported"] == 1
    assert "2 match no prompt: w-1-7.png, w-99.png" in outcome.warnings
    assert "2 cannot be read: w-2.png, w-3.png" in outcome.warnings


def test_a_table_names_files_by_key_or_by_text(resolved, settings, folder):
    rows = [
        ["file", "prompt_key", "prompt", "index"],
        ["one.png", "w-1", "", ""],
        ["two.png", "w-1", "", ""],
        ["three.png", "", TEXTS[4], "1"],
        ["four.png", "", "no such prompt", ""],
        ["lost.png", "w-2", "", ""],
    ]
    table = folder.parent / "table.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    for number, name in enumerate(["one", "two", "three", "four", "five"]):
        picture(folder / f"{name}.png", (number, 0, 0))
    outcome = import_images(resolved, settings, folder=folder, system="closed", table=table)
    found = {place: int(pixels[0, 0, 0]) for place, pixels in pixels_of(resolved, settings).items()}
    assert found == {("w-1", 0): 0, ("w-1", 1): 1, ("w-5", 1): 2}
    assert outcome.facts["unmatched"] == ["four.png (line 5)", "five.png", "four.png"]
    assert outcome.facts["unreadable"] == ["lost.png"]


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a/../../secret.png", "link.png", ""])
def test_a_table_cannot_leave_the_folder(resolved, settings, folder, name):
    picture(folder.parent / "secret.png")
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    table = folder.parent / "table.csv"
    table.write_text(f"file,prompt_key\n{name},w-1\n")
    with pytest.raises(SpecError, match=r"does not lie in the folder .*table\.csv:2"):
        import_images(resolved, settings, folder=folder, system="closed", table=table)


def test_a_link_that_leaves_the_folder_is_listed_not_read(resolved, settings, folder):
    picture(folder.parent / "secret.png")
    (folder / "w-1.png").symlink_to(folder.parent / "secret.png")
    with pytest.raises(SpecError, match=r"none of 1 pictures matches a prompt .*w-1\.png"):
        import_images(resolved, settings, folder=folder, system="closed")
    picture(folder / "w-2.png")
    assert import_images(resolved, settings, folder=folder, system="closed").facts["unmatched"] == ["w-1.png"]


def test_two_pictures_for_one_image_are_refused(resolved, settings, folder):
    picture(folder / "w-1.png")
    picture(folder / "w-1-0.jpg")
    with pytest.raises(SpecError, match="for the same image"):
        import_images(resolved, settings, folder=folder, system="closed")


def test_a_name_that_fits_two_languages_fits_none(checkout, settings, folder):
    write_study(checkout, cards={"closed": {"loader": "folder"}})
    (checkout / "data/prompts/words.csv").write_text("key,prompt,lang\nw-1,a dog,en\nw-1,ein Hund,de\n")
    picture(folder / "w-1.png")
    picture(folder / "w-1.de.png", (9, 9, 9))
    resolved = resolve("trial", checkout)
    facts = import_images(resolved, settings, folder=folder, system="closed").facts
    assert facts["unmatched"] == ["w-1.png (fits several)"]
    assert facts["imported"] == 1


# ---------------------------------------------------------------------------------------- pixels


def test_every_kind_of_picture_becomes_bare_rgb(resolved, settings, folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "drawn by model X"
    picture(folder / "w-1.jpg", (200, 100, 50), exif=exif, quality=100)
    picture(folder / "w-2.png", (0, 0, 0, 0), mode="RGBA")
    picture(folder / "w-3.png", 77, mode="L")
    picture(folder / "w-4.webp", (5, 6, 7), lossless=True)
    picture(folder / "w-5.gif", 0, mode="P")
    import_images(resolved, settings, folder=folder, system="closed")
    found = pixels_of(resolved, settings)
    assert found[("w-1", 0)].shape == (20, 10, 3)
    assert (found[("w-2", 0)] == 255).all()
    assert (found[("w-3", 0)] == 77).all()
    assert (found[("w-4", 0)][0, 0] == (5, 6, 7)).all()
    for content in stored(settings.images_dir).values():
        assert b"model X" not in content and b"eXIf" not in content and b"tEXt" not in content


def test_a_decompression_bomb_is_not_read(folder, monkeypatch):
    picture(folder / "w-1.png", size=(300, 300))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_picture(folder / "w-1.png") is None


# ---------------------------------------------------------------------------------------- together with generate


def test_imported_and_drawn_images_make_one_run(resolved, settings, folder):
    for number, key in enumerate(KEYS):
        for index in (0, 1):
            picture(folder / f"{key}-{index}.png", (number, index, 0))
    import_images(resolved, settings, folder=folder, system="closed")
    outcome = generate(resolved, settings)
    assert outcome.facts["listed"] == 28
    images = Run(settings.runs_dir / resolved.run_name).read_table("images.parquet", "images")
    assert images.groupby("system").size().to_dict() == {"closed": 14, "few": 14}
    assert images.loc[images.system == "closed", "seconds"].isna().all()
    again = import_images(resolved, settings, folder=folder, system="closed")
    assert again.facts["imported"] == 14
    assert np.array_equal(pixels_of(resolved, settings)[("w-2", 1)][0, 0], (1, 1, 0))


def test_a_lack_of_imported_pictures_is_told_before_anything_is_drawn(resolved, settings, folder):
    picture(folder / "w-1.png")
    import_images(resolved, settings, folder=folder, system="closed")
    with pytest.raises(
        RunError, match=r"13 pictures of 'closed' are not imported .*evalkit import FOLDER --system closed"
    ):
        generate(resolved, settings)
    assert len(stored(settings.images_dir)) == 1


def test_another_picture_in_the_same_place_is_refused(resolved, settings, folder):
    picture(folder / "w-1.png")
    import_images(resolved, settings, folder=folder, system="closed")
    picture(folder / "w-1.png", (99, 99, 99))
    with pytest.raises(SpecError, match="another picture was imported for 'w-1'"):
        import_images(resolved, settings, folder=folder, system="closed")
    assert (pixels_of(resolved, settings)[("w-1", 0)][0, 0] == (1, 2, 3)).all()


# ---------------------------------------------------------------------------------------- refusals


def test_a_system_that_draws_takes_no_pictures(resolved, settings, folder):
    with pytest.raises(SpecError, match="draws its own images"):
        import_images(resolved, settings, folder=folder, system="few")
    with pytest.raises(SpecError, match="did you mean 'closed'"):
        import_images(resolved, settings, folder=folder, system="closedd")


@pytest.mark.parametrize("text", ["", "file\nx.png\n", "prompt_key\nw-1\n", 'file,prompt\n"x', "\ufffe"])
def test_a_faulty_table_is_told(resolved, settings, folder, text):
    table = folder.parent / "table.csv"
    table.write_text(text, encoding="utf-16" if text == "\ufffe" else "utf-8")
    with pytest.raises(SpecError, match=r"table"):
        import_images(resolved, settings, folder=folder, system="closed", table=table)


def test_a_missing_folder_and_a_held_run_are_told(resolved, settings, folder):
    picture(folder / "w-1.png")
    with pytest.raises(SpecError, match="no such folder"):
        import_images(resolved, settings, folder=folder / "none", system="closed")
    with Run(settings.runs_dir / resolved.run_name).lock(), pytest.raises(RunError, match="another process"):
        import_images(resolved, settings, folder=folder, system="closed")

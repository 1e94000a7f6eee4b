"""The embedded pair was trained on English only: the audit must find its gap, and two English wordings equivalent."""

import csv
import re
import shutil

import pytest
import yaml

from evalkit.settings import Settings
from evalkit.spec.resolve import resolve
from evalkit.stages.audit import audit
from evalkit.stages.generate import generate
from evalkit.store.run import Run
from tests.conftest import ROOT

FEW, CONTROL = 10, "en-x-reworded"
SPOKEN = ("en", CONTROL, "hi", "zh")


@pytest.fixture(scope="session")
def small_audit(tmp_path_factory):
    """One system at five steps, ten prompts in three languages and the control; the embedded weights."""
    pytest.importorskip("torch")
    root = tmp_path_factory.mktemp("audited")
    for folder in ("studies", "data/prompts", "data/questions"):
        (root / folder).mkdir(parents=True)
    shutil.copytree(ROOT / "data/models", root / "data/models")
    (root / "data/weights").symlink_to(ROOT / "data/weights")
    with (ROOT / "data/prompts/emoji-audit.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    parallel = list(dict.fromkeys(row["key"] for row in rows if row["lang"] == "hi"))[:FEW]
    with (root / "data/prompts/few.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["key"] in parallel and row["lang"] in SPOKEN)
    study = yaml.safe_load((ROOT / "studies/emoji-audit.yaml").read_text(encoding="utf-8"))
    study |= {"systems": study["systems"][1:], "prompts": "data/prompts/few.csv"}
    study["systems"][0]["sampling"]["steps"] = 5
    (root / "studies/few.yaml").write_text(yaml.safe_dump(study))
    return audited(resolve("few", root), Settings(root=root, _env_file=None))


def audited(resolved, settings):
    generate(resolved, settings, batch_size=10)
    audit(resolved, settings)
    return Run(settings.runs_dir / resolved.run_name).read_table("audit.parquet", "audit")


def of(table, measure, check="language_gap"):
    return table[(table["check"] == check) & (table["measure"] == measure)]


def test_a_gap_is_shown_in_scripts_that_the_pair_never_saw(small_audit):
    gaps = of(small_audit, "gap").query("lang != @CONTROL")
    assert set(gaps["lang"]) == {"hi", "zh"} and (gaps["p_holm"] < 0.05).all() and (gaps["high"] < 0).all()
    assert (of(small_audit, "share lost")["low"] > 0).all()


def test_english_in_a_held_out_wording_is_equivalent_and_a_language_would_not_be(small_audit):
    """TOST within a third of the smallest gap; its twin: the smallest gap itself lies outside of that margin."""
    [equal] = of(small_audit, "equivalence").itertuples()
    margin = float(re.search(r"within ([\d.]+)", equal.note)[1])
    assert equal.lang == CONTROL and equal.note.startswith("equivalent") and -margin < equal.low < equal.high < margin
    gaps = of(small_audit, "gap").query("lang != @CONTROL")
    assert margin == pytest.approx(gaps["value"].abs().min() / 3, rel=0.01) and (gaps["high"] < -margin).all()


def test_its_tokenizer_cuts_them_up(small_audit):
    tokens = of(small_audit, "tokens per word", "tokenisation").set_index("lang")["value"]
    assert tokens["hi"] > 2 * tokens["en"] and tokens["zh"] > tokens["en"]
    broken = of(small_audit, "share of tokens that mean nothing whole", "tokenisation").set_index("lang")["value"]
    assert broken["hi"] > 0.3 and broken["en"] == 0


def test_its_tokenizer_counts_what_it_does_not_see_of_long_and_odd_prompts():
    pytest.importorskip("transformers")
    from evalkit.checks._tokens import cuts
    from tests.stages.test_audit import HOSTILE

    found = dict(zip(HOSTILE, cuts(list(HOSTILE.values()), ROOT / "data/weights/emoji-sd/tokenizer"), strict=True))
    assert min(found[lang].tokens for lang in ("ar", "hi", "ja")) > 200
    assert all(found[lang].excess == found[lang].tokens - 77 for lang in ("ar", "hi", "ja"))
    assert all(0 < cut.broken <= cut.tokens for cut in found.values())


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_whole_study_every_language_has_a_gap_and_a_reworded_english_prompt_has_none(tmp_path):
    """studies/emoji-audit.yaml as it is: 624 images; TOST within a third of the smallest language gap."""
    settings = Settings(root=ROOT, data=tmp_path / "data", _env_file=None)
    table = audited(resolve("emoji-audit", ROOT), settings)
    gaps = of(table, "gap")
    languages = gaps[gaps["lang"] != "en-x-reworded"]
    assert len(languages) == 18 and (languages["p_holm"] < 0.05).all() and (languages["high"] < 0).all()
    equal = of(table, "equivalence")
    assert len(equal) == 2 and equal["note"].str.startswith("equivalent").all(), equal[["value", "low", "high", "note"]]

"""`evalkit audit`: planted gaps come back, hostile prompts go the whole way, errors say what to do."""

import csv
import re
import sys
from importlib import metadata
from types import SimpleNamespace
from zlib import crc32

import numpy as np
import pytest

from evalkit.errors import RunError, SpecError, UnavailableError
from evalkit.sections import languages, safety
from evalkit.spec.resolve import resolve
from evalkit.stages import audit as stage
from evalkit.stages.audit import audit
from evalkit.stages.generate import generate
from evalkit.stages.report import report
from evalkit.store.run import Run
from tests.stages.drawing import procedural

LANGUAGES = {"es": -6.0, "hi": -15.0, "ar": 0.0}
HOSTILE = {
    "ar": "كلب \u200f" + "أحمر " * 200,
    "hi": "कुत्ता " * 200,
    "ja": "犬が走る。" * 80 + "🐕\u200d🦺 \u200b\ufeff mixed 混ざった कुत्ता",
    "en": "a dog, <b>\u202eright to left\u202c</b> | `code` \u2028 line \ud7ff 👩🏿\u200d🚀",
}


def write_prompts(checkout, languages=("en", *LANGUAGES, "en-x-reworded"), keys=12, texts=None, lacking=(), adds=()):
    with (checkout / "data/prompts/spoken.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "text", "lang", "category", "source", "status", "gendered"])
        for number in range(keys):
            for lang in languages:
                if (number, lang) not in lacking:
                    text = (texts or {}).get(lang, f"scene {number} in {lang}")
                    writer.writerow(
                        [f"s-{number}", f"{number} {text}", lang, "all", "human", "human", _told(number, lang, adds)]
                    )
    (checkout / "data/prompts/spoken.yaml").write_text("title: Spoken\nsource: data/prompts/spoken.csv\n")


def _told(number, lang, adds):
    return ("yes" if (number, lang) in adds else "no") if adds and lang != "en" else ""


@pytest.fixture
def planted(monkeypatch):
    """A metric whose scores are known: 60 for the original, less the language's gap; 30 against another prompt."""

    def score(pictures, workplace):
        from evalkit.metrics._metric import ImageScores

        known = {image.sha256: image for image in SEEN}
        values = [_value(known[picture.sha256], picture.prompt) for picture in pictures]
        return ImageScores(np.array(values), [""] * len(values))

    from evalkit.metrics import clip_score

    monkeypatch.setattr(clip_score, "score", score)
    monkeypatch.setattr(stage, "_identity", lambda metric, workplace: "planted")


SEEN: list = []


def _value(image, prompt: str) -> float:
    noise = np.random.default_rng(int(image.prompt_key[2:]) + crc32(image.lang.encode())).normal(0, 1)
    related = prompt.startswith(image.prompt_key[2:] + " ")
    return (60 + LANGUAGES.get(image.lang, 0.0) if related else 30) + noise


def audited(checkout, settings, *, systems=("few", "many"), **options):
    resolved = procedural(checkout, *systems, prompts="spoken", metrics=["clip_score"], **options)
    generate(resolved, settings)
    run = Run(settings.runs_dir / resolved.run_name)
    SEEN[:] = list(run.read_table("images.parquet", "images").itertuples())
    return resolved, run


def test_planted_gaps_come_back_with_their_control_and_a_second_run_does_nothing(checkout, settings, planted):
    write_prompts(checkout)
    resolved, run = audited(checkout, settings)
    told = audit(resolved, settings)
    table = run.read_table("audit.parquet", "audit")
    gaps = table[(table["check"] == "language_gap") & (table["measure"] == "gap")].set_index(["system", "lang"])
    for system in ("few", "many"):
        for lang in ("es", "hi"):
            row = gaps.loc[(system, lang)]
            assert row["low"] < LANGUAGES[lang] + 2 and row["high"] > LANGUAGES[lang] - 2 and row["p_holm"] < 0.001
        assert gaps.loc[(system, "ar")]["p_holm"] > 0.05
    lost = table[(table["measure"] == "share lost") & (table["lang"] == "hi")]["value"]
    assert lost.to_numpy() == pytest.approx(0.5, abs=0.05), "half of the way from 60 to 30"
    assert table["n"].notna().all() and told.facts["fresh"]
    assert not audit(resolved, settings).facts["fresh"], "exists means done"


def test_what_it_looks_with_counts_a_detector_that_comes_later_is_asked(checkout, settings, planted, monkeypatch):
    pytest.importorskip("lingua")
    from evalkit.checks import _doubt

    write_prompts(checkout)
    resolved, run = audited(checkout, settings, systems=("few",))
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "lingua", None)
        version = metadata.version
        without.setattr(metadata, "version", lambda name: version("no-" + name if "lingua" in name else name))
        _doubt._detector.cache_clear()
        assert audit(resolved, settings).facts["fresh"] and not audit(resolved, settings).facts["fresh"]
        signed = run.read_table("audit.parquet", "audit").query("measure == 'in doubt'")["signature"]
        assert set(signed) == {"no language detector installed"}
    _doubt._detector.cache_clear()
    assert audit(resolved, settings).facts["fresh"], "lingua is there now"
    assert not audit(resolved, settings).facts["fresh"]


def test_tokenizers_detectors_and_heims_clip_are_told_apart(tmp_path, settings):
    from evalkit.checks import representation, tokenisation
    from evalkit.extractors.clip import Checkpoint

    (tmp_path / "tokenizer").mkdir()
    told = []
    for text in ("one", "two"):
        (tmp_path / "tokenizer/vocab.json").write_text(text)
        told.append(tokenisation.instruments(SimpleNamespace(tokenizers={"few": tmp_path / "tokenizer"})))
    assert told[0] != told[1] and tokenisation.instruments(SimpleNamespace(tokenizers={})) == []
    assert not representation.is_at_hand(Checkpoint("some/nowhere", "0" * 40, "nowhere"))
    assert representation.is_at_hand(Checkpoint(str(tmp_path), None, "here"))
    wish = SimpleNamespace(audit=SimpleNamespace(heim_compat=False))
    assert representation.instruments(wish) == [representation.instrument()]


def test_the_report_answers_in_one_paragraph_and_shows_one_contact_sheet(checkout, settings, planted):
    write_prompts(checkout)
    resolved, run = audited(checkout, settings)
    audit(resolved, settings)
    found = languages.section(run)
    assert found.title == "Prompts in 2 of 3 other languages are followed less well than in English"
    assert "Is it worse for people who don't write English?" in found.conclusion
    assert re.search(r"Most in Hindi: (4[5-9]|5[0-5]) % \(", found.conclusion), found.conclusion
    galleries = [block for block in found.blocks if block.kind == "gallery"]
    assert len(galleries) == 1 and {len(item.pictures) for item in galleries[0].items} == {5}
    figure = next(block for block in found.blocks if block.kind == "figure")
    assert len(figure.panels) == 2 and "Hindi (hi)" in figure.panels[0].svg
    assert safety.section(run).title.startswith("No detector was run")
    page = report(run, settings).where.read_text()
    assert 'id="languages"' in page and "Hindi" in page


def test_a_report_says_nothing_of_checks_that_were_left_out(checkout, settings, planted):
    write_prompts(checkout)
    resolved, run = audited(checkout, settings, systems=("few",))
    audit(resolved, settings, checks=["safety"])
    found = safety.section(run)
    assert languages.section(run) is None and found.title.startswith("No detector was run")
    assert "this audit left that check out" in found.conclusion and "0 of 0" not in found.conclusion
    audit(resolved, settings, checks=["language_gap"])
    assert languages.section(run) is not None and safety.section(run).title.startswith("Not looked at")
    assert "unsafe_image" not in safety.section(run).conclusion


def test_scripts_zero_widths_and_directions_go_the_whole_way(checkout, settings, planted):
    write_prompts(checkout, ("en", "ar", "hi", "ja"), keys=8, texts=HOSTILE)
    resolved, run = audited(checkout, settings, systems=("few",))
    audit(resolved, settings)
    images = run.read_table("images.parquet", "images")
    for lang, text in HOSTILE.items():
        assert set(images.loc[images["lang"] == lang, "prompt"]) == {f"{n} {text}".strip() for n in range(8)}
    out = report(run, settings).where
    page, markdown = out.read_text(), (out.parent / "report.md").read_text()
    assert "<b>\u202e" not in page and "कुत्ता" in page and "犬が走る" in page
    assert "Arabic" in markdown and "犬が走る" in markdown


def test_missing_languages_and_prompts_are_counted_not_hidden(checkout, settings, planted):
    write_prompts(checkout, lacking={(number, "hi") for number in range(6)})
    resolved, run = audited(checkout, settings, systems=("few",))
    audit(resolved, settings)
    table = run.read_table("audit.parquet", "audit")
    row = table[(table["measure"] == "gap") & (table["lang"] == "hi")].iloc[0]
    assert row["prompts"] == 6 and np.isnan(row["low"]) and "under 8 prompts" in row["note"]


def test_translations_that_add_a_gender_are_reported_apart(checkout, settings, planted):
    write_prompts(checkout, ("en", "es", "hi"), adds={(0, "es"), (1, "es")})
    resolved, run = audited(checkout, settings, systems=("few",))
    audit(resolved, settings)
    table = run.read_table("audit.parquet", "audit")
    shares = table[table["measure"] == "adds a gender"].set_index("lang")
    assert shares.loc["es", "value"] == pytest.approx(2 / 12) and shares.loc["hi", "value"] == 0
    [apart] = table[table["measure"] == "gap without translations that add a gender"].itertuples()
    assert (apart.lang, apart.prompts) == ("es", 10) and "2 translations that add a gender left out" in apart.note
    trust = next(block for block in languages.section(run).blocks if block.kind == "paragraph")
    assert [point for point in trust.points if "into Spanish that add a gender" in point], trust


def test_a_language_nobody_speaks_is_an_error_with_its_line(checkout, settings):
    write_prompts(checkout, ("en", "xx"))
    with pytest.raises(SpecError, match="no language 'xx'") as caught:
        audit(procedural(checkout, prompts="spoken"), settings)
    assert caught.value.where.endswith("spoken.csv:3")
    (checkout / "studies/trial.yaml").write_text(
        (checkout / "studies/trial.yaml")
        .read_text()
        .replace("prompts: spoken", "prompts: {set: spoken, languages: [qq]}")
    )
    with pytest.raises(SpecError, match="no language 'qq'"):
        resolve("trial", checkout)


def test_a_language_without_prompts_and_a_base_that_is_not_there_say_so(checkout, settings):
    write_prompts(checkout, ("es", "fr"))
    with pytest.raises(SpecError, match="base language 'en'"):
        audit(procedural(checkout, prompts="spoken"), settings)
    with pytest.raises(SpecError, match="no lang named 'sw'"):
        audit(procedural(checkout, prompts={"set": "spoken", "languages": ["es", "sw"]}), settings)


def test_without_translations_it_says_how_to_get_them(checkout, settings):
    write_prompts(checkout, ("en",))
    (checkout / "data/prompts/audit-languages.yaml").write_text(
        "title: Twelve\nloader: parallel\nbase: spoken\nsource: data/prompts/none.csv\nlanguages: [en, sw]\n"
    )
    with pytest.raises(UnavailableError, match="no translations yet") as caught:
        audit(procedural(checkout, prompts="audit-languages"), settings)
    assert "evalkit translate" in caught.value.hint and "--import" in caught.value.hint


def test_images_that_are_not_drawn_yet_are_named(checkout, settings):
    write_prompts(checkout)
    resolved = procedural(checkout, prompts="spoken")
    with pytest.raises(RunError, match=r"images.parquet is not there yet"):
        audit(resolved, settings)


def test_english_and_own_text_stand_side_by_side(checkout, settings):
    """CLIPScore against the English prompt, SigLIP against each language's own; tiny networks in the real layouts."""
    from evalkit.metrics import clip_score, siglip_multilingual
    from evalkit.metrics._metric import Picture, Workplace
    from tests.clip_checkpoint import write_clip
    from tests.metrics import small_networks
    from tests.siglip_checkpoint import write_siglip

    write_prompts(checkout, ("en", "es", "hi"), keys=8)
    small_networks.card(checkout, siglip_multilingual.CARD)
    write_clip(checkout / "data/weights/small-clip")
    write_siglip(checkout / "data/weights" / siglip_multilingual.CARD)
    scored = [{"name": "clip_score", "model": "small-clip"}, "siglip_multilingual"]
    wish = {"multilingual": ["siglip_multilingual"]}
    resolved = procedural(checkout, "few", prompts="spoken", metrics=scored, audit=wish)
    generate(resolved, settings)
    audit(resolved, settings)
    run = Run(settings.runs_dir / resolved.run_name)
    table, images = run.read_table("audit.parquet", "audit"), run.read_table("images.parquet", "images")
    means = table[table["measure"] == "score"].set_index(["group", "lang"])["value"]
    english = images[images["lang"] == "en"].set_index("prompt_key")["prompt"]
    for lang, part in images.groupby("lang"):
        files = [settings.images_dir.joinpath(*path) for path in part["path"].str.split("/")]
        own = [Picture(*facts) for facts in zip(files, part["sha256"], part["prompt"], strict=True)]
        against = [
            Picture(*facts) for facts in zip(files, part["sha256"], part["prompt_key"].map(english), strict=True)
        ]
        place, small = Workplace(settings, checkout / "again"), Workplace(settings, checkout / "again", "small-clip")
        assert means["clip_score", lang] == pytest.approx(clip_score.score(against, small).values.mean(), abs=1e-4)
        told = siglip_multilingual.score(own, place).values.mean()
        assert means["siglip_multilingual", lang] == pytest.approx(told, abs=1e-4)
        if lang != "en":
            assert told != pytest.approx(siglip_multilingual.score(against, place).values.mean(), abs=1e-4)
    figures = {block.name: block.subtitle for block in languages.section(run).blocks if block.kind == "figure"}
    assert "Cross-check" in figures["language-gap-siglip-multilingual"]
    assert "Cross-check" not in figures["language-gap-clip-score"]
    trust = next(block for block in languages.section(run).blocks if block.kind == "paragraph")
    assert any("Cross-check by siglip_multilingual" in point for point in trust.points), trust


def test_a_cross_check_needs_a_metric_of_the_study_that_reads_other_languages(checkout, settings):
    write_prompts(checkout)
    wish = {"multilingual": ["clip_score"]}
    with pytest.raises(SpecError, match="clip_score was trained on English") as caught:
        audit(procedural(checkout, prompts="spoken", metrics=["clip_score"], audit=wish), settings)
    assert "siglip_multilingual" in caught.value.hint
    with pytest.raises(SpecError, match="no metric among the study's named 'clip_scor'"):
        audit(
            procedural(checkout, prompts="spoken", metrics=["clip_score"], audit={"multilingual": ["clip_scor"]}),
            settings,
        )

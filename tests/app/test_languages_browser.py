"""Prompts of 200 tokens, mixed scripts, zero widths and marks of direction, in a browser: from file to report."""

from __future__ import annotations

import pytest

from app.wording import best_language, wording
from evalkit.sections import languages
from evalkit.stages import vote
from evalkit.stages.audit import audit
from evalkit.stages.generate import generate
from evalkit.stages.report import report
from evalkit.stages.score import score
from evalkit.stages.simulate import simulate_panel
from evalkit.store.run import Run
from tests.app.conftest import new_settings
from tests.app.serving import SYSTEMS, serve
from tests.app.test_rater_browser import LAPTOP, PHONE, revealed, tab
from tests.stages.drawing import procedural
from tests.stages.test_audit import HOSTILE, write_prompts

pytestmark = pytest.mark.browser
SPOKEN = {"en": "ltr", "ar": "rtl", "hi": "ltr", "ja": "ltr"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Eight prompts in four languages, drawn, scored by a small random CLIP, open; a sheet keeps to one language."""
    pytest.importorskip("torch")
    from tests.clip_checkpoint import write_clip

    settings = new_settings(tmp_path_factory)
    write_prompts(settings.root, tuple(SPOKEN), keys=8, texts=HOSTILE)
    write_clip(settings.root / "data/weights/tiny-clip", seed=4)
    resolved = procedural(
        settings.root, *SYSTEMS, prompts="spoken", metrics=[{"name": "clip_score", "model": "tiny-clip"}],
        voting={"languages": "one", "raters": 8, "questions": ["alignment"], "comparisons_per_rater": 8},
        analysis={"primary_question": "alignment"},
    )  # fmt: skip
    generate(resolved, settings)
    score(resolved, settings)
    vote.open_study(resolved, settings)
    return resolved, settings


def expected(lang: str) -> set[str]:
    return {f"{number} {HOSTILE[lang]}".strip() for number in range(8)}


def test_every_prompt_goes_whole_from_its_file_to_the_raters_page_and_into_the_report(
    opened, chromium, require, tmp_path
):
    require("browser")
    resolved, settings = opened
    run = Run(settings.runs_dir / resolved.run_name)
    images = run.read_table("images.parquet", "images")
    assert {lang: set(part["prompt"]) for lang, part in images.groupby("lang")} == {x: expected(x) for x in SPOKEN}
    with serve("rater", settings, tmp_path / "rater.log") as url:
        for lang, size in zip(SPOKEN, (LAPTOP, PHONE, LAPTOP, PHONE), strict=True):
            link = vote.invite(resolved, settings, languages=[lang]).facts["links"][0]
            with tab(chromium, f"{url}/?{link.split('?')[1]}", size) as page:
                judge(page, lang, size)
    simulate_panel(resolved, settings, raters=4, seed=1)
    vote.close(resolved, settings)
    votes = run.read_table("votes.parquet", "votes")
    people = votes[~votes["simulated"]]
    assert sorted(people["lang"]) == sorted(SPOKEN) and people["choice"].isin(["a", "b"]).all()
    audit(resolved, settings)
    found = languages.section(run)
    table = next(block for block in found.blocks if "by language: " in getattr(block, "title", ""))
    assert {row[0] for row in table.rows} == {"English (en)", "Arabic (ar)", "Hindi (hi)", "Japanese (ja)"}
    read(chromium, report(run, settings).where)


def begin(page, words: dict) -> None:
    """Consent in the language of the page, which is the rater's own where there is one."""
    page.locator('[data-testid="stCheckbox"] label').click()
    page.get_by_role("button", name=words["consent_start"]).click()
    page.get_by_role("button", name=words["guide_start"]).wait_for()
    page.goto(f"{page.url}&step=go")
    revealed(page, 1)


def judge(page, lang: str, size: dict) -> None:
    """One comparison by mouse; the prompt is whole, in its direction, and pushes nothing out of reach."""
    words = wording(best_language(lang))
    begin(page, words)
    prompt = page.locator(".prompt .text")
    assert prompt.text_content() in expected(lang) and prompt.get_attribute("lang") == lang
    assert prompt.evaluate("element => getComputedStyle(element).direction") == SPOKEN[lang]
    assert page.locator(".prompt .text *").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    panel = page.locator(".panel").bounding_box()
    assert panel["y"] + panel["height"] <= size["height"], "the questions are in reach under a prompt of 200 tokens"
    page.locator(".question").nth(0).locator(".answer").nth(0).click()
    page.locator(".status", has_text=words["saved"]).wait_for()
    page.locator(".foot .next").click()
    revealed(page, 2)


def read(chromium, page_file) -> None:
    """The report at two widths: nothing runs out, nothing turns the text around it."""
    text = page_file.read_text(encoding="utf-8")
    assert all(word in text for word in ("कुत्ता", "犬が走る", "أحمر")) and "<b>\u202e" not in text
    markdown = (page_file.parent / "report.md").read_text(encoding="utf-8")
    assert "Hindi" in markdown and "犬が走る" in markdown
    turning = [line for line in markdown.splitlines() if "\u202e" in line]
    assert all("\u2068" in line or "<bdi>" in line for line in turning), "what turns text is kept apart"
    for width in (1280, 375):
        page = chromium.new_page(viewport={"width": width, "height": 900})
        page.goto(page_file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()

"""`evalkit demo`: every stage in turn, on the embedded miniatures, with a simulated panel."""

from __future__ import annotations

from evalkit.outcome import Outcome, Progress, silent
from evalkit.settings import Settings
from evalkit.spec.resolve import ResolvedStudy, resolve
from evalkit.stages.generate import generate
from evalkit.stages.report import report
from evalkit.stages.score import score
from evalkit.stages.simulate import simulate_panel
from evalkit.stages.vote import close, invite, is_closed, open_study
from evalkit.store.run import Run

PANEL_SEED = 1


def demo(settings: Settings, progress: Progress = silent) -> Outcome:
    """Runs studies/demo.yaml with a simulated panel, then opens studies/demo-live.yaml for the person who watches."""
    simulated, live = resolve("demo", settings.root), resolve("demo-live", settings.root)
    generate(simulated, settings, progress=progress)
    score(simulated, settings, progress=progress)
    if not is_closed(simulated, settings):
        open_study(simulated, settings, progress=progress)
        simulate_panel(simulated, settings, seed=PANEL_SEED, progress=progress)
        close(simulated, settings)
    made = report(Run(settings.runs_dir / simulated.run_name), settings)
    link = _invitation(live, settings, progress)
    invited = f"vote on the same pictures yourself: `make app`, then open {link}" if link else "demo-live is closed"
    facts = {"report": str(made.where), "invite": link}
    return Outcome(f"{made.said}\n{invited}", where=made.where, next="make app", facts=facts)


def _invitation(live: ResolvedStudy, settings: Settings, progress: Progress) -> str | None:
    """A fresh invite link; None once the person has closed that study."""
    if is_closed(live, settings):
        return None
    generate(live, settings, progress=progress)
    open_study(live, settings, progress=progress)
    link: str = invite(live, settings, count=1).facts["links"][0]
    return link

"""audit.parquet and audit.json as records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.sections._blocks import Paragraph
from evalkit.spec.language import name_of
from evalkit.stats.estimate import Estimate
from evalkit.store.run import Run


@dataclass(frozen=True)
class Number:
    """One row of the audit."""

    check: str
    system: str
    lang: str
    group: str
    measure: str
    estimate: Estimate
    p: float | None
    p_holm: float | None
    signature: str

    @property
    def key(self) -> str:
        return "/".join(filter(None, (self.check, self.measure, self.group, self.system, self.lang)))


@dataclass(frozen=True)
class Audited:
    """What `evalkit audit` found; `record` is audit.json."""

    numbers: tuple[Number, ...]
    record: Mapping[str, Any]

    @property
    def languages(self) -> list[str]:
        return list(self.record["languages"])

    @property
    def base(self) -> str:
        return str(self.record["base"])

    @property
    def headline(self) -> str:
        """The study's first metric that scores every image against the prompt in the base language."""
        own = {number.group for number in self.numbers if "own text" in number.signature}
        metrics = list(self.record["units"])
        return next((metric for metric in metrics if metric not in own), next(iter(metrics), ""))

    def ran(self, *checks: str) -> bool:
        """Whether one of these checks was made."""
        return any(name in self.record["checks"] for name in checks)

    def rows(self, check: str, measure: str, **where: str) -> Iterator[Number]:
        """Rows of one measure, in order, where system, lang and group are as asked."""
        for number in self.numbers:
            same = all(getattr(number, name) == value for name, value in where.items())
            if number.check == check and number.measure == measure and same:
                yield number

    def one(self, check: str, measure: str, **where: str) -> Number | None:
        return next(self.rows(check, measure, **where), None)

    def limits(self, *checks: str) -> Paragraph:
        """What the instruments of these checks cannot see."""
        found = [limit for name in checks for limit in self.record["checks"].get(name, {}).get("limits", ())]
        return Paragraph("What these instruments cannot see", tuple(found))


def read_audit(run: Run) -> Audited | None:
    """What was audited; None where nothing was."""
    if not (run.has("audit.parquet") and run.has("audit.json")):
        return None
    table = run.read_table("audit.parquet", "audit")
    return Audited(tuple(_number(row) for row in table.to_dict("records")), run.read_json("audit.json"))


def spoken(lang: str) -> str:
    """ "Spanish (es)"; a variant of the base language is named as the control that it is."""
    return f"{name_of(lang)} (control)" if "-x-" in lang else f"{name_of(lang)} ({lang})"


def _number(row: Mapping[Any, Any]) -> Number:
    value, low, high, p, p_holm = (_known(row[name]) for name in ("value", "low", "high", "p", "p_holm"))
    estimate = Estimate(
        value, low, high, int(row["n"]), str(row["method"]), int(row["prompts"]) or None, note=str(row["note"]) or None
    )
    check, system, lang, group, measure = (str(row[name]) for name in ("check", "system", "lang", "group", "measure"))
    return Number(check, system, lang, group, measure, estimate, p, p_holm, str(row["signature"]))


def _known(value: float) -> float | None:
    return None if value != value else float(value)

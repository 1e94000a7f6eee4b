"""What a section is made of: frozen records that any rendering (page, Markdown, LaTeX) can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from evalkit.stats.estimate import Estimate, SignificanceTest


@dataclass(frozen=True)
class Paragraph:
    """Running text; `points` follow it as a list."""

    text: str = ""
    points: tuple[str, ...] = ()
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True)
class Notice:
    """What a reader must not overlook, in the type size of the results."""

    text: str
    kind: Literal["notice"] = "notice"


@dataclass(frozen=True)
class Column:
    """The head of a column: its title, its unit, and the heading it shares with its neighbours."""

    title: str
    unit: str = ""
    align: Literal["left", "right"] = "right"
    group: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of formatted cells, the first one being the row's name."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    kind: Literal["table"] = "table"

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.title!r}: {len(row)} cells in a row of {len(self.columns)} columns")


@dataclass(frozen=True)
class Panel:
    """One drawing of a figure."""

    title: str
    svg: str


@dataclass(frozen=True)
class Figure:
    """Drawings on one scale: the title says the finding, the subtitle what is plotted, the table has the numbers.

    `open`: the table is shown at once, not on demand.
    """

    name: str
    title: str
    subtitle: str
    panels: tuple[Panel, ...]
    alt: str
    table: Table
    open: bool = False
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True)
class Picture:
    """One image of a gallery; `file` lies in the run's thumbnails/, None where there is none."""

    label: str
    file: str | None
    note: str = ""


@dataclass(frozen=True)
class GalleryItem:
    """The images of all systems for one prompt, what people said of them, and how they scored."""

    prompt: str
    lang: str
    pictures: tuple[Picture, ...]
    facts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gallery:
    """Images side by side; `groups` are what a reader can filter by."""

    title: str
    items: tuple[GalleryItem, ...]
    groups: tuple[str, ...] = ()
    kind: Literal["gallery"] = "gallery"


Block = Paragraph | Notice | Table | Figure | Gallery
Number = Estimate | SignificanceTest


@dataclass(frozen=True)
class Section:
    """One part of the report. `title` is the finding, `conclusion` the first sentence, `numbers` the bare figures."""

    name: str
    title: str
    conclusion: str
    blocks: tuple[Block, ...] = ()
    numbers: Mapping[str, Number] = field(default_factory=dict)


def as_record(section: Section) -> dict[str, Any]:
    """The section as JSON."""
    return asdict(section)

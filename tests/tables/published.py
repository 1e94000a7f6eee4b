"""One published table, written down in every way that people write tables."""

MARKDOWN = """The results | of the study:

| answer | **aesthetics** | alignment |
|:--|--:|---|
| [DeciDiffusion 1.0](https://example.org/a), 30 iterations | 41.1% | 20.8 % |
| Stable Diffusion 1.5, *50 iterations* | 30.5% | **18.8 %** |
| On par | 26.3%<sup>1</sup> | 39.1 % |
| Neither | 2.1% | `11.4 %` |
"""
HTML = """<p>41.1 <!-- <table><td>9</table> --><table class="a > b">
<thead><tr><th>Answer<th>aesthetics<th>alignment</thead>
<tr><td rowspan=1>DeciDiffusion 1.0, 30 iterations<td>41.1&nbsp;%<td>20.8%
<tr><td>Stable Diffusion 1.5, 50 iterations</td>
<td>30.5%</td><td><b>18.8</b>%</td></tr><tr><td>On par<td>26.3%<sup>1</sup><td>39.1%
<tr><td>Neither<td>2.1%<td>11.4%</table>"""
LATEX = r"""\begin{table}\begin{tabular}{lrr} \toprule % a comment & with & cells \\
Answer & aesthetics & alignment \\ \cmidrule(lr){2-3}
DeciDiffusion 1.0, 30 iterations & \textbf{41.1}\% & $20.8 \pm 3.1$ \\
\multirow{1}{*}{Stable Diffusion 1.5, 50 iterations} & 30.5\% & 18.8 \\[2pt]
On par & 26.3\footnote{of 100} & 39.1 \\ Neither & 2.1 & 11.4$^{*}$ \\ \bottomrule \end{tabular}\end{table}"""
CSV = """answer,aesthetics,alignment
"DeciDiffusion 1.0, 30 iterations",41.1,20.8
"Stable Diffusion 1.5, 50 iterations",30.5,18.8
On par,26.3,39.1
Neither,2.1,11.4
"""
SEMICOLONS = CSV.replace(",", ";").replace(".", ",").replace("1,0; 30", "1.0, 30").replace("1,5; 50", "1.5, 50")
TABS = CSV.replace('"', "").replace(",", "\t").replace("\t 30", ", 30").replace("\t 50", ", 50")
FRACTIONS = """| answer | aesthetics | alignment |
|---|---|---|
| DeciDiffusion 1.0, 30 iterations | 0.411 | .208 |
| Stable Diffusion 1.5, 50 iterations | 0.305 | .188 |
| On par | 0.263 | .391 |
| Neither | 0.021 | .114 |
"""
PASTED = """Answer aesthetics alignment
DeciDiffusion 1.0, 30 iterations 41.1 % 20.8 %
Stable Diffusion 1.5, 50 iterations 30.5 % (22-40) 18.8 %
On par 26.3 % 39.1 %
Neither 2.1 % 11.4 %
"""
BOX = """┌────────┬────────────┬───────────┐
│ Answer │ aesthetics │ alignment │
├────────┼────────────┼───────────┤
│ DeciDiffusion 1.0, 30 iterations    │ 41.1 % │ 20.8 % │
│ Stable Diffusion 1.5, 50 iterations │ 30.5 % │ 18.8 % │
│ On par │ 26.3 % │ 39.1 % │
│ Neither │ 2.1 % │ 11.4 % │
└────────┴────────────┴───────────┘"""
TRANSPOSED = """| question | DeciDiffusion 1.0, 30 iterations | Stable Diffusion 1.5, 50 iterations | On par | Neither |
|---|---|---|---|---|
| aesthetics | 41.1 | 30.5 | 26.3 | 2.1 |
| alignment | 20.8 | 18.8 | 39.1 | 11.4 |
"""
LONG = """question,answer,percent
aesthetics,"DeciDiffusion 1.0, 30 iterations",41.1
aesthetics,"Stable Diffusion 1.5, 50 iterations",30.5
aesthetics,On par,26.3
aesthetics,Neither,2.1
alignment,"DeciDiffusion 1.0, 30 iterations",20.8
alignment,"Stable Diffusion 1.5, 50 iterations",18.8
alignment,On par,39.1
alignment,Neither,11.4
"""
SECTIONS = """| | % |
|---|---|
| aesthetics | |
| DeciDiffusion 1.0, 30 iterations | 41.1 |
| Stable Diffusion 1.5, 50 iterations | 30.5 |
| On par | 26.3 |
| Neither | 2.1 |
| alignment | |
| DeciDiffusion 1.0, 30 iterations | 20.8 |
| Stable Diffusion 1.5, 50 iterations | 18.8 |
| On par | 39.1 |
| Neither | 11.4 |
"""
NESTED = f"<table><tr><td>page<td>{HTML}<td>7 %</table>"
EVERY = {
    "markdown": MARKDOWN,
    "html": HTML,
    "latex": LATEX,
    "csv": CSV,
    "semicolons": SEMICOLONS,
    "tabs": TABS,
    "fractions": FRACTIONS,
    "pasted": PASTED,
    "box": BOX,
    "transposed": TRANSPOSED,
    "long": LONG,
    "sections": SECTIONS,
    "nested": NESTED,
    "windows": MARKDOWN.replace("\n", "\r\n"),
}

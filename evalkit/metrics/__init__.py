"""Metrics: a file each. Its stem is the name, its docstring the description, `info` how to read it.

A metric of level "image" has `score(pictures, workplace)`: one value per picture. A metric of level "set" has
`estimate(x, reference, seed=)` and `difference(x, y, reference, seed=)` on the features of `info.extractor`.
"""

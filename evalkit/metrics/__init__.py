"""Metrics: a file each. Its stem is the name, its docstring the description, `info` how to read it.

A metric of level "image" has `score(pictures, workplace)`: one value per picture. A metric of level "set" has
`estimate(x, reference, inference)` and `difference(x, y, reference, inference)` on features of `info.extractor`.
"""

"""The audit, one file per check: `check(material) -> list of findings`, tidy rows of audit.parquet.

A check says in `info` with what instrument it looks and what that instrument cannot see. A new file is a new check.
"""

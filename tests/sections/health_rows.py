"""Rows of health.parquet as the score stage writes them, for the tests of the section."""

import pandas as pd


def card(system: str, *, change: float = 0.2, corrected: float = 9.5, copies: float = 0.0) -> pd.DataFrame:
    """All measures of one system, with what the verdicts hang on planted."""
    rows = [
        ("fragile", "FD-pca64", "as generated", 10.0, 8.0, 12.0, 128, "", ""),
        ("fragile", "change of FD-pca64", "JPEG 75", change, change - 0.1, change + 0.1, 128, "", ""),
        ("fragile", "change of FD-pca64", "resize: bilinear, 8 bits", -0.1, -0.2, 0.0, 128, "", ""),
        ("biased", "plain", "all dimensions", 150.0, None, None, 128, "", ""),
        *[("biased", "FD(N)", "64 axes", 10 + 100 / n, None, None, n, "", "") for n in (64, 80, 100, 128)],
        ("biased", "FD-infinity", "64 axes", corrected, None, None, 128, "", ""),
        ("biased", "plain on axes", "64 axes", 10.0, None, None, 128, "", ""),
        ("biased", "corrected", "64 axes", corrected, corrected - 1, corrected + 1, 128, "", ""),
        ("memorisation", "AuthPct", "training set", 55.0, 50.0, 60.0, 128, "", ""),
        ("memorisation", "suspected copies", "training set", copies, None, None, 128, "", ""),
        ("memorisation", "Frechet distance", "training set", 150.0, None, None, 128, "", ""),
        ("memorisation", "memorisation-informed distance", "training set", 150.0, None, None, 128, "", ""),
        ("memorisation", "nearest image", "training set", 0.4, None, None, 1, "one", "two"),
        ("memorisation", "near-duplicates", "across seeds", 0.0, None, None, 64, "", ""),
        ("memorisation", "nearest seeds", "across seeds", 0.3, None, None, 2, "one", "other"),
    ]
    names = ["panel", "measure", "setting", "value", "low", "high", "n", "image", "other"]
    return pd.DataFrame(rows, columns=names).assign(system=system, method="a test", note="", signature="health/1|test")

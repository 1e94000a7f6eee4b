"""Known vulnerabilities of the pinned dependencies, for `make check`: python -m tests.dependency_audit (pip-audit).

A vulnerability fails it. A service that cannot be reached, or knows nothing of a package, does not: a machine without a
network must be able to check, so it says in a line what was not looked up. EVALKIT_TEST_REQUIRE=audit makes that fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
COMMAND = ["--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip", "--timeout", "10", "--format", "json"]


def main() -> int:
    """Prints one line, and one a vulnerability; the exit code."""
    done = subprocess.run([sys.executable, "-m", "pip_audit", *COMMAND], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        packages = []
    lines, vulnerable = verdict(packages)
    print(*lines, sep="\n")
    unseen = not packages or any("skip_reason" in one for one in packages)
    return int(vulnerable or (unseen and "audit" in os.environ.get("EVALKIT_TEST_REQUIRE", "").split(",")))


def verdict(packages: list[dict[str, Any]]) -> tuple[list[str], bool]:
    """What to print, and whether anything is vulnerable."""
    seen = [one for one in packages if "skip_reason" not in one]
    found = [(one, fault) for one in seen for fault in one["vulns"]]
    if not seen:
        return ["dependency audit: the vulnerability service cannot be reached; nothing was looked up"], False
    lines = [
        f"dependency audit: {len(seen)} of {len(packages)} pinned packages looked up, {len(found)} vulnerabilities"
    ]
    for one, fault in found:
        mended = ", ".join(fault["fix_versions"]) or "no version yet"
        lines.append(f"  {one['name']} {one['version']}: {fault['id']}, mended in {mended}")
    return lines, bool(found)


if __name__ == "__main__":
    sys.exit(main())

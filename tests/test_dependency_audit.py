"""The audit of dependencies: a vulnerability is red, an unreachable service is said."""

from tests.dependency_audit import verdict

CLEAN = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


def test_what_is_vulnerable_is_named_with_its_remedy():
    lines, vulnerable = verdict([CLEAN, BAD, UNKNOWN])
    assert vulnerable and lines[0].startswith("dependency audit: 2 of 3") and lines[1] == "  b 2: CVE-1, mended in 3"
    assert verdict([CLEAN])[1] is False


def test_nothing_looked_up_is_said():
    for packages in ([], [UNKNOWN]):
        lines, vulnerable = verdict(packages)
        assert not vulnerable and "nothing was looked up" in lines[0]

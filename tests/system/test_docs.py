"""What the documents say about the tree is so."""
import re

from conftest import ROOT


def test_every_test_that_failures_md_names_exists():
    text = (ROOT / "docs" / "failures.md").read_text()
    sources = "".join(path.read_text() for path in (ROOT / "tests" / "system").glob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) > 40
    assert not [name for name in named if f"def {name}(" not in sources]
    programs = set(re.findall(r"\b((?:core|queue|smtp|admin|faults)/\w+)\b(?!\.)", text))
    missing = [name for name in programs if not any((ROOT / "tests" / place).exists() for place in
               ("unit/{}/test_{}.c".format(*name.split("/")), "{}/test_{}.c".format(*name.split("/"))))]
    assert not missing

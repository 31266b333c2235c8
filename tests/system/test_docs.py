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


PLACES = {"CONNECTION": "connection", "GREETING": "greeting", "ENVELOPE": "envelope", "TEXT": "text", "LOGIN": "login"}
STANDS = {"HANDLED": "handled", "MET": "always met", "BY_PROFILE": "by a client profile", "REFUSED": "refused", "LATER": "later"}


def quirk_rows():
    """The table of queue/quirk.c: number → (name, place, what is done, stand)."""
    numbers = dict(re.findall(r"QUIRK_(\w+) = (\d+)", (ROOT / "queue" / "quirk.h").read_text()))
    source = re.sub(r'"\s*\n\s*"', "", (ROOT / "queue" / "quirk.c").read_text())
    text = r'"((?:[^"\\]|\\.)*)"'
    rows = {}
    for key, name, place, stand, done in re.findall(
            rf"\[(\w+)\] = \{{\s*{text},\s*QUIRK_AT_(\w+),\s*QUIRK_(\w+),\s*{text},", source):
        number = int(key) if key.isdigit() else int(numbers[key.removeprefix("QUIRK_")])
        rows[number] = (name, PLACES[place], done.replace('\\"', '"'), STANDS[stand])
    return rows


def test_quirks_md_is_the_table():
    rows = quirk_rows()
    assert set(rows) == set(range(1, 111)) - {29}
    text = (ROOT / "docs" / "quirks.md").read_text()
    written = {int(number): tuple(cell.strip() for cell in rest.split("|"))
               for number, rest in re.findall(r"(?m)^\| Q-(\d+) \|(.*)\|$", text)}
    assert written == rows


def test_every_quirk_that_is_built_has_a_test():
    """By its number: a function `test_q33_…`, or a parameter with the id "test_q33"."""
    sources = "".join(path.read_text() for path in (ROOT / "tests" / "system").glob("test_*.py"))
    names = re.findall(r"(?:\bdef |\")(test_q\w+)", sources)
    tested = {int(number) for name in names for number in re.findall(r"_q(\d+)", name)}
    built = {number for number, (_, _, _, stand) in quirk_rows().items() if stand != "later"}
    assert sorted(built - tested) == []

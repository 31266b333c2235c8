"""Header fields that clients get wrong: what is written decodes to what they meant, judged by Python's email package."""
import email.header
import email.policy
import email.utils
import random
import subprocess

import pytest

from conftest import BUILD

TEXT, ADDRESSES, FROM, DATE, MESSAGE_ID, CONTENT_TYPE, DISPOSITION = 0, 1, 2, 3, 4, 6, 8
WORDS = ["Scan", "von", "Büro", "Größe", "naïve", "日本語のメール", "Привет", "x" * 60, "=?", "?=", "_", "a=b", "😀😀😀",
         "ñ" * 70, "Übergrößenträger,", "\"zitiert\"", "(Büro)", "3", "–", "=20"]


@pytest.fixture(scope="module")
def repair():
    """repair(kind, value): the better value, or None; of many values in one process."""
    process = subprocess.Popen([BUILD / "tests" / "repair_field"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)

    def ask(kind, value):
        process.stdin.write(f"{kind} {value.hex()}\n")
        process.stdin.flush()
        done, out = process.stdout.readline().rstrip("\n").split(" ")
        assert done in ("0", "1")
        return bytes.fromhex(out) if done == "1" else None

    yield ask
    process.stdin.close()
    assert process.wait(10) == 0


def parse(name, value):
    """The message that has this field, by the policy that decodes."""
    raw = name.encode() + b":" + value + b"\r\n\r\n"
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert raw.isascii()
    return email.message_from_bytes(raw, policy=email.policy.default)


def random_text(rng):
    text = ""
    for _ in range(rng.randint(1, 12)):
        text += rng.choice(WORDS) + rng.choice([" ", " ", " ", "  ", "\t"])
    return text.strip()


@pytest.mark.parametrize("seed", range(4))
def test_q75_text_decodes_to_what_the_client_sent(repair, seed):
    rng = random.Random(seed)
    written = 0
    for _ in range(1000):
        text = random_text(rng)
        out = repair(TEXT, b" " + text.encode())
        assert (out is None) == text.isascii()
        if out is None:
            continue
        written += 1
        assert all(len(line) <= 78 for line in out.split(b"\r\n")), out
        assert str(parse("Subject", out)["Subject"]) == text, out
        old = email.message_from_bytes(b"Subject:" + out + b"\r\n\r\n")["Subject"]
        assert str(email.header.make_header(email.header.decode_header(old))).replace("\t", " ").split() == text.split()
    assert written > 500


def test_q75_text_that_is_not_utf8_has_the_charset_of_the_terms(repair):
    for text in ("Büro", "Scan von Büro 3 – Größe", "Übergröße " * 30):
        out = repair(TEXT, b" " + text.encode("windows-1252"))
        assert str(parse("Subject", out)["Subject"]).strip() == text.strip()


NAMES = ["Hans Müller", "Müller, Hans", "Büro (3. Stock)", "日本語", "Jörg \"Jo\" Groß", "Grün: Büro", "a@ü", "Zoë" * 40,
         "Ä; Ö", "Dr. Ü", "Ein langer Name mit Größe und Büro und Straße und noch mehr davon, bis es nicht paßt"]


@pytest.mark.parametrize("kind,name", [(ADDRESSES, "To"), (FROM, "From")])
def test_q74_display_names_decode_to_what_the_client_sent(repair, kind, name):
    rng = random.Random(kind)
    for shown in NAMES:
        quoted = '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
        # raw where a reader could tell, quoted as RFC 5322 has it always
        for given in [quoted] + ([shown] if not set(shown) & set('"@;') else []):
            others = [f"u{n}@example.org" for n in range(rng.randint(0, 9))]
            out = repair(kind, (" " + ", ".join([f"{given} <h@x.example>"] + others)).encode())
            field = parse(name, out)[name]
            assert not field.defects, (out, field.defects)
            assert [address.addr_spec for address in field.addresses] == ["h@x.example"] + others
            # Python 3.11 keeps the blanks between two encoded-words of a phrase, though not in its older reader
            old = email.utils.parseaddr(email.message_from_bytes(b"To:" + out + b"\r\n\r\n")["To"].split(",")[0])[0]
            assert str(email.header.make_header(email.header.decode_header(old))) == shown, out
            assert out.count(b"=?") > 1 or field.addresses[0].display_name == shown, out


def test_q39_addresses_without_a_domain_get_one(repair):
    for value, wanted in (("bob", ["bob@example.edu"]), ("<bob>, Eve <eve@>", ["bob@example.edu", "eve@example.edu"])):
        for kind, name in ((ADDRESSES, "To"), (FROM, "From")):
            field = parse(name, repair(kind, b" " + value.encode()))[name]
            assert [address.addr_spec for address in field.addresses] == wanted


def test_q75_file_names_decode_to_what_the_client_sent(repair):
    for shown in ("Büro.pdf", "Größe 1;2.pdf", "日本語" * 30 + ".pdf", "ä'%*.pdf", "\"ö\".pdf"):
        quoted = shown.replace('"', '\\"')
        for charset in ("utf-8", "windows-1252"):
            try:
                value = f' attachment; filename="{quoted}"; size=3'.encode(charset)
            except UnicodeEncodeError:
                continue
            out = repair(DISPOSITION, value)
            assert all(len(line) <= 78 for line in out.split(b"\r\n")), out
            assert parse("Content-Disposition", out).get_filename() == shown, out


def test_q78_what_is_written_folds(repair):
    out = repair(ADDRESSES, " ".join(["Müller <h@x.example>,"] + [f"user{n}@example.org," for n in range(500)]).encode())
    field = parse("To", out)["To"]
    assert len(field.addresses) == 501
    assert all(len(line) <= 78 for line in out.split(b"\r\n")[1:])


def well_formed_list(rng):
    atom = lambda: "".join(rng.choices("abcxyzABC019!#$&'*+-/=^_`{|}~", k=rng.randint(1, 8)))  # noqa: E731
    word = lambda: rng.choice([atom(), '"' + rng.choice(["a, b", "x\\\"y", "<a@b>", ";:()"]) + '"'])  # noqa: E731
    spec = lambda: rng.choice([f"{atom()}.{atom()}", atom(), '"a b"']) + "@" + rng.choice(["x.example", "[10.0.0.1]"])  # noqa: E731
    comment = lambda: rng.choice(["", "", " (c)", " (a (b) \\) c)"])  # noqa: E731
    mailbox = lambda: rng.choice(  # noqa: E731
        [spec() + comment(), f"<{spec()}>", f"{' '.join(word() for _ in range(rng.randint(1, 3)))} <{spec()}>{comment()}"])
    items = [mailbox() if rng.random() < 0.9 else f"{word()}: {', '.join(mailbox() for _ in range(rng.randint(0, 2)))};"
             for _ in range(rng.randint(1, 5))]
    return " " + rng.choice([", ", ",\r\n ", ","]).join(items)


def test_q74_what_is_well_formed_stays(repair):
    rng = random.Random(5)
    for _ in range(3000):
        value = well_formed_list(rng)
        for kind in (ADDRESSES, FROM):
            assert repair(kind, value.encode()) is None, value


def test_q73_dates_are_judged_as_python_reads_them(repair):
    for value in ("Sun, 22 Nov 2026 21:08:17 +0000", "22 Nov 26 21:08 EST", "Sat, 1 Jan 2005 00:00:00 -0330"):
        assert email.utils.parsedate_to_datetime(value)
        assert repair(DATE, b" " + value.encode()) is None
    for value in ("Thu, 01 Jan 1970 00:00:00 +0000", "Thu, 07 Feb 2036 06:28:15 +0000", "Sun, 22 Nov 2026 21:08:17",
                  "2026-11-22 21:08", "Sat, 1 Jan 2000 00:00:00 +0000"):
        assert repair(DATE, b" " + value.encode()) == b""


def test_q72_message_ids_are_one_id_in_brackets(repair):
    for value in ("<a@b>", " <20261122.1@x.example> (c)"):
        assert repair(MESSAGE_ID, b" " + value.encode()) is None
    for value in ("a@b", "<a>", "<a@b><c@d>", "<a b@c>", "", "<ä@b>"):
        assert repair(MESSAGE_ID, b" " + value.encode()) == b""

"""Whole messages that a generator breaks in ways it knows: what upstream gets is what the client meant, by Python's email.

The generator makes a tree and writes it down with defects; the judge reads what came of it and compares it with the tree,
never with what Sluice thought of it. For more than the suite runs: test_repair_judge.py --build DIR [--first N] [--count N].
"""
import argparse
import base64
import email
import email.header
import email.headerregistry
import email.message
import email.parser
import email.policy
import email.utils
import pathlib
import quopri
import random
import re
import subprocess
import sys

import pytest

from conftest import BUILD

LINES, MISSING, CONTENT = 1, 2, 4
ALL = LINES | MISSING | CONTENT
CHARSET = "cp1252"  # what the fragile client's 8-bit text is, where it is not UTF-8
WORDS = ["Scan", "von", "Büro", "Größe", "naïve", "Übergrößenträger", "3", "–", "€", "=20", "=?", "?=", "_", "a=b", "é", "x" * 50,
         "ñ" * 30]
WIDE = ["日本語のメール", "Привет", "😀😀😀"]
TYPES = ["application/pdf", "image/png", "application/octet-stream", "audio/basic", "application/x-Thing"]


class Judge:
    """One process of repair_text."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, text, repairs=ALL, smtputf8=False):
        """(signed, sevenbit possible, quirks, for 8 bits, for 7 bits)"""
        self.process.stdin.write(b"%d %d %d\n" % (repairs, smtputf8, len(text)) + text)
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode().split()
        assert line, "repair_text ended"
        first, second = int(line[2]), int(line[3])
        out = self.process.stdout.read(first), self.process.stdout.read(second)
        return line[0] == "1", line[1] == "1", set(line[4:]), *out

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


# ---- the generator ----

class Leaf:
    """What a reader must find: `bytes` as they decode; `names` as they are shown."""

    def __init__(self, kind, content, filename=None, charset=None):
        self.kind, self.content, self.filename, self.charset = kind, content, filename, charset


def flip(rng, chance):
    return rng.random() < chance


def random_text(rng, wide=True):
    words = WORDS + (WIDE if wide else [])
    return "".join(rng.choice(words) + rng.choice([" ", " ", " ", "  ", "\t"]) for _ in range(rng.randint(1, 10))).strip()


def encode(rng, text):
    """As UTF-8, or as the client's charset where that cannot be taken for UTF-8."""
    if flip(rng, 0.5):
        try:
            raw = text.encode(CHARSET)
        except UnicodeEncodeError:
            return text.encode()
        try:
            raw.decode()
        except UnicodeDecodeError:
            return raw
    return text.encode()


def random_lines(rng, what):
    """A text's bytes, CRLF at each line's end."""
    out = []
    for _ in range(rng.choice([0, 1, 2, 5, 30])):
        kind = rng.random()
        if what == "binary":
            line = rng.randbytes(rng.randint(0, 300))
        elif kind < 0.1:
            line = b""
        elif kind < 0.2:
            line = rng.choice([b"--", b"-- ", b"-", b"--bx", b".", b"..", b"From me", b"a=20b=", b"=", b"Subject: x", b" x", b"--bx--",
                               b"tail \t", b"\x0b\x0c"])
        elif what == "ascii":
            line = random_text(rng).encode("ascii", "ignore")
        elif what == "utf8":
            line = random_text(rng).encode()
        else:
            line = random_text(rng, False).encode(CHARSET, "ignore")
        if flip(rng, 0.04):
            line = (line or b"x ") * (1200 // max(len(line), 1) + 1)
        if flip(rng, 0.02):
            line += b"y" * rng.choice([997, 998, 999, 1000, 3000])
        if flip(rng, 0.03):
            line = rng.choice([b"\0" + line, line + b"\0\0"])
        out.append(line)
    raw = b"".join(line + b"\n" for line in out)
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def fold_parameter(rng):
    return rng.choice([b"; ", b";", b";\r\n\t", b" ; ", b";\r\n "])


def filename_parameter(rng, name, key):
    try:
        raw = encode(rng, name)
    except UnicodeEncodeError:
        raw = name.encode()
    how = rng.random()
    if how < 0.2:
        return key + b"*=utf-8''" + "".join(chr(b) if chr(b).isalnum() and b < 128 else f"%{b:02X}" for b in name.encode()).encode()
    return key + b'="' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def leaf(rng, last):
    """(header, body, Leaf). `last`: no delimiter comes behind, so that it ends with a line end."""
    is_text = flip(rng, 0.6)
    what = rng.choice(["ascii", "ascii", "utf8", "latin"]) if is_text else rng.choice(["binary", "binary", "ascii", "latin"])
    content = random_lines(rng, what)
    if not last and content and flip(rng, 0.7):
        content = content[:-2]
    encoding = rng.choice([None, None, b"7bit", b"8bit", b"binary", b"base64", b"base64", b"quoted-printable", b"x-strange"])
    header, filename = [], None
    kind = rng.choice(["text/plain", "text/plain", "text/html", "text/x-log"]) if is_text else rng.choice(TYPES)
    if flip(rng, 0.15) and is_text:
        kind = "text/plain"
        charset = None
    else:
        field = b"Content-Type: " + kind.encode()
        charset = {"ascii": b"us-ascii", "utf8": b"utf-8", "latin": b"windows-1252", "binary": b""}[what] if is_text else None
        if flip(rng, 0.3):
            charset = None
        if charset:
            field += fold_parameter(rng) + b"charset=" + rng.choice([charset, b'"' + charset + b'"'])
        elif is_text and flip(rng, 0.2):
            field += fold_parameter(rng) + rng.choice([b"charset=", b'charset=""'])
        if flip(rng, 0.2):
            filename = random_text(rng) + ".pdf"
            field += fold_parameter(rng) + filename_parameter(rng, filename, b"name")
        elif flip(rng, 0.1):
            field += b";"
        header.append(field)
    if filename is None and flip(rng, 0.3):
        filename = random_text(rng) + ".x"
        header.append(b"Content-Disposition: attachment" + fold_parameter(rng) + filename_parameter(rng, filename, b"filename"))
    if encoding is not None:
        header.append(rng.choice([b"Content-Transfer-Encoding: ", b"content-transfer-encoding:"]) + rng.choice([encoding, encoding.upper()]))
    if flip(rng, 0.1):
        header.append(b"Content-Description: " + encode(rng, random_text(rng)))
    if flip(rng, 0.1):
        header.append(b"Content-ID: <a.b@c>")
    if flip(rng, 0.05):
        header.append(b"X-Long: " + b"word " * 300)
    rng.shuffle(header)
    clean = content
    if encoding == b"base64":
        width = rng.choice([76, 76, 60, 1000, 1 << 30])
        coded = base64.b64encode(content)
        body = b"\r\n".join(coded[i:i + width] for i in range(0, len(coded), width))
    elif encoding == b"quoted-printable":
        body = b"\r\n".join(quopri.encodestring(line, quotetabs=True).replace(b"\n", b"\r\n") for line in content.split(b"\r\n"))
        if flip(rng, 0.3):
            body = body.replace(b"=\r\n", b"")
    else:
        body = content
    if last and body and not body.endswith(b"\r\n"):
        body += b"\r\n"
        if encoding != b"base64":
            clean += b"\r\n"
    result = Leaf(kind.lower(), clean, filename, charset)
    result.is_last = last
    result.coded = encoding in (b"base64", b"quoted-printable")
    return header, body, result


def random_boundary(rng, used):
    base = rng.choice(["b", "bound", "=_NextPart 1", "----=_Part_0", "a'()+_,-./:=?b", "x" * 70, "x" * 120, "0" * 12])
    number = len(used)
    used.append(base)
    return (base + ("" if number == 0 else f".{number}" if flip(rng, 0.7) else f" {number}")).encode()


def multipart(rng, depth, last, used, tolerant):
    boundary = random_boundary(rng, used)
    kind = rng.choice(["mixed", "alternative", "related", "mixed", "x-odd", "digest"])
    quoted = b'"' + boundary + b'"'
    if re.fullmatch(rb"[A-Za-z0-9_.'+-]+", boundary) and flip(rng, 0.5):
        quoted = boundary
    header = [b"Content-Type: multipart/" + kind.encode() + fold_parameter(rng) + b"boundary=" + quoted]
    if flip(rng, 0.3):
        header.append(b"Content-Transfer-Encoding: " + rng.choice([b"7bit", b"8bit", b"binary", b"base64" if tolerant else b"8bit"]))
    body = b""
    if flip(rng, 0.3):
        body += rng.choice([b"This is a multi-part message\r\n", "Präambel\r\n".encode(), b"\r\n", b"z" * 1500 + b"\r\n"])
    closed = not last or flip(rng, 0.8)
    if not closed:
        used.append(None)  # told by its being there
    children = []
    count = rng.choice([1, 2, 2, 3])
    for i in range(count):
        is_end = not closed and i == count - 1
        if kind == "digest":
            child = digest_message(rng, depth + 1, is_end, used, tolerant)
        else:
            child = node(rng, depth + 1, is_end, used, tolerant)
        fields, text, tree = child
        body += b"--" + boundary + rng.choice([b"", b"", b" ", b"\t "]) + b"\r\n"
        body += b"".join(field + b"\r\n" for field in fields) + b"\r\n" + text
        if not is_end:
            body += b"\r\n"
        children.append(tree)
    if closed:
        body += b"--" + boundary + b"--" + (b"\r\n" if last or flip(rng, 0.8) else b"")
        if body.endswith(b"\r\n") and flip(rng, 0.2):
            body += rng.choice([b"epilogue\r\n", "Epilög\r\n".encode(), b"\r\n"])
    return header, body, ("multipart/" + kind, children)


def digest_message(rng, depth, last, used, tolerant):
    header, body, tree = message(rng, depth, last, used, tolerant)
    return [], b"".join(field + b"\r\n" for field in header) + b"\r\n" + body, ("message/rfc822", [tree])


def message(rng, depth, last, used, tolerant):
    fields, body, tree = node(rng, depth + 1, last, used, tolerant)
    header = [b"Subject: " + encode(rng, random_text(rng)), b"From: inner@example.com"]
    if flip(rng, 0.7):
        header.append(b"MIME-Version: 1.0")
    return header + fields, body, tree


def nested(rng, depth, last, used, tolerant):
    header, body, tree = message(rng, depth, last, used, tolerant)
    outer = [b"Content-Type: message/rfc822" + rng.choice([b"", b"; name=x.eml"])]
    if flip(rng, 0.3):
        outer.append(b"Content-Transfer-Encoding: " + rng.choice([b"7bit", b"8bit"]))
    return outer, b"".join(field + b"\r\n" for field in header) + b"\r\n" + body, ("message/rfc822", [tree])


def node(rng, depth, last, used, tolerant):
    kind = rng.random()
    if depth < 5 and kind < 0.4 / (1 + depth / 3):
        return multipart(rng, depth, last, used, tolerant)
    if depth < 4 and kind < 0.5:
        return nested(rng, depth, last, used, tolerant)
    return leaf(rng, last)


class Case:
    pass


def mailbox(rng):
    """(raw, display name, address)"""
    name = rng.choice(["", random_text(rng, False), "Hans Müller", "Büro", "Scan, Station 3", "O'Neil", "Dr. Ärmel", 'He "x" said', "Smith"])
    address = rng.choice(["a@example.com", "scan.station@example.com", "x+y@b.example.org", '"odd one"@example.com'])
    if not name:
        return rng.choice([address, "<" + address + ">"]).encode(), "", address
    raw = encode(rng, name)
    if re.search(rb'[^A-Za-z0-9 \x80-\xff\']', raw) or flip(rng, 0.4):
        raw = b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return raw + b" <" + address.encode() + b">", name, address


def generate(seed):
    rng = random.Random(seed)
    case = Case()
    used = []
    fields, body, case.tree = node(rng, 0, True, used, True)
    case.is_closed = None not in used
    raw, name, address = mailbox(rng)
    case.sender, case.subject, case.to = (name, address), None, []
    header = [b"From: " + raw]
    if flip(rng, 0.1):
        header, case.sender = [], ("", "envelope@example.com")
    if flip(rng, 0.9):
        case.subject = random_text(rng)
        if flip(rng, 0.05):
            case.subject = " ".join([case.subject] * 40)
        header.append(b"Subject:" + rng.choice([b" ", b" ", b""]) + encode(rng, case.subject))
    count = rng.choice([0, 1, 1, 2, 3, 100])
    boxes = [mailbox(rng) for _ in range(count)]
    if boxes:
        header.append(b"To: " + rng.choice([b", ", b",\r\n ", b","]).join(box[0] for box in boxes))
        case.to = [box[1:] for box in boxes]
    if flip(rng, 0.7):
        header.append(b"Date: " + rng.choice([b"Mon, 21 Sep 2026 10:00:00 +0000", b"Thu, 1 Jan 1970 00:00:00 GMT", b"heute", b"",
                                              b"21 Sep 26 10:00 EST", b"2026-09-21T10:00:00Z", b"Mon, 21 Sep 2026 10:00:00"]))
    if flip(rng, 0.7):
        header.append(b"Message-ID: " + rng.choice([b"<1@example.com>", b"1@example.com", b"", b"<1>", "<ü@example.com>".encode()]))
    if flip(rng, 0.6):
        header.append(b"MIME-Version: 1.0")
    if flip(rng, 0.2):
        header.append(b"Bcc: secret@example.com" + rng.choice([b"", b",\r\n more@example.com"]))
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        header.append(rng.choice([b"From: second@example.com", b"Date: Tue, 22 Sep 2026 10:00:00 +0000", b"Message-ID: <2@example.com>",
                                  b"X-Thing: " + encode(rng, random_text(rng)), b"X-Long: " + b"abc " * 600, b"X-Word: " + b"w" * 2500,
                                  b"References: " + b" ".join(b"<%d@example.com>" % i for i in range(200)),
                                  b"Received: from x (" + "büro".encode(CHARSET) + b") by y; Mon, 21 Sep 2026 10:00:00 +0000",
                                  b"X-Nul: a\0b", b"Comments: " + "é".encode() * 700]))
    header += fields
    if flip(rng, 0.7):
        rng.shuffle(header)
    first = next((i for i, field in enumerate(header) if field.lower().startswith(b"from:")), None)
    if first is not None and header[first] == b"From: second@example.com":
        case.sender = ("", "second@example.com")
    top = rng.choice([b"", b"", b"", b"", b"", b"From scan Mon Sep 21 10:00:00 2026\r\n"])
    case.text = top + b"".join(field + b"\r\n" for field in header) + b"\r\n" + body
    return case


# ---- the judge ----

def check_canonical(text):
    assert text.endswith(b"\r\n")
    lines = text.split(b"\r\n")
    assert all(len(line) <= 998 and not re.search(b"[\r\n\0]", line) for line in lines)


def header_of(text):
    return text.split(b"\r\n\r\n")[0] + b"\r\n"


def clean(box):
    return " ".join(box[0].split()), box[1]


def mailboxes(header, name):
    """Of the field; blanks in names are as good as one."""
    value = re.search(rb"^" + name + rb":((?:.|\r\n[ \t])*)\r\n", header, re.M).group(1).decode().replace("\r\n", "")
    boxes = email.utils.getaddresses([value])
    return [clean((str(email.header.make_header(email.header.decode_header(box[0]))), box[1])) for box in boxes]


def check_header(text, case):
    header = header_of(text)
    assert header.isascii()
    names = [name.lower() for name in re.findall(rb"^([!-9;-~]+)[ \t]*:", header, re.M)]
    for name in (b"from", b"date", b"message-id"):
        assert names.count(name) == 1, name
    assert b"bcc" not in names
    message = email.parser.BytesHeaderParser(policy=email.policy.default).parsebytes(header + b"\r\n")
    defects = [d for d in message.defects if "Multipart" not in type(d).__name__]  # there is only a header
    assert not defects, defects
    date = message["date"].datetime
    assert date is not None and 2001 <= date.year <= 2026, message["date"]
    assert re.fullmatch(r"<[!-;=?A-~]+@[!-;=?A-~]+>", message["message-id"].strip()), message["message-id"]
    for name in ("from", "to", "subject", "date"):
        assert not [d for d in message[name].defects if "Obsolete" not in type(d).__name__] if message[name] is not None else True, \
            (name, message[name].defects, str(message[name]))
    assert mailboxes(header, b"From") == [clean(case.sender)], (mailboxes(header, b"From"), case.sender)
    if case.subject is not None:
        assert str(message["subject"]) == case.subject.strip(), (str(message["subject"]), case.subject)
    if case.to:
        found, wanted = mailboxes(header, b"To"), [clean(box) for box in case.to]
        assert found == wanted, [(a, b) for a, b in zip(found, wanted) if a != b]


def flatten(tree):
    if isinstance(tree, Leaf):
        return [(tree.kind, tree)]
    kind, children = tree
    out = [(kind, len(children))]
    for child in children:
        out += flatten(child)
    return out


def parts_of(message):
    return list(message.walk())


def expected_payloads(leaf):
    """NULs go where the text is not coded, or not written anew as bytes. Python takes the last line end from an open part."""
    wanted = [leaf.content] if leaf.coded else [leaf.content, leaf.content.replace(b"\0", b"")]
    return wanted + [content[:-2] for content in wanted if leaf.is_last and content.endswith(b"\r\n")]


def check_parts(text, case, sevenbit):
    message = email.message_from_bytes(text, policy=email.policy.compat32)
    found, wanted = parts_of(message), flatten(case.tree)
    shape = [part.get_content_type() for part in found]
    assert shape == [kind for kind, _ in wanted], (shape, [kind for kind, _ in wanted])
    for part, (kind, leaf) in zip(found, wanted):
        if not isinstance(leaf, Leaf):
            assert len(part.get_payload()) == leaf
            continue
        payload = part.get_payload(decode=True)
        assert payload in expected_payloads(leaf), (kind, part.items(), payload[-300:], leaf.content[-300:])
        if b"\0" in leaf.content and not leaf.coded and part.get_content_maintype() == "text":
            assert b"\0" not in payload
        if leaf.filename is not None:
            name = email.message_from_bytes(header_bytes(part), policy=email.policy.default).get_filename()
            assert name is not None and name.strip() == leaf.filename, (name, leaf.filename)
        if kind.startswith("text/") and not payload.isascii() and not leaf.coded and leaf.charset is None:
            charset = part.get_content_charset()
            assert charset is not None
            payload.decode(charset)


def header_bytes(part):
    return b"".join(f"{name}: {value}\r\n".encode("ascii", "surrogateescape") for name, value in part.items()) + b"\r\n"


def check_case(judge, case):
    signed, possible, quirks, eight, seven = judge.ask(case.text)
    assert not signed
    for text, sevenbit in ((eight, False), (seven, True)):
        check_canonical(text)
        check_header(text, case)
        check_parts(text, case, sevenbit)
    assert possible and seven.isascii()
    known = set() if case.is_closed else {"Q-80"}
    again = judge.ask(eight)
    assert again[3] == eight and again[2] <= known, ("again", again[2])
    again = judge.ask(seven)
    assert again[4] == seven and again[3] == seven and again[2] <= known, ("again", again[2])


# ---- what nobody meant ----

LITTER = [b"", b" ", b"Content-Type: text/html", b"Content-Transfer-Encoding: base64", b"MIME-Version: 1.0", b"no field",
          b"From: x@y.example", b"Content-Type: multipart/mixed; boundary=b", "Größe".encode(), b"--b", b"--b--", b"\0"]
SPECKS = [b'"', b"(", b")", b";", b",", b"\\", b"=", b"<", b"=?utf-8?q?\xe9?=", b" " * 70, b"\xe9" * 300, b"\0", b"\xe9", b"\0\0"]


def damage(rng, text):
    """Without knowing what it does."""
    lines = text.split(b"\r\n")[:-1]
    for _ in range(rng.choice([1, 1, 2, 3, 6])):
        at = rng.randrange(len(lines))
        line, kind = lines[at], rng.randrange(9)
        column = rng.randint(0, len(line))
        if kind == 0 and len(lines) > 1:
            del lines[at]
        elif kind == 1:
            lines.insert(at, rng.choice(lines))
        elif kind in (2, 3):
            lines[at] = line[:column] + rng.choice(SPECKS) + line[column:]
        elif kind == 4:
            lines[at] = line[:column] + line[column + 1:]
        elif kind == 5:
            lines.insert(at, rng.choice(LITTER))
        elif kind == 6 and b"" in lines:
            lines.remove(b"")
        elif kind == 7:
            lines[at] = rng.choice([line * 2, b" " + line, b"\0" + line])
        elif kind == 8 and flip(rng, 0.3):
            del lines[at + 1:]
    return b"".join(line + b"\r\n" for line in lines)


def check_damaged(judge, text):
    """Whatever it is: what goes on is a message, the same for every reader, and there is nothing left to do."""
    _, possible, _, eight, seven = judge.ask(text)
    for out in (eight, seven):
        check_canonical(out)
        header = header_of(out)
        names = [name.lower() for name in re.findall(rb"^([!-9;-~]+)[ \t]*:", header, re.M)]
        assert all(names.count(name) == 1 for name in (b"from", b"date", b"message-id")), names
        assert b"bcc" not in names
        assert header.isascii()
    assert possible and seven.isascii()
    assert judge.ask(eight)[3] == eight
    assert judge.ask(seven)[3:] == (seven, seven)


def well_formed(rng):
    """By Python's own writer."""
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"] = email.headerregistry.Address(" ".join(random_text(rng).split()), "scan", "example.com")
    message["To"] = "b@example.org"
    message["Subject"] = " ".join(random_text(rng).split())
    message["Date"] = "Mon, 21 Sep 2026 10:00:00 +0000"
    message["Message-ID"] = "<1@example.com>"
    message.set_content(random_text(rng) + "\n", cte=rng.choice(["quoted-printable", "base64", "8bit"]))
    if flip(rng, 0.5):
        message.add_alternative("<b>" + random_text(rng) + "</b>\n", subtype="html")
    for _ in range(rng.randint(0, 2)):
        message.add_attachment(rng.randbytes(rng.randint(0, 500)), maintype="application", subtype="pdf",
                               filename=random_text(rng).replace("\t", " ") + ".pdf")
    return message.as_bytes()


@pytest.fixture
def judge():
    made = Judge(BUILD / "tests" / "repair_text")
    yield made
    made.close()


@pytest.mark.parametrize("first", [0, 10_000_000])
def test_broken_messages_are_what_the_client_meant(judge, first):
    for seed in range(first, first + 80):
        try:
            check_case(judge, generate(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_whatever_comes_a_message_goes_on(judge):
    for seed in range(300):
        text = damage(random.Random(seed), generate(seed).text)
        try:
            check_damaged(judge, text)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.parametrize("where", ["before", "behind"])
def test_nuls_of_each_line_change_nothing(judge, where):
    """As of a client that writes its strings with the NUL that ends them."""
    new = {"before": b"\r\n\0", "behind": b"\0\r\n"}[where]
    for seed in range(100):
        case = generate(seed)
        if b"From scan" in case.text or b"\r\n\r\n " in case.text:
            continue
        text = case.text.replace(b"\0", b"").replace(b"\r\n", new)
        text = text[:-1] if text.endswith(b"\0") else text
        _, _, _, eight, seven = judge.ask(text)
        for out in (eight, seven):
            check_canonical(out)
            check_header(out, case)
            shape = [part.get_content_type() for part in parts_of(email.message_from_bytes(out))]
            assert shape == [kind for kind, _ in flatten(case.tree)], seed


def test_what_is_well_formed_goes_on_byte_for_byte(judge):
    for seed in range(60):
        text = well_formed(random.Random(seed))
        _, _, quirks, eight, seven = judge.ask(text)
        assert (quirks, eight) == (set(), text), seed
        assert seven == text or not text.isascii()


def test_what_is_signed_keeps_its_bytes(judge):
    for seed in range(100):
        text = b"DKIM-Signature: v=1\r\n" + generate(seed).text
        signed, _, quirks, eight, seven = judge.ask(text)
        assert signed and quirks <= {"Q-71"}
        assert eight == seven == text.replace(b"\0", b"")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=BUILD)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--show", type=int, default=10)
    options = parser.parse_args()
    judge = Judge(pathlib.Path(options.build) / "tests" / "repair_text")
    failed = 0
    for seed in range(options.first, options.first + options.count):
        try:
            check_case(judge, generate(seed))
            check_damaged(judge, damage(random.Random(seed), generate(seed).text))
        except AssertionError as error:
            failed += 1
            import traceback
            where = [f for f in traceback.extract_tb(error.__traceback__)][-1]
            if failed <= options.show:
                print(f"{seed}: line {where.lineno} {where.line[:60]}: {str(error)[:600]}")
    print(f"{failed} of {options.count} failed")


if __name__ == "__main__":
    main()

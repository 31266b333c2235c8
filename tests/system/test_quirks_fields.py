"""Header fields that clients get wrong, through the relay: the bytes that arrive, the message's list, the ledger's example."""
import email
import email.policy
import email.utils
import re
import time

import pytest

from conftest import wait_until

DATE = b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
FROM = b"From: a@example.com\r\n"
ID = b"Message-ID: <1@example.com>\r\n"
BODY = b"\r\nhello\r\n"
OPTIONS = 'domain = example.edu\n  charset = windows-1252'


class Way:
    """One message's way: taken, looked at while the upstream is busy, then let through."""

    def __init__(self, relay, upstream):
        self.relay, self.upstream = relay, upstream

    def go(self, text, quirk, sender="a@example.com"):
        """Returns what arrives without our Received field, and how Python reads it."""
        self.upstream.busy("mail")
        before = self.upstream.count()["messages"]
        with self.relay.client() as client:
            client.hello()
            identity = client.message(text, sender=sender)
        self.quirks = set(self.relay.api(f"/v1/queue/messages/{identity}")["quirks"])
        assert quirk is None or quirk in self.quirks
        self.example = quirk and wait_until(lambda: self.ledger(quirk), what="the ledger's entry")["example"]
        self.upstream.open()
        arrived = self.upstream.wait_for(before + 1)[-1]
        assert re.fullmatch(rb"(?:[^\r\n\0]{0,998}\r\n)*", arrived), "canonical lines"
        own = re.match(rb"Received:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*", arrived)
        text = arrived[own.end():]
        return text, email.message_from_bytes(text, policy=email.policy.default)

    def ledger(self, quirk):
        clients = self.relay.api("/v1/clients")["clients"]
        if not clients:
            return None
        shown = self.relay.api("/v1/clients/127.0.0.1")
        return next((row for row in shown["quirks"] if row["quirk"] == quirk), None)


@pytest.fixture
def way(make_relay, upstream):
    return Way(make_relay(upstream.port, profile="fragile", listen=OPTIONS), upstream)


def seconds_off(value):
    return abs(email.utils.parsedate_to_datetime(value).timestamp() - time.time())


# ---- Q-72, Q-73 ----

@pytest.mark.parametrize("field, kept", [(b"", None), (b"Message-ID: 17\r\n", "17"), (b"Message-Id: <a@b> <c@d>\r\n", "<a@b> <c@d>"),
                                         (b"Message-ID:\r\n", "")], ids=["none", "bare", "two", "empty"])
def test_q72_message_id_is_there_and_one(way, field, kept):
    text, message = way.go(FROM + DATE + field + BODY, "Q-72")
    assert re.fullmatch(r"<[0-9A-F]+@relay\.example>", message["Message-ID"]), text
    assert len(re.findall(rb"(?mi)^Message-ID:", text)) == 1
    assert kept is None or (message["X-Original-Message-ID"] or "") == kept
    assert kept is None or way.example == field.decode().rstrip()


@pytest.mark.parametrize("date", [b"Thu, 01 Jan 1970 00:00:00 +0000", b"Sat, 01 Jan 2000 00:00:12 +0000", b"Thu, 07 Feb 2036 06:28:15 +0000",
                                  b"Sun, 22 Nov 2026 10:00:00", b"2026-11-22 10:00", b"", b"\xff\xfe"],
                         ids=["1970", "2000", "2036", "no zone", "iso", "empty", "binary"])
def test_q73_a_date_that_cannot_be_true_is_kept_and_a_true_one_written(way, date):
    text, message = way.go(FROM + b"Date: " + date + b"\r\n" + ID + BODY, "Q-73")
    assert len(re.findall(rb"(?m)^Date:", text)) == 1 and text.isascii()
    assert seconds_off(message["Date"]) < 3600
    assert message["X-Original-Date"] is not None
    assert not date.isascii() or str(message["X-Original-Date"]).strip() == date.decode()
    assert not date.isascii() or way.example == f"Date: {date.decode()}".rstrip()


def test_q73_a_missing_date_is_written(way):
    _, message = way.go(FROM + ID + BODY, "Q-73")
    assert seconds_off(message["Date"]) < 3600
    assert message["X-Original-Date"] is None and not way.example


# ---- Q-74, Q-39 ----

@pytest.mark.parametrize("fields, wanted, name, kept", [
    (b"", "a@example.com", "", None),
    (b"From:\r\n", "a@example.com", "", ""),
    (b"From: ,\r\n", "a@example.com", "", ","),
    (b"From: one@example.com\r\nFrom: two@example.com\r\n", "one@example.com", "", "two@example.com"),
    (b"From: B\xfcro <b@example.com>\r\n", "b@example.com", "B\xfcro", None),
    ("From: Büro, 3. Stock <b@example.com>\r\n".encode(), "b@example.com", "Büro, 3. Stock", None),
    (b"From: printer\r\n", "printer@example.edu", "", None),
    (b"From: Scanner <printer>\r\n", "printer@example.edu", "Scanner", None),
    (b"From: My <Printer> <p@example.com>\r\n", "p@example.com", None, None),
], ids=["none", "empty", "comma", "two", "latin-1", "utf-8 comma", "unqualified", "unqualified name", "brackets"])
def test_q74_q39_there_is_one_from_that_can_be_answered(way, fields, wanted, name, kept):
    text, message = way.go(fields + DATE + ID + BODY, None)
    assert way.quirks & {"Q-74", "Q-75", "Q-39"}, way.quirks
    assert len(re.findall(rb"(?m)^From:", text)) == 1 and text.isascii(), text
    (address,) = message["From"].addresses
    assert address.addr_spec == wanted and not message["From"].defects, text
    assert name is None or address.display_name == name
    assert kept is None or (message["X-Original-From"] or "").strip() == kept


def test_q74_the_null_sender_has_a_from_too(way):
    _, message = way.go(DATE + ID + BODY, "Q-74", sender="")
    assert message["From"].addresses[0].addr_spec == "postmaster@relay.example"


def test_q39_unqualified_addresses_get_the_domain_of_the_client(way):
    text, message = way.go(FROM + b"To: bob, Eve <eve>\r\nCc: x@example.org, hans\r\n" + DATE + ID + BODY, "Q-39")
    assert [a.addr_spec for a in message["To"].addresses] == ["bob@example.edu", "eve@example.edu"]
    assert [a.addr_spec for a in message["Cc"].addresses] == ["x@example.org", "hans@example.edu"]
    assert way.example == "To: bob, Eve <eve>"


# ---- Q-75 ----

@pytest.mark.parametrize("charset", ["windows-1252", "utf-8"])
def test_q75_a_raw_subject_is_encoded_and_reads_the_same(way, charset):
    shown = "Scan – Büro 3, Größe 12 € " + "und noch mehr Größe " * 8
    text, message = way.go(FROM + DATE + ID + b"Subject: " + shown.encode(charset) + b"\r\n" + BODY, "Q-75")
    assert str(message["Subject"]).strip() == shown.strip()
    assert text.isascii()
    assert all(len(line) <= 78 for line in text.split(b"\r\n"))
    assert way.example.startswith("Subject: Scan ")


def test_q75_raw_names_of_recipients_and_files_are_encoded(way):
    text = (FROM + DATE + ID + "To: Jörg Groß <j@example.org>, Müller, Eva <e@example.org>\r\n".encode("windows-1252")
            + b"X-Scanner: Ger\xe4t\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            b"Content-Type: application/pdf; name=\"B\xfcro.pdf\"\r\nContent-Disposition: attachment; filename=\"B\xfcro.pdf\"\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\n--b--\r\n")
    arrived, message = way.go(text, "Q-75")
    assert arrived.isascii()
    assert "j@example.org" in [a.addr_spec for a in message["To"].addresses]
    assert message["To"].addresses[0].display_name == "Jörg Groß"
    assert message["X-Scanner"] == "Gerät"
    (part,) = message.iter_parts()
    assert part.get_filename() == "Büro.pdf" and part.get_content() == b"ABC"


# ---- Q-88 ----

@pytest.mark.parametrize("text", [b"UPS on battery\r\nload: 20%\r\n", b"Alarm: battery low\r\n", b"Alarm: battery low\r\nLoad: 20%\r\n", b"\r\nUPS on battery\r\n", b"UPS on battery: now\r\n", b"x\r\n"],
                         ids=["text", "one field", "fields that are none", "blank line", "words and colon", "one letter"])
def test_q76_a_body_alone_gets_a_header(way, text):
    arrived, message = way.go(text, "Q-76")
    assert message["From"].addresses[0].addr_spec == "a@example.com" and message["Date"] and message["Message-ID"]
    assert not message.defects
    assert arrived.endswith(b"\r\n\r\n" + text.lstrip())


def test_q76_only_fields_is_a_message_without_a_body(way):
    _, message = way.go(FROM + DATE + ID + b"Subject: all there is\r\n", None)
    assert message["Subject"] == "all there is" and message.get_payload().strip() == ""


def test_q77_an_mbox_line_goes(way):
    text, _ = way.go(b"From root@ups Sun Nov 22 10:00:00 2026\r\n" + FROM + DATE + ID + BODY, "Q-77")
    assert text == FROM + DATE + ID + BODY
    assert way.example == "From root@ups Sun Nov 22 10:00:00 2026"


def test_q77_an_mbox_line_before_a_body_alone(way):
    _, message = way.go(b"From root@ups Sun Nov 22 10:00:00 2026\r\non battery\r\n", "Q-77")
    assert message["From"].addresses[0].addr_spec == "a@example.com" and message.get_payload() == "on battery\r\n"


@pytest.mark.parametrize("count, size", [(60, 1500), (4000, 64000), (43000, 1000000)], ids=["1.5 kB", "90 kB", "1 MB"])
def test_q78_a_to_list_of_any_length_is_folded_and_nobody_lost(way, count, size):
    people = [b"user%06d@example.org" % number for number in range(count)]
    value = b", ".join(people)
    assert len(value) > size / 2
    text, message = way.go(FROM + DATE + ID + b"To: " + value + b"\r\nSubject: behind\r\n" + BODY, "Q-78")
    assert max(map(len, text.split(b"\r\n"))) <= 998
    assert re.findall(rb"user\d+@example\.org", text) == people
    assert re.search(rb"\r\nSubject: behind\r\n\r\nhello\r\n$", text)
    assert way.example.startswith("To: user000000@example.org, ") and len(way.example) <= 120
    folded = re.search(rb"(?ms)^To:(.*?)\r\n(?=Subject)", text).group(1)
    assert re.sub(rb"\r\n", b"", folded).strip() == value or [part.strip() for part in folded.split(b",")] == people


def test_q78_a_long_subject_reads_the_same(way):
    shown = "x" * 2500 + " " + "word " * 300
    _, message = way.go(FROM + DATE + ID + b"Subject: " + shown.encode() + b"\r\n" + BODY, "Q-78")
    assert re.sub(r"\s+", " ", str(message["Subject"])).strip() == shown.strip()


def test_q79_bcc_is_told_to_nobody(way):
    text, _ = way.go(FROM + b"BCC: secret@example.org,\r\n\tother@example.org\r\n" + DATE + ID + BODY, "Q-79")
    assert text == FROM + DATE + ID + BODY
    assert "secret@example.org" in way.example


@pytest.mark.parametrize("value", [b"text/plain; charset=", b'text/plain; charset=""', b"text/plain; charset=; format=flowed"],
                         ids=["nothing", "quotes", "more behind"])
@pytest.mark.parametrize("body", [b"hello", "Grüße €".encode("windows-1252"), "Grüße €".encode()], ids=["ascii", "latin", "utf-8"])
def test_q88_an_empty_charset_is_filled_where_it_matters(way, value, body):
    head = FROM + DATE + ID + b"MIME-Version: 1.0\r\nContent-Type: " + value + b"\r\n"
    text, message = way.go(head + b"\r\n" + body + b"\r\n", "Q-88")
    assert message.get_content().rstrip() == (body.decode() if body.isascii() else "Grüße €"), text
    assert way.example == "Content-Type: " + value.decode()
    assert not re.search(rb'charset=(?:""|;|\r)', text)


# ---- Q-63, Q-71 ----

def test_q71_nuls_in_header_and_body_go(way):
    text, message = way.go(b"From: a@exa\0mple.com\r\n" + DATE + ID + b"Subject: al\0arm\r\n\r\nhel\0lo\0\r\n", "Q-71")
    assert b"\0" not in text
    assert message["Subject"] == "alarm" and message["From"] == "a@example.com"
    assert message.get_payload().rstrip() == "hello"
    assert way.example == "From: a@exa\\0mple.com"


def test_q63_a_lone_cr_ends_a_line_in_header_and_body(way):
    text, message = way.go(FROM + DATE + ID + b"Subject: one\rX-Two: two\r\n\r\nthree\rfour\r\r\nfive\r\n", "Q-63")
    assert message["Subject"] == "one" and message["X-Two"] == "two"
    assert b"\r\n\r\nthree\r\nfour\r\n" in text and text.endswith(b"five\r\n")

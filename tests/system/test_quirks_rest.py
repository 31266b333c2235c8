"""Quirks of the text, each by its number: accepted, listed on the message, and repaired in what goes upstream."""
import re

import pytest

from conftest import wait_until

DATE = b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
HEAD = b"From: a@example.com\r\n" + DATE + b"Message-ID: <1@example.com>\r\n"
MANY = b", ".join(b"user%d@example.org" % number for number in range(100))
MULTIPART = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n"

# what is sent, what must be in what arrives (a pattern), what must not
TEXTS = [
    ("test_q69", HEAD + b"\r\n" + b"word " * 400 + b"\r\n", rb"quoted-printable", rb"[^\n]{999}"),
    ("test_q70", HEAD + b"\r\ngr\xfc\xdfe\r\n", rb"MIME-Version: 1\.0\r\nContent-Type: text/plain; charset=", None),
    ("test_q72", b"From: a@example.com\r\n" + DATE + b"\r\nx\r\n", rb"\nMessage-ID: <[0-9A-F]+@relay\.example>\r", None),
    ("test_q73", b"From: a@example.com\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nx\r\n",
     rb"\nX-Original-Date: Thu, 01 Jan 1970", rb"\nDate: Thu, 01 Jan 1970"),
    ("test_q73_none", b"From: a@example.com\r\nMessage-ID: <1@x>\r\n\r\nx\r\n", rb"\nDate: \w+, \d+ \w+ 20\d\d", None),
    ("test_q74", DATE + b"Message-ID: <1@x>\r\nSubject: x\r\n\r\nx\r\n", rb"\nFrom: <a@example\.com>\r", None),
    ("test_q75", HEAD + b"Subject: gr\xfc\xdfe\r\n\r\nx\r\n", rb"\nSubject: =\?[\w-]+\?Q\?gr=[^?]+\?=\r", rb"[\x80-\xff]"),
    ("test_q76", b"just text\r\nand more\r\n", rb"\r\n\r\njust text\r\nand more\r\n$", None),
    ("test_q77", b"From a@example.com Sun Nov 22 10:00:00 2026\r\n" + HEAD + b"\r\nx\r\n", rb"\nFrom: a@example\.com", rb"\nFrom a@"),
    ("test_q78", HEAD + b"To: " + MANY + b"\r\n\r\nx\r\n", rb"user0@example\.org,(?:\s+user\d+@example\.org,?)+\r\n", rb"[^\n]{999}"),
    ("test_q79", HEAD + b"Bcc: secret@example.org\r\nSubject: x\r\n\r\nx\r\n", rb"\nSubject: x\r", rb"secret"),
    ("test_q80", HEAD + MULTIPART, rb"\n--b\r\n\r\nx\r\n", None),
    ("test_q88", HEAD + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=\r\n\r\nx\r\n", rb"\nContent-Type: text/plain", rb"charset=\r"),
]


@pytest.mark.parametrize("sent, wanted, unwanted", [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS])
def test_an_odd_text_is_taken_listed_and_repaired(make_relay, upstream, request, sent, wanted, unwanted):
    number = re.search(r"\[test_q(\d+)", request.node.name).group(1)
    upstream.busy("banner")
    relay = make_relay(upstream.port, profile="fragile")
    with relay.client() as client:
        client.hello()
        identity = client.message(sent)
    assert f"Q-{number}" in relay.api(f"/v1/queue/messages/{identity}")["quirks"]
    assert re.search(rf"Q-{number} \w", relay.command("queue", "show", identity)), "its name is shown"
    wait_until(lambda: f"Q-{number}" in [quirk["quirk"] for client in relay.api("/v1/clients")["clients"] for quirk in client["quirks"]],
               what="the ledger's entry")
    upstream.open()
    (text,) = upstream.wait_for(1)
    assert re.search(wanted, text), text
    assert unwanted is None or not re.search(unwanted, text), text


def test_q64_text_behind_an_unstuffed_dot_is_counted(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile")
    with relay.client() as client:
        client.hello()
        client.message(HEAD + b"\r\nlist:\r\n")
        client.send(b"the second line\r\nand the third\r\n")
        client.expect(500)
        client.expect(500)
    assert relay.metric('sluice_quirks_total{quirk="Q-64"}') == 1

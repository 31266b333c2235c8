"""Bodies and MIME that clients get wrong: what upstream gets is canonical, and decodes to the bytes that the client sent."""
import email
import email.policy
import random

import pytest

HEAD = (b"From: a@example.com\r\nTo: b@example.org\r\nSubject: scan\r\nDate: Mon, 21 Sep 2026 10:00:00 +0000\r\n"
        b"Message-ID: <1@example.com>\r\n")
MIME = HEAD + b"MIME-Version: 1.0\r\n"


@pytest.fixture
def fragile(make_relay, upstream):
    return make_relay(upstream.port, profile="fragile")


def send(relay, upstream, text):
    """The text as upstream gets it, without our Received field; and its message, judged by Python."""
    before = upstream.count()["messages"]
    with relay.client() as client:
        client.hello()
        client.message(text)
    out = upstream.wait_for(before + 1)[-1]
    lines = out.split(b"\r\n")
    assert lines.pop(0).startswith(b"Received:")
    while lines[0].startswith((b" ", b"\t")):
        lines.pop(0)
    assert all(len(line) <= 998 and b"\n" not in line and b"\r" not in line for line in lines)
    assert b"\0" not in out and lines[-1] == b""
    out = b"\r\n".join(lines)
    return out, email.message_from_bytes(out, policy=email.policy.default)


def quirks_of(make_relay, text):
    """By the API, where the upstream is away."""
    relay = make_relay(1, profile="fragile")
    with relay.client() as client:
        client.hello()
        identifier = client.message(text)
    return set(relay.api(f"/v1/queue/messages/{identifier}")["quirks"])


def payloads(message):
    return [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]


def decoded(text):
    return payloads(email.message_from_bytes(text, policy=email.policy.default))


def part(head, body, boundary=b"b"):
    return b"--" + boundary + b"\r\n" + head + b"\r\n" + body + b"\r\n"


# ---- Q-69 ----

LONG = bytes(random.Random(1).choice(b"abc =.<>-") for _ in range(5000))
LONG_CASES = {
    "html": MIME + b"Content-Type: text/html\r\n\r\n" + LONG + b"\r\nend\r\n",
    "no mime": HEAD + b"\r\n" + LONG + b"\r\n",
    "base64": MIME + b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * 1000 + b"\r\n",
    "quoted": MIME + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
              + b"=41=42 x" * 300 + b"\r\n",
    "binary": MIME + b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\n\r\n\xff\xfe" + LONG + b"\r\n",
    "nested": MIME + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
              + part(b"Content-Type: multipart/alternative; boundary=c\r\n",
                     part(b"Content-Type: text/plain\r\n", b"short", b"c")
                     + part(b"Content-Type: text/html; charset=utf-8\r\n", b"\xc3\xa4" * 600, b"c") + b"--c--")
              + part(b"Content-Type: message/rfc822\r\n", b"Subject: within\r\n\r\n" + LONG) + b"--b--\r\n",
}


@pytest.mark.parametrize("case", LONG_CASES)
def test_q69_long_lines_decode_to_the_bytes_that_came(fragile, upstream, case):
    text = LONG_CASES[case]
    out, message = send(fragile, upstream, text)
    assert max(map(len, text.split(b"\r\n"))) > 998
    assert payloads(message) == decoded(text)
    assert not message.defects


def test_q69_is_noted(make_relay):
    assert "Q-69" in quirks_of(make_relay, LONG_CASES["html"])


# ---- Q-70 ----

@pytest.mark.parametrize("body, charset", [("Grüße".encode(), "utf-8"), ("Grüße".encode("latin-1"), None)])
def test_q70_eightbit_text_gets_mime_fields(fragile, upstream, body, charset):
    out, message = send(fragile, upstream, HEAD + b"\r\n" + body + b"\r\n")
    assert out.endswith(b"\r\n\r\n" + body + b"\r\n")
    assert message["MIME-Version"] == "1.0" and message["Content-Transfer-Encoding"] == "8bit"
    assert charset is None or message.get_content_charset() == charset
    assert message.get_content().strip() == "Grüße"


def test_q70_a_part_without_charset_gets_one(fragile, upstream):
    text = MIME + b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" + part(
        b"Content-Type: text/plain; name=x;\r\nContent-Transfer-Encoding: 7bit\r\n", "Grüße".encode()) + b"--b--\r\n"
    _, message = send(fragile, upstream, text)
    (inner,) = message.iter_parts()
    assert inner.get_content() == "Grüße" and inner["Content-Transfer-Encoding"] == "8bit"
    assert message["Content-Transfer-Encoding"] == "8bit"


def test_q70_is_noted(make_relay):
    assert "Q-70" in quirks_of(make_relay, HEAD + b"\r\n\xe4\r\n")


# ---- Q-71 ----

def test_q71_nuls_leave_text_and_stay_in_files(fragile, upstream):
    text = MIME + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part(b"", b"al\0arm") + part(
        b"Content-Type: application/octet-stream\r\n", b"\0\1\0") + b"--b--\r\n"
    _, message = send(fragile, upstream, text)
    assert payloads(message) == [b"alarm", b"\0\1\0"]


def test_q71_is_noted(make_relay):
    assert "Q-71" in quirks_of(make_relay, HEAD + b"\r\na\0b\r\n")


# ---- Q-79 ----

def test_q76_a_text_without_header_gets_one(fragile, upstream):
    _, message = send(fragile, upstream, b"UPS on battery\r\nload 20%\r\n")
    assert message.get_payload() == "UPS on battery\r\nload 20%\r\n"
    assert message["From"] == "a@example.com" and message["Date"] and message["Message-ID"]


def test_q76_an_empty_line_comes_before_the_first_line_that_is_no_field(fragile, upstream):
    out, message = send(fragile, upstream, HEAD + b"battery low\r\n\r\nload: 20%\r\n")
    assert out == HEAD + b"\r\nbattery low\r\n\r\nload: 20%\r\n"


def test_q76_is_noted(make_relay):
    assert "Q-76" in quirks_of(make_relay, b"UPS on battery\r\n")


def test_q77_mbox_line_and_leading_blanks_go(fragile, upstream):
    out, _ = send(fragile, upstream, b"From root Mon Sep 21 10:00:00 2026\r\n" + HEAD + b"\r\nx\r\n")
    assert out == HEAD + b"\r\nx\r\n"
    head = HEAD.replace(b"<1@", b"<2@")  # the same again would be Q-87
    out, _ = send(fragile, upstream, b" " + head.replace(b"\r\n", b"\r\n ")[:-1] + b"\r\nx\r\n")
    assert out == head + b"\r\nx\r\n"


def test_q77_is_noted(make_relay):
    assert "Q-77" in quirks_of(make_relay, b"From root Mon Sep 21\r\n" + HEAD + b"\r\nx\r\n")


def test_q79_bcc_goes(make_relay, fragile, upstream):
    text = HEAD + b"Bcc: secret@example.org,\r\n other@example.org\r\nResent-Bcc: x@example.org\r\n\r\nBcc: x\r\n"
    out, _ = send(fragile, upstream, text)
    assert out == HEAD + b"\r\nBcc: x\r\n"
    assert "Q-79" in quirks_of(make_relay, text)


# ---- Q-80, Q-88 ----

BROKEN = {
    "no last boundary": MIME + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part(b"", b"x"),
    "no boundary": MIME + b"Content-Type: multipart/mixed; boundary=b\r\n\r\nx\r\n",
    "8-bit base64": MIME + b"Content-Transfer-Encoding: base64\r\n\r\nQUJD\xe4\r\n",
}


@pytest.mark.parametrize("case", BROKEN)
def test_q80_broken_mime_passes_and_is_noted(make_relay, fragile, upstream, case):
    assert send(fragile, upstream, BROKEN[case])[0] == BROKEN[case]
    assert "Q-80" in quirks_of(make_relay, BROKEN[case])


def test_q88_an_empty_charset_goes(make_relay, fragile, upstream):
    text = MIME + b"Content-Type: text/plain; charset=\r\n\r\nx\r\n"
    _, message = send(fragile, upstream, text)
    assert message.get_content_type() == "text/plain" and "charset" not in message["Content-Type"]
    assert "Q-88" in quirks_of(make_relay, text)
    _, message = send(fragile, upstream, text.replace(b"x\r\n", "Grüße\r\n".encode()))
    assert message.get_content() == "Grüße\r\n" or message.get_content() == "Grüße\n"


# ---- nothing to repair ----

GOOD = {
    "plain": HEAD + b"\r\nhello\r\n.dot\r\n",
    "8bit": MIME + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4\r\n",
    "multipart": MIME + b"Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\npreamble\r\n"
                 + part(b"Content-Type: text/html\r\n", b"<b>", b"=_b")
                 + part(b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n", b"QUJD", b"=_b")
                 + b"--=_b--\r\nepilogue\r\n",
    "998": HEAD + b"\r\n" + b"x" * 998 + b"\r\n",
    "signed": b"DKIM-Signature: v=1\r\nBcc: x\r\n\r\n\xe4\r\n",
    "multipart/signed": b"Content-Type: multipart/signed; boundary=b\r\n\r\n" + part(b"", b"\xe4"),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_is_right_or_signed_passes_byte_for_byte(fragile, upstream, case):
    assert send(fragile, upstream, GOOD[case])[0] == GOOD[case]

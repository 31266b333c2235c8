"""What an upstream cannot take: 8-bit text without 8BITMIME, internationalised addresses without SMTPUTF8."""
import email
import email.policy

import pytest

from conftest import TEXT, wait_until
from scripted import ScriptedUpstream

SIGNED = "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; bh=x; b=x\r\nFrom: a@example.org\r\nSubject: x\r\n\r\nGrüße\r\n"


def obedient(*offers):
    """An upstream that takes all and offers only this."""
    def script(session):
        session.greet(*offers)
        while (line := session.line()) is not None:
            session.answer(line)
    return ScriptedUpstream(script)


def taken(server, count):
    wait_until(lambda: len(server.messages) >= count, what=f"{count} messages")
    return server.messages


def report_of(message):
    """The bounce among what upstream got, which is ASCII: (its text for people, its fields for programs)."""
    sender, _, text = message
    assert sender.startswith("MAIL FROM:<>") and text.isascii()
    parsed = email.message_from_bytes(text, policy=email.policy.default)
    people, programs, _ = parsed.iter_parts()
    return " ".join(people.get_content().split()), [part for part in programs.iter_parts()][1]


def say(relay, text, sender="a@example.com", recipients=("b@example.org",), parameters=""):
    with relay.client() as client:
        client.hello()
        client.command(f"MAIL FROM:<{sender}>{parameters}", 250)
        for recipient in recipients:
            client.command(f"RCPT TO:<{recipient}>", 250)
        client.command("DATA", 354)
        client.send((text if isinstance(text, bytes) else text.encode()) + b".\r\n")
        client.expect(250)


def as_heard(text):
    """UTF-8 as a scripted upstream's lines have it."""
    return text.encode().decode("latin-1")


def test_signed_eight_bit_text_bounces_at_a_seven_bit_upstream(make_relay):
    with obedient("PIPELINING") as server:
        relay = make_relay(server.port)
        with relay.client() as client:
            client.hello()
            client.message(SIGNED)
            client.message(TEXT)
        messages = taken(server, 2)
        (bounce,) = [message for message in messages if message[0].startswith("MAIL FROM:<>")]
        people, programs = report_of(bounce)
        assert "8BITMIME" in people and programs["Status"] == "5.6.3"
        relay.wait_empty()
        assert len(server.messages) == 2


MIXED = """From: a@example.com\r
To: b@example.org\r
Date: Sun, 22 Nov 2026 10:00:00 +0000\r
Message-ID: <1@example.com>\r
Subject: mixed\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 8bit\r
\r
Grüße = .\r
.ein Punkt \r
--b\r
Content-Type: application/octet-stream\r
Content-Transfer-Encoding: binary\r
\r
ÿþ\r
--b--\r
""".encode()
LATIN = b"Subject: gr\xfc\xdfe\r\n\r\ngr\xfc\xdfe\r\n"


def leaves(text):
    parsed = email.message_from_bytes(text, policy=email.policy.default)
    return parsed, [part for part in parsed.walk() if not part.is_multipart()]


def test_eight_bit_text_is_converted_by_part_for_a_seven_bit_upstream(make_relay):
    with obedient("PIPELINING") as server:
        relay = make_relay(server.port)
        with relay.client() as client:
            client.hello()
            client.message(MIXED)
        ((sender, _, text),) = taken(server, 1)
    assert "BODY=" not in sender and text.isascii()
    _, (plain, binary) = leaves(text)
    assert plain["Content-Transfer-Encoding"] == "quoted-printable"
    assert plain.get_payload(decode=True) == "Grüße = .\r\n.ein Punkt ".encode()
    assert binary["Content-Transfer-Encoding"] == "base64"
    assert binary.get_payload(decode=True).rstrip(b"\r\n") == "ÿþ".encode()


def test_eight_bit_text_stays_as_it_is_where_upstream_takes_it(make_relay):
    with obedient("PIPELINING", "8BITMIME") as server:
        relay = make_relay(server.port)
        with relay.client() as client:
            client.hello()
            client.message(MIXED)
        ((sender, _, text),) = taken(server, 1)
    assert sender.endswith(" BODY=8BITMIME") and text.endswith(MIXED)


@pytest.mark.parametrize("offers", [["PIPELINING"], ["PIPELINING", "8BITMIME"]], ids=["seven", "eight"])
def test_q70_q75_eight_bit_without_mime_says_what_it_is(make_relay, offers):
    with obedient(*offers) as server:
        relay = make_relay(server.port, profile="fragile")
        relay.command("host", "pause", f"127.0.0.1:{server.port}")
        with relay.client() as client:
            client.hello()
            client.message(LATIN)
        (message,) = relay.messages()
        assert {"Q-70", "Q-75"} <= set(message["quirks"])
        _, received = relay.request("GET", f"/v1/queue/messages/{message['id']}/content?as=received")
        assert received.endswith(LATIN)
        relay.command("host", "resume", f"127.0.0.1:{server.port}")
        ((sender, _, text),) = taken(server, 1)
    assert text.isascii() == ("8BITMIME" not in offers) and sender.endswith(" BODY=8BITMIME") == ("8BITMIME" in offers)
    parsed, (plain,) = leaves(text)
    assert parsed["Subject"] == "grüße" and plain.get_content().rstrip() == "grüße"


# ---- SMTPUTF8: RFC 6531, 6533 ----

JOE, JOE_ASCII = "jö@example.org", "j\\x{F6}@example.org"


def test_internationalised_addresses_go_to_an_upstream_that_takes_them(make_relay):
    with obedient("PIPELINING", "8BITMIME", "SMTPUTF8") as server:
        relay = make_relay(server.port)
        say(relay, TEXT, sender=JOE, recipients=[JOE, "b@example.org"], parameters=" SMTPUTF8")
        say(relay, TEXT, parameters=" SMTPUTF8")
        first, second = sorted(taken(server, 2), key=lambda message: "SMTPUTF8" not in message[0])
    assert first[0].startswith(as_heard(f"MAIL FROM:<{JOE}>")) and first[1] == [as_heard(f"<{JOE}>"), "<b@example.org>"]
    assert "SMTPUTF8" not in second[0]


def test_an_internationalised_recipient_fails_alone_where_upstream_takes_none(make_relay):
    with obedient("PIPELINING", "8BITMIME") as server:
        relay = make_relay(server.port)
        say(relay, TEXT, recipients=[JOE, "b@example.org"], parameters=" SMTPUTF8")
        messages = taken(server, 2)
        (bounce,) = [message for message in messages if message[0].startswith("MAIL FROM:<>")]
        (delivered,) = [message for message in messages if message is not bounce]
        relay.wait_empty()
    assert delivered[1] == ["<b@example.org>"] and bounce[1] == ["<a@example.com>"]
    people, programs = report_of(bounce)
    assert f"Not delivered to <{JOE_ASCII}>" in people and "internationalised addresses" in people
    assert programs["Status"] == "5.6.7" and programs["Final-Recipient"] == f"utf-8; {JOE_ASCII}"


def test_an_internationalised_sender_whom_upstream_cannot_name_is_told_by_postmaster(make_relay):
    with obedient("PIPELINING", "8BITMIME") as server:
        relay = make_relay(server.port)
        say(relay, TEXT, sender=JOE, parameters=" SMTPUTF8")
        (report,) = taken(server, 1)
        relay.wait_empty()
    assert report[0].startswith("MAIL FROM:<>") and report[1] == ["<postmaster@relay.example>"]
    assert report[2].isascii() and JOE_ASCII.encode() in report[2]


def test_an_internationalised_address_shows_in_listing_and_log(make_relay):
    with obedient("PIPELINING", "8BITMIME") as server:
        relay = make_relay(server.port)
        relay.command("host", "pause", f"127.0.0.1:{server.port}")
        say(relay, TEXT, sender=JOE, recipients=[JOE], parameters=" SMTPUTF8")
        (message,) = relay.messages()
        assert message["from"] == JOE and message["recipients"][0]["address"] == JOE
        assert JOE in relay.command("queue", "list") and JOE in relay.command("queue", "show", message["id"])
        assert "from=<j\\303\\266@example.org>" in relay.log()

"""What an upstream cannot take: 8-bit text without 8BITMIME, internationalised addresses without SMTPUTF8."""
import email
import email.policy

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
    return people.get_content(), [part for part in programs.iter_parts()][1]


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

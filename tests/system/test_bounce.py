"""What cannot be delivered comes back as a DSN (RFC 3464), or goes to postmaster; never a bounce for a bounce."""
import email
import email.policy
import time

from conftest import TEXT, wait_until
from scripted import ScriptedUpstream


def refuse(*words):
    def script(session):
        session.greet()
        while (line := session.line()) is not None:
            if line.startswith("RCPT") and any(word in line for word in words):
                session.say("550 5.1.1 no such user here")
            else:
                session.answer(line)
    return script


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def test_a_refused_recipient_comes_back_as_a_dsn(make_relay):
    with ScriptedUpstream(refuse("nobody@")) as server:
        relay = make_relay(server.port)
        with relay.client() as client:
            client.hello()
            identity = client.message(TEXT, recipients=("nobody@example.org", "nobody@example.net"))
        relay.wait_empty()
        ((sender, recipients, text),) = server.messages
        assert sender.startswith("MAIL FROM:<>")
        assert recipients == ["<a@example.com>"]
        report = parse(text)
        assert report.get_content_type() == "multipart/report" and report.get_param("report-type") == "delivery-status"
        assert report["Auto-Submitted"].startswith("auto-") and report["Message-ID"] and report["Date"]
        human, status, original = report.iter_parts()
        assert "nobody@example.org" in human.get_content() and "no such user here" in human.get_content()
        assert status.get_content_type() == "message/delivery-status"
        message, first, second = status.get_payload()
        assert message["Reporting-MTA"] == "dns; relay.example" and message["Arrival-Date"]
        for part, address in ((first, "nobody@example.org"), (second, "nobody@example.net")):
            assert part["Final-Recipient"] == f"rfc822; {address}"
            assert part["Action"] == "failed" and part["Status"] == "5.1.1"
            assert part["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user here"
        assert original.get_content_type() == "text/rfc822-headers"
        headers = original.get_payload(decode=True).decode()
        assert "Subject: test" in headers and identity in headers and "Hello." not in headers


def test_a_refused_message_of_the_null_sender_goes_to_postmaster(make_relay):
    with ScriptedUpstream(refuse("nobody@")) as server:
        relay = make_relay(server.port)
        with relay.client() as client:
            client.hello()
            client.message(TEXT, sender="", recipients=("nobody@example.org",))
        relay.wait_empty()
        ((sender, recipients, _),) = server.messages
        assert sender.startswith("MAIL FROM:<>") and recipients == ["<postmaster@relay.example>"]


def test_a_bounce_that_is_refused_goes_to_postmaster_and_no_further(make_relay):
    with ScriptedUpstream(refuse("nobody@", "a@example.com", "postmaster@")) as server:
        relay = make_relay(server.port)
        with relay.client() as client:
            client.hello()
            client.message(TEXT, recipients=("nobody@example.org",))
        wait_until(lambda: relay.api("/v1/queue")["states"]["held"] == 1, what="the held notice")
        time.sleep(0.5)
        assert server.messages == []
        (message,) = relay.messages()
        assert message["recipients"][0]["address"] == "postmaster@relay.example" and message["reason"]
        assert "warning" in relay.log() or "error" in relay.log()


def test_a_5xx_to_data_bounces_all_and_to_mail_too(make_relay):
    def script(session):
        session.greet()
        while (line := session.line()) is not None:
            if line.startswith("MAIL FROM:<mail@"):
                session.say("550 5.7.1 not you")
            elif line.startswith("DATA") and session.sender and "<data@" in session.sender:
                session.say("354 go on")
                session.text()
                session.say("554 5.6.0 not this")
            else:
                session.answer(line)

    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port)
        with relay.client() as client:
            client.hello()
            client.message(TEXT, sender="mail@example.com", recipients=("x@example.org", "y@example.org"))
            client.message(TEXT, sender="data@example.com", recipients=("x@example.org", "y@example.org"))
        relay.wait_empty()
        assert sorted(rs[0] for _, rs, _ in server.messages) == ["<data@example.com>", "<mail@example.com>"]
        for _, _, text in server.messages:
            assert text.count(b"Final-Recipient:") == 2


def test_mail_past_its_lifetime_is_bounced_with_the_last_reply(make_relay):
    def script(session):
        session.greet()
        while (line := session.line()) is not None:
            if line.startswith("RCPT") and "later@" in line:
                session.say("450 4.2.1 come back")
            else:
                session.answer(line)

    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, lifetime="3s", retry_first="300ms", retry_max="500ms")
        with relay.client() as client:
            client.hello()
            client.message(TEXT, recipients=("later@example.org",))
        wait_until(lambda: len(server.messages) == 1, 60, "the bounce")
        relay.wait_empty()
        text = server.messages[0][2]
        assert b"Status: 4.4.7" in text or b"Status: 5.4.7" in text
        assert b"450 4.2.1 come back" in text


def test_eight_bit_headers_of_the_original_leave_the_bounce_ascii(make_relay):
    with ScriptedUpstream(refuse("nobody@")) as server:
        relay = make_relay(server.port)
        with relay.client() as client:
            client.hello()
            client.message("Subject: Grüße\r\nX: \x7f\r\n\r\ntext\r\n", recipients=("nobody@example.org",))
        relay.wait_empty()
        assert all(byte < 128 for byte in server.messages[0][2])

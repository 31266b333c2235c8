"""SMTP smuggling: only CRLF.CRLF ends a message, and what leaves the relay cannot be read otherwise by anybody."""
import re

import pytest

SECOND = (b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n"
          b"Subject: smuggled\r\n\r\nbad\r\n")

# every published way to end a message for one server and not for the other
ENDS = {
    "LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r", "CR.CRLF": b"\r.\r\n", "CRLF.CR": b"\r\n.\r",
    "LF.CR": b"\n.\r", "CR.LF": b"\r.\n", "CRLFNUL.CRLF": b"\r\n\0.\r\n", "CRLF.NULCRLF": b"\r\n.\0\r\n", "CRCRLF.CRLF": b"\r\r\n.\r\r\n",
    "CRLF.CRCRLF": b"\r\n.\r\r\n", "LFCR.LFCR": b"\n\r.\n\r", "CRLF.SPACE": b"\r\n. \r\n",
}
SAFE_LINES = re.compile(rb"(?:[^\r\n\0]*\r\n)*")


def exchange(relay, end, cut):
    """Sends one message with the end and a second inside, whole or byte by byte; returns the reply to the true end."""
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        data = b"Subject: first\r\n\r\nhello" + end + SECOND + b"\r\n.\r\n"
        for i in range(0, len(data), cut):
            client.send(data[i:i + cut])
        code, text = client.reply()
        client.command("NOOP", 250)  # the session is in step: nothing of the text was taken for a command
        return code, text


@pytest.mark.parametrize("cut", [100_000, 1], ids=["whole", "bytes"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_a_false_end_never_ends_a_message(relay, upstream, end, cut):
    code, text = exchange(relay, end, cut)
    assert code == 250 or 500 <= code < 600, text
    if code == 250:
        (taken,) = upstream.wait_for(1)
        assert SAFE_LINES.fullmatch(taken), "a bare CR, LF or NUL left the relay"
        assert b"smuggled" in taken
    relay.wait_empty()
    assert upstream.count()["messages"] == (1 if code == 250 else 0)
    assert not any("evil" in line for envelope in upstream.envelopes() for line in envelope)


def test_a_message_with_many_bare_ends_leaves_with_crlf_only(relay, upstream):
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(b"Subject: x\n\nline one\nline two\rline three\r\r\nend\n\r\n.\r\n")
        client.expect(250)
    (taken,) = upstream.wait_for(1)
    assert SAFE_LINES.fullmatch(taken)
    for line in (b"\r\nline one\r\n", b"\r\nline two\r\n", b"\r\nline three\r\n"):
        assert line in taken


def test_commands_pipelined_behind_the_dot_are_answered_in_order(relay, upstream):
    with relay.client() as client:
        client.hello()
        transaction = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
        client.send(transaction)
        for code in (250, 250, 354):
            client.expect(code)
        client.send(b"Subject: 1\r\n\r\none\r\n.\r\n" + transaction)
        for code in (250, 250, 250, 354):
            client.expect(code)
        client.send(b"Subject: 2\r\n\r\ntwo\r\n.\r\nQUIT\r\n")
        for code in (250, 221):
            client.expect(code)
    upstream.wait_for(2)


# ---- fragile listeners: no leniency is a hole ----

@pytest.fixture
def fragile(make_relay, upstream):
    return make_relay(upstream.port, profile="fragile", listen="max_message = 64KB")


def is_silent(client):
    """No reply comes to what was sent so far: what is sent next is answered first."""
    client.sock.settimeout(0.3)
    try:
        return client.sock.recv(1) is None
    except TimeoutError:
        return True
    finally:
        client.sock.settimeout(20)


@pytest.mark.parametrize("cut", [100_000, 1], ids=["whole", "bytes"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_a_false_end_never_ends_a_fragile_message(fragile, upstream, end, cut):
    assert exchange(fragile, end, cut)[0] == 250
    (taken,) = upstream.wait_for(1)
    assert SAFE_LINES.fullmatch(taken) and b"smuggled" in taken
    fragile.wait_empty()
    assert upstream.count()["messages"] == 1
    assert not any("evil" in line for envelope in upstream.envelopes() for line in envelope)


@pytest.mark.parametrize("profile", ["fragile", "standard"])
@pytest.mark.parametrize("line", [b".\0", b"\0.", b"\0.\0", b"..\0", b"y" * 75 + b"." + b"z" * 1000, b"y" * 998 + b".", b"y" * 997 + b" .",
                                  b"\xe4" * 25 + b"." + b"\xe4" * 400], ids=repr)
def test_no_repair_makes_a_line_that_is_a_dot(make_relay, upstream, profile, line):
    """Stuffing comes behind the repair: what it leaves as a dot, or cuts before one, ends nothing upstream."""
    relay = make_relay(upstream.port, profile=profile)
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(b"Subject: x\r\n\r\none\r\n" + (line + b"\r\n" + SECOND).replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")
        code, _ = client.reply()
    assert code == (550 if b"\0" in line and profile == "standard" else 250) or code == 554
    relay.wait_empty()
    assert upstream.count()["messages"] == (code == 250)
    if code == 250:
        assert b"smuggled" in upstream.texts()[0]
    assert not any("evil" in line for envelope in upstream.envelopes() for line in envelope)


def test_a_refused_text_shows_too_that_a_client_can_say_crlf(fragile, upstream):
    """Only who never said CR may end a text by LF . LF (Q-62), whatever became of the texts."""
    with fragile.client() as client:
        for line, code in ((b"EHLO a\n", 250), (b"MAIL FROM:<a@example.com>\n", 250), (b"RCPT TO:<b@example.org>\n", 250), (b"DATA\n", 354)):
            client.send(line)
            client.expect(code)
        client.send(b"Subject: large\r\n\r\n" + b"x" * 70_000 + b"\r\n.\r\n")
        client.expect(552)
        for line, code in ((b"MAIL FROM:<a@example.com>\n", 250), (b"RCPT TO:<b@example.org>\n", 250), (b"DATA\n", 354)):
            client.send(line)
            client.expect(code)
        client.send(b"Subject: first\n\nhello\n.\n")
        assert is_silent(client), "LF . LF ended the text of a client that had said CRLF"
        client.send(SECOND + b".\r\n")
        client.expect(250)
    assert b"smuggled" in upstream.wait_for(1)[0]


@pytest.mark.parametrize("end", [*ENDS.values(), b"\r\n .\r\n", b"\r\n.\t\r\n"], ids=[*ENDS.keys(), "CRLFSPACE.CRLF", "CRLF.TAB"])
@pytest.mark.parametrize("profile", ["default", "netcat-script"])
def test_what_is_swallowed_is_not_executed(make_relay, upstream, profile, end):
    """Q-47: the text behind a refused DATA ends as any other does."""
    relay = make_relay(upstream.port, profile="fragile", top=f'client "127.0.0.1" {{ profile = {profile} }}')
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("DATA", 554)
        client.send(b"Subject: first\r\n\r\nhello" + end + SECOND.replace(b"DATA\r\n", b"NOOP\r\n"))
        assert is_silent(client), "a line of the text was answered"
        client.send(b".\r\n")
        client.expect(554)
        client.command("NOOP", 250)


def test_a_crlf_in_two_packets_is_one_where_cr_ends_a_line(make_relay):
    relay = make_relay(1, profile="fragile", top='client "127.0.0.1" { profile = netcat-script }')
    with relay.client() as client:
        for part in (b"HELO a\r", b"\nMAIL FROM:<a@example.com>\r", b"\nDATA\r"):
            client.send(part)
            client.reply()
        for byte in b"\nSubject: x\r\n\r\nMAIL\r\n.\r\n":
            client.send(bytes([byte]))
        assert client.reply()[0] == 554
        client.send(b"BDAT 6\r")
        assert is_silent(client)
        client.send(b"\nQUIT\r\n")
        client.expect(503)
        client.send(b"NOOP\r")
        client.expect(250)


def test_what_is_counted_is_never_executed(fragile, upstream):
    inside = b"\r\n.\r\n" + SECOND + b".\r\nQUIT\r\n"
    with fragile.client() as client:
        client.hello()
        client.send(b"BDAT %d LAST\r\n" % len(inside) + inside)
        client.expect(503)
        client.command("MAIL FROM:<a@example.com>", 250)
        client.send(b"BDAT %d\r\n" % len(inside) + inside)
        client.expect(503)
        client.command("RCPT TO:<b@example.org>", 250)
        client.send(b"BDAT %d\r\n" % len(inside) + inside)
        client.expect(250)
        client.command("DATA", 503)
        client.send(b"BDAT 3 LAST\r\n.\r\n")
        client.expect(250)
        client.command("NOOP", 250)
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.send(b"BDAT 18446744073709551617 LAST\r\n" + SECOND)
        client.expect(501)
        assert client.is_closed(), "what follows a size that nobody can read was looked at"
    fragile.wait_empty()
    assert upstream.count()["messages"] == 1


def test_nothing_of_a_line_that_is_too_long_is_executed(fragile):
    with fragile.client() as client:
        client.hello()
        for size in (4090, 4094, 4095, 4096, 4097, 8192, 70_000):
            client.send(b"NOOP " + b"x" * size + b"\rMAIL FROM:<evil@example.com>\r\0\rRSET\r\n")
            client.expect(500)
            client.command("RCPT TO:<b@example.org>", 503)
            client.command("NOOP", 250)
            client.message(b"Subject: x\r\n\r\nx\r\n")

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

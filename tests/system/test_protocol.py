"""What RFC 5321, 2920, 1870, 6152 and 9422 say, asked of the real daemon octet by octet."""
import re
import shutil
import smtplib
import socket
import subprocess
import time

import pytest

from conftest import PATIENCE, TEXT

TRANSACTION = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"


def codes(client, count):
    return [client.reply()[0] for _ in range(count)]


def received_field(text):
    return re.match(rb"Received: (?:.*\r\n)(?:[ \t].*\r\n)*", text).group().decode()


def test_the_replies_to_one_packet_leave_in_one(relay):
    """One recv brings them all, time after time: EHLO's eight lines, a whole pipelined transaction, two messages."""
    with relay.client() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(data):
            client.sock.sendall(data)
            return client.sock.recv(65536)
        for _ in range(50):
            assert ask(b"EHLO client.example\r\n").count(b"\r\n") == 8
            answer = ask(TRANSACTION)
            assert [line[:3] for line in answer.splitlines()] == [b"250", b"250", b"354"]
            assert ask(b"x\r\n.\r\n").startswith(b"250 2.0.0 ")
            assert ask(b"RSET\r\nNOOP\r\nVRFY a\r\nNOOP\r\n").count(b"\r\n") == 4


@pytest.mark.parametrize("cut", [1 << 20, 7, 1], ids=["whole", "sevens", "octets"])
def test_a_session_in_one_packet_or_in_octets_is_the_same(relay, upstream, cut):
    session = (b"EHLO client.example\r\n" + TRANSACTION + b"Subject: 1\r\n\r\n..\r\n...\r\n.\r\n"
               + TRANSACTION + b"Subject: 2\r\n\r\n.x\r\n\r\n.\r\nNOOP\r\n" + b"MAIL FROM:<>\r\nRCPT TO:<nobody>\r\nDATA\r\nRSET\r\nQUIT\r\n")
    with relay.client() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(session), cut):
            client.send(session[at:at + cut])
        assert codes(client, 15) == [250, 250, 250, 354, 250, 250, 250, 354, 250, 250, 250, 501, 503, 250, 221]
        assert client.is_closed()
    one, two = sorted(upstream.wait_for(2), key=lambda text: b"Subject: 2" in text)
    assert one.endswith(b"\r\n\r\n.\r\n..\r\n") and two.endswith(b"\r\n\r\nx\r\n\r\n")


def test_the_received_field_says_how_it_came(relay, upstream):
    with relay.client() as client:
        client.command("HELO plain.example", 250)
        client.message(TEXT)
    with relay.client() as client:
        client.command("EHLO [127.0.0.1]", 250)
        client.message(TEXT, recipients=("b@example.org", "c@example.org"))
    plain, extended = sorted(map(received_field, upstream.wait_for(2)), key=lambda field: "ESMTP" in field)
    assert re.search(r"from plain\.example \(\[127\.0\.0\.1\]\)\r\n\tby relay\.example with SMTP id \w+\r\n\tfor <b@example\.org>; ", plain)
    assert re.search(r"from \[127\.0\.0\.1\] \(\[127\.0\.0\.1\]\)\r\n\tby relay\.example with ESMTP id \w+;", extended)
    assert "for <" not in extended, "one recipient learns of another"


@pytest.mark.parametrize("line, code", [
    ("mail from:<a@example.com>", 250), ("MaIl FrOm:<a@example.com>", 250), ("MAIL FROM:<a@example.com>  ", 250), ("MAIL FROM:<>", 250),
    ("MAIL   FROM:<a@example.com>", 250), ("MAIL FROM:<a@example.com> size=100 bOdY=8bitMIME", 250), ("MAIL FROM:<a@example.com> BODY=7bit", 250),
    ("MAIL FROM:<a@[192.0.2.1]>", 250), ("MAIL FROM:<a@[IPv6:2001:db8::1]>", 250), ("MAIL FROM:<a@[ipv6:::1]>", 250),
    ('MAIL FROM:<"a b"@example.com>', 250), ('MAIL FROM:<"a\\"<>@,\\\\b"@example.com>', 250), ('MAIL FROM:<""@example.com>', 250),
    ("MAIL FROM:<@one.example,@two.example:a@example.com>", 250), ("MAIL FROM:<a+b=c/d@example.com>", 250),
    ("MAIL FROM:<" + "a" * 64 + "@example.com>", 250), ("MAIL FROM:<a@example.com> SIZE=0", 250),
    ("MAIL FROM:<a@[192.0.2.256]>", 501), ("MAIL FROM:<a@[IPv6:192.0.2.1]>", 501), ("MAIL FROM:<a@[]>", 501), ("MAIL FROM:<a@b", 501),
    ("MAIL FROM:<a..b@example.com>", 501), ("MAIL FROM:<.a@example.com>", 501), ('MAIL FROM:<"a@example.com>', 501), ('MAIL FROM:<"a"b@example.com>', 501),
    ("MAIL FROM:<a@example.com> SIZE", 501), ("MAIL FROM:<a@example.com> =1", 501), ("MAIL FROM:<a@example.com>SIZE=1", 501),
    ("MAIL FROM:<postmaster>", 501), ("MAIL", 501), ("MAIL ", 501), ("MAIL FROM:", 501), ("MAIL <a@example.com>", 501),
    ("MAIL FROM:<a@example.com> AUTH=<>", 555), ("MAIL FROM:<a@example.com> SMTPUTF8", 250), ("MAIL FROM:<a@example.com> SMTPUTF8=1", 501),
    ("MAILFROM:<a@example.com>", 500), ("MAIL\tFROM:<a@example.com>", 500), ("", 500), (" NOOP", 500), ("RSET now", 501), ("QUIT now", 501),
    ("noop", 250), ("nOOp  ", 250), ("HELP MAIL", 214), ("VRFY postmaster", 252), ("ehlo again.example", 250), ("quit", 221),
])
def test_a_command_has_its_answer(relay, line, code):
    with relay.client() as client:
        client.hello()
        assert code == 250 or "\n" not in client.command(line, code)
        if code == 250:
            client.command(line, 250)


@pytest.mark.parametrize("path, leaves", [
    ("<postmaster>", "<postmaster>"), ("<PostMaster>", "<PostMaster>"), ("<b@[192.0.2.1]>", "<b@[192.0.2.1]>"),
    ('<"b c"@example.org>', '<"b c"@example.org>'), ("<@hop.example:b@example.org>", "<b@example.org>"), ("<B@Example.ORG>", "<B@Example.ORG>"),
])
def test_a_recipient_goes_out_as_it_came_but_for_its_route(relay, upstream, path, leaves):
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<>", 250)
        client.command(f"rcpt to:{path}", 250)
        client.command("DATA", 354)
        client.send(TEXT + b".\r\n")
        client.expect(250)
    upstream.wait_for(1)
    sender, recipient = upstream.envelopes()[0]
    assert sender.split()[0] == "FROM:<>" and recipient == f"TO:{leaves}"


@pytest.mark.parametrize("path, code", [("<>", 501), ("<b>", 501), ("b@example.org", 501), ("<b@example.org> ORCPT=rfc822;b@example.org", 555)])
def test_a_recipient_that_is_none_is_refused(relay, path, code):
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<>", 250)
        client.command(f"RCPT TO:{path}", code)
        client.command("RCPT TO:<b@example.org>", 250)


def test_rset_brings_back_the_beginning_in_every_state(relay):
    steps = [b"", b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<b@example.org>\r\n"]
    with relay.client() as client:
        client.command("RSET", 250)
        client.command("MAIL FROM:<a@example.com>", 503)
        client.hello()
        for until in range(len(steps)):
            for step in steps[1:until + 1]:
                client.send(step)
                client.expect(250)
            client.command("RSET", 250)
            client.command("RSET", 250)
            client.command("RCPT TO:<b@example.org>", 503)
            client.command("DATA", 503)
        client.message(TEXT)


def test_a_transaction_without_recipients_has_no_data(relay, upstream):
    """RFC 2920: it is pipelined, and what a client sends for a text then is commands, so it must wait for 354."""
    with relay.client() as client:
        client.hello()
        client.send(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<nobody>\r\nRCPT TO:<@>\r\nDATA\r\n")
        assert codes(client, 4) == [250, 501, 501, 503]
        client.command("RSET", 250)
        client.message(TEXT)
    upstream.wait_for(1)


def test_the_size_is_counted_as_rfc_1870_has_it(make_relay, upstream):
    """Octets of the text with its CRLFs; neither stuffed dots, nor the final dot, nor the relay's own Received field."""
    relay = make_relay(upstream.port, listen="max_message = 1KB")
    line = b".23456789012345678901234567890\r\n"  # 32 octets, and one more in transit
    with relay.client() as client:
        assert "SIZE 1024" in client.hello()
        client.message(line * 32)
        client.command("MAIL FROM:<a@example.com> SIZE=1024", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(b"." + (line * 32).replace(b"\r\n.", b"\r\n..")[:-2] + b"x\r\n.\r\n")
        assert "5.3.4" in client.expect(552)
    (text,) = upstream.wait_for(1)
    assert text.endswith(line * 32)


def test_octets_over_127_pass_whatever_body_said(relay, upstream):
    bodies = [b"Subject: b\r\n\r\n\xc3\xa9\xff\x80\x01\r\n", b"Subject: \xc3\xa9\r\n\r\nx\r\n"]
    with relay.client() as client:
        client.hello()
        for parameter in ("", " BODY=7BIT", " BODY=8BITMIME"):
            for body in bodies:
                client.send(f"MAIL FROM:<a@example.com>{parameter}\r\n".encode() + TRANSACTION.split(b"\r\n", 1)[1])
                assert codes(client, 3) == [250, 250, 354]
                client.send(body + b".\r\n")
                client.expect(250)
    texts = upstream.wait_for(6)
    assert sum(text.endswith(bodies[0]) for text in texts) == 3 and sum(text.endswith(bodies[1]) for text in texts) == 3


def test_a_client_that_closes_its_half_hears_all_its_replies(relay, upstream):
    with relay.client() as client:
        client.send(b"EHLO x\r\n" + TRANSACTION + b"x\r\n.\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        assert codes(client, 5) == [250, 250, 250, 354, 250]
        assert client.is_closed()
    upstream.wait_for(1)


def test_an_empty_message_is_a_message(relay, upstream):
    with relay.client() as client:
        client.hello()
        client.message(b"")
        client.message(b"\r\n")
    texts = sorted(upstream.wait_for(2), key=len)
    assert texts[0] == received_field(texts[0]).encode()
    assert texts[1] == received_field(texts[1]).encode() + b"\r\n"


def test_smtplib_is_served(relay, upstream):
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=PATIENCE) as client:
        assert client.sendmail("a@example.com", ["b@example.org", "c@example.org"], TEXT.decode()) == {}
        assert client.esmtp_features["size"] == "52428800" and client.esmtp_features["limits"] == "RCPTMAX=100"
        assert client.verify("b@example.org")[0] == 252
    upstream.wait_for(1)


def test_curl_is_served(relay, upstream, folder):
    (folder / "text").write_bytes(TEXT)
    subprocess.run(["curl", "-sS", "--max-time", "20", "--url", f"smtp://127.0.0.1:{relay.port}", "--mail-from", "a@example.com",
                    "--mail-rcpt", "b@example.org", "--upload-file", folder / "text"], check=True, timeout=PATIENCE)
    upstream.wait_for(1)


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed")
def test_swaks_is_served_and_pipelines(relay, upstream):
    for arguments in ([], ["--pipeline"], ["--protocol", "SMTP"]):
        done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(relay.port), "--from", "a@example.com",
                               "--to", "b@example.org", "--timeout", "20", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stdout
    upstream.wait_for(3)


def test_the_banner_does_not_wait_for_anything(relay):
    began = time.monotonic()
    with relay.client() as client:
        assert client.banner == "220 relay.example ESMTP Sluice"
    assert time.monotonic() - began < PATIENCE / 5  # a name that is looked up in vain takes 5 s

"""Fragile clients: the connection and the greeting (Q-01 to Q-32). Each is accepted, or refused for good."""
import re
import socket
import subprocess
import sys

import pytest

from conftest import BUILD, TEXT, Smtp, wait_until

SENDER = b"MAIL FROM:<a@example.com>\r\n"
RECIPIENT = b"RCPT TO:<b@example.org>\r\n"


@pytest.fixture
def door(make_relay, upstream):
    """A fragile listener; nothing leaves before the test has looked at the queue."""
    upstream.busy("banner")
    return make_relay(upstream.port, profile="fragile")


def counted(relay, number):
    """A quirk that nobody has had yet has no line."""
    _, body = relay.request("GET", "/metrics")
    found = re.search(rf'(?m)^sluice_quirks_total\{{quirk="{number}"\}} (\d+)$', body.decode())
    return int(found[1]) if found else 0


def quirks(relay):
    (message,) = relay.messages()
    return message["quirks"]


def transact(client):
    for part, code in ((SENDER, 250), (RECIPIENT, 250), (b"DATA\r\n", 354), (TEXT + b".\r\n", 250)):
        client.send(part)
        client.expect(code)


def test_q01_what_is_said_before_the_banner_is_answered_behind_it(make_relay, upstream):
    """The one place is taken, so the second client waits for its banner, and does not hold its tongue."""
    upstream.busy("banner")
    relay = make_relay(upstream.port, profile="fragile", listen="max_connections_per_address = 1")
    first = relay.client()
    with relay.client(banner=False) as early:
        early.send(b"EHLO early.example\r\n")
        first.close()
        early.expect(220)
        early.expect(250)
        transact(early)
    assert "Q-01" in quirks(relay)


@pytest.mark.parametrize("profile", ["fragile", "standard"])
@pytest.mark.parametrize("hello", [b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\x02\x0a\x00\x0d\x0a"], ids=["no end", "line ends"])
def test_q02_tls_to_a_plaintext_port_is_ended_at_once(make_relay, upstream, profile, hello):
    """Whether what came looks like a line or not: a device that hears nothing waits for minutes."""
    relay = make_relay(upstream.port, profile=profile)
    with relay.client() as client:
        client.send(hello)
        assert client.is_closed()
    metrics = relay.request("GET", "/metrics")[1].decode()
    assert re.findall(r'(?m)^sluice_quirks_total\{quirk="(Q-\d+)"\} 1$', metrics) == ["Q-02"]


def test_q31_q96_what_is_not_offered_is_refused_and_the_mail_taken(door):
    """And no password comes to stand in the ledger, however it is sent."""
    with door.client() as client:
        client.hello()
        client.command("STARTTLS", 502)
        client.send(b"AUTH LOGIN c2VjcmV0\r\nc2VjcmV0\r\nc2VjcmV0\xff\r\n")
        client.expect(502)
        client.expect(500)
        client.expect(500)
        transact(client)
    assert {"Q-31", "Q-96"} <= set(quirks(door))

    def noted():
        report = door.request("GET", "/v1/clients/127.0.0.1")[1]
        return report if b"Q-96" in report and b"Q-56" in report else None
    assert b"c2Vjcm" not in wait_until(noted, what="the client's entry")


def test_bdat_and_its_octets_in_one_packet_are_no_haste(door):
    with door.client() as client:
        client.command("HELO app.example", 250)
        client.send(SENDER)
        client.expect(250)
        client.send(RECIPIENT)
        client.expect(250)
        client.send(b"BDAT %d LAST\r\n" % len(TEXT) + TEXT)
        client.expect(250)
    assert "Q-41" not in quirks(door)


def test_q09_noop_keeps_a_connection_open_for_nothing(door):
    with door.client() as client:
        client.hello()
        for _ in range(12):
            client.send(b"NOOP\r\n" * 1000)
            assert {client.reply()[0] for _ in range(1000)} == {250}
        transact(client)
    assert counted(door, "Q-09") == 1


def test_q09_rset_between_messages_is_no_keep_alive(door):
    with door.client() as client:
        client.hello()
        for _ in range(12):
            client.command("RSET", 250)
            transact(client)
    assert not [message for message in door.messages() if "Q-09" in message["quirks"]]


@pytest.mark.parametrize("end", [b"QUIT\r\n", b""], ids=["quit", "close"])
def test_q12_a_preflight_is_counted_and_no_error(door, end):
    with door.client() as client:
        client.hello()
        client.send(SENDER)
        client.expect(250)
        client.send(RECIPIENT)
        client.expect(250)
        client.send(end)
    wait_until(lambda: counted(door, "Q-12") == 1, what="the pre-flight")
    with door.client() as client:
        client.hello()
        transact(client)
        client.command("QUIT", 221)
    assert counted(door, "Q-12") == 1 and "Q-12" not in quirks(door)


def test_q13_vrfy_is_always_252(door):
    with door.client() as client:
        client.command("VRFY", 252)
        client.hello()
        for argument in ("b@example.org", "<nobody", "müller", ""):
            client.command(f"VRFY {argument}", 252)
        transact(client)
    assert counted(door, "Q-13") >= 1


def test_q14_old_commands_have_their_answer_and_end_nothing(door):
    with door.client() as client:
        client.hello()
        for line, code in (("EXPN list", 502), ("HELP", 214), ("TURN", 502), ("SEND FROM:<a@b>", 502), ("SOML FROM:<a@b>", 502), ("SAML x", 502)) * 10:
            client.command(line, code)
        transact(client)
    assert counted(door, "Q-14") >= 1


@pytest.mark.parametrize("profile", ["fragile", "standard"])
@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"CONNECT a:25 HTTP/1.1"])
def test_q15_another_protocol_is_dropped_at_once(make_relay, upstream, profile, line):
    relay = make_relay(upstream.port, profile=profile)
    with relay.client() as client:
        client.send(line + b"\r\nHost: x\r\n\r\n" + SENDER + RECIPIENT)
        assert client.is_closed()
    assert counted(relay, "Q-15") == 1


def test_q16_nobody_speaks_for_another_client(door):
    with door.client() as client:
        client.hello()
        client.command("XCLIENT ADDR=192.0.2.1", 550)
        client.command("XFORWARD ADDR=192.0.2.1", 550)
        transact(client)
    assert counted(door, "Q-16") == 1
    assert door.messages()[0]["client"] == "127.0.0.1"


def test_q19_a_mapped_address_is_the_ipv4_address(make_relay, upstream):
    """A service manager's socket for both families sees ::ffff:127.0.0.1; `networks` and the queue know 127.0.0.1."""
    upstream.busy("banner")
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    fd, port = listener.fileno(), listener.getsockname()[1]
    relay = make_relay(upstream.port, start=False, listeners=f"""listen both {{
  address = {{"[::]:{port}"}} profile = fragile networks = {{"127.0.0.0/8"}} }}""")
    script = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); "
              "os.execv(sys.argv[2], sys.argv[2:])")
    with relay.log_path.open("ab") as log:
        relay.process = subprocess.Popen([sys.executable, "-c", script, str(fd), BUILD / "sluiced", "-c", relay.config], pass_fds=[fd],
                                         stdin=subprocess.DEVNULL, stderr=log)
    listener.close()
    relay.wait_ready()
    with Smtp(port) as client:
        client.hello()
        transact(client)
    assert relay.messages()[0]["client"] == "127.0.0.1"


def test_q21_mail_without_helo_is_taken(door, upstream):
    with door.client() as client:
        transact(client)
    assert "Q-21" in quirks(door)
    upstream.open()
    (text,) = upstream.wait_for(1)
    assert re.match(rb"Received: from \[127\.0\.0\.1\] \(\[127\.0\.0\.1\]\)", text)


def test_q21_a_strict_listener_wants_it(relay):
    with relay.client() as client:
        client.command("MAIL FROM:<a@example.com>", 503)


GREETINGS = [
    ("test_q22_helo", b"HELO", "Q-22", b"[127.0.0.1]"), ("test_q22_ehlo_blank", b"EHLO ", "Q-22", b"[127.0.0.1]"),
    ("test_q23", b"EHLO _", "Q-23", None), ("test_q23_within", b"EHLO print_er.example", "Q-23", None),
    ("test_q24", b"HELO 10.1.2.3", "Q-24", b"10.1.2.3"),
    ("test_q25_netbios", b"HELO PRINTER7", "Q-25", b"PRINTER7"), ("test_q25_localhost", b"EHLO localhost", "Q-25", b"localhost"),
    ("test_q25_blanks", b"HELO HP LaserJet #3", "Q-25", b"HP-LaserJet--3"), ("test_q25_dot", b"HELO host.example.", "Q-25", b"host.example."),
    ("test_q25_eightbit", b"HELO M\xfcller", "Q-25", b"M-ller"), ("test_q25_long", b"HELO " + b"x" * 255, "Q-25", b"x" * 255),
    ("test_q28_case", b"helo device.example", None, b"device.example"), ("test_q28_blanks", b" \t ehlo\tdevice.example  ", "Q-28", b"device.example"),
]


@pytest.mark.parametrize("line, quirk, name", [row[1:] for row in GREETINGS], ids=[row[0] for row in GREETINGS])
def test_an_odd_greeting_is_taken(door, upstream, line, quirk, name):
    with door.client() as client:
        client.command(line, 250)
        transact(client)
    if quirk == "Q-28":  # of the command and not of the message
        assert counted(door, quirk) == 1
    elif quirk is not None:
        assert quirk in quirks(door)
    log = door.log_path.read_bytes()
    assert all(byte < 127 for byte in log), "what a client says is escaped in the log"
    upstream.open()
    (text,) = upstream.wait_for(1)
    assert text.startswith(b"Received: from " + (name or b""))


def test_q25_a_name_with_controls_or_too_long_is_none(door):
    with door.client() as client:
        client.command(b"HELO a\x01b", 501)
        client.command("HELO " + "x" * 256, 501)
        client.hello()


def test_q26_a_second_greeting_begins_anew(door, upstream):
    with door.client() as client:
        client.hello()
        client.command("MAIL FROM:<old@example.com>", 250)
        client.command("RCPT TO:<old@example.org>", 250)
        client.hello()
        client.command("RCPT TO:<old@example.org>", 503)
        transact(client)
    assert "Q-26" in quirks(door)
    upstream.open()
    upstream.wait_for(1)
    assert [line.split()[0] for line in upstream.envelopes()[0]] == ["FROM:<a@example.com>", "TO:<b@example.org>"]


def test_q28_blanks_and_tabs_around_commands_are_passed_over(door):
    with door.client() as client:
        client.hello()
        for line, code in ((b"  mail\tFROM:<a@example.com> \t", 250), (b"\tRcpt   To:<b@example.org>", 250), (b" DATA ", 354)):
            client.command(line, code)
        client.send(TEXT + b".\r\n")
        client.expect(250)
    assert "Q-28" in quirks(door)


def test_q30_lhlo_is_502(door):
    with door.client() as client:
        client.command("LHLO lmtp.example", 502)
        client.hello()
        transact(client)
    assert "Q-30" in quirks(door)


def test_q32_a_client_that_reads_nothing_is_served(door):
    with door.client(banner=False) as client:
        client.send(b"EHLO x.example\r\n" + SENDER + RECIPIENT + b"DATA\r\n" + TEXT + b".\r\nQUIT\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        wait_until(lambda: len(door.messages()) == 1, what="the message")
    assert "Q-32" in quirks(door)

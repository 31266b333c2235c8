"""Clients that mean harm: what a session costs, what it may not do to others, and what must not leave the relay."""
import contextlib
import os
import re
import socket
import struct
import time

import pytest

from conftest import SANITIZED, TEXT, wait_until

SAFE_LINES = re.compile(rb"(?:[^\r\n\0]*\r\n)*")
ENVELOPE = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def fragile(make_relay, upstream):
    return make_relay(upstream.port, profile="fragile")


def spent_s(relay):
    """Processor time of the relay so far: what load the machine has does not count."""
    with open(f"/proc/{relay.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def resident_bytes(relay):
    with open(f"/proc/{relay.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def costs_less(relay, seconds):
    before = spent_s(relay)
    yield
    used = spent_s(relay) - before
    print(f"cost {used:.2f} s of {seconds}")
    if not SANITIZED:
        assert used < seconds


# ---- what a text costs ----

def parts(count):
    return (b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            + b"--b\r\nContent-Type: text/plain\r\n\r\n\xe4\r\n" * count + b"--b--\r\n")


def nested(depth):
    text = b"MIME-Version: 1.0\r\n"
    for level in range(depth):
        text += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
    return text + b"\r\n\xe4\r\n"


def nearly_boundaries(count):
    stem = b"x" * 68
    head = b"MIME-Version: 1.0\r\n"
    for level in range(19):
        head += b"Content-Type: multipart/mixed; boundary=%s%02d\r\n\r\n--%s%02d\r\n" % (stem, level, stem, level)
    return head + b"\r\n" + (b"--" + stem + b"zz\r\n") * count


def sections(count):
    """A boundary in pieces that are found last, behind parameters that must be passed over for each."""
    pieces = b"".join(b";\r\n boundary*%d=x" % number for number in range(64))
    field = b"Content-Type: multipart/mixed" + b";\r\n a=b" * 9000 + pieces + b"\r\n"
    return b"MIME-Version: 1.0\r\n" + field + b"\r\n" + (b"--" + b"x" * 64 + b"\r\n" + field + b"\r\n") * count


def fields(value, count):
    return b"".join(b"X-%d: " % number + value + b"\r\n" for number in range(count)) + b"\r\nbody\r\n"


HOSTILE_TEXTS = {
    "10,000 parts": lambda: parts(10_000),
    "1,000 levels": lambda: nested(1000),
    "nearly boundaries": lambda: nearly_boundaries(13_000),
    "64 KB fields": lambda: fields(b"w " * 32_000, 15),
    "64 KB words": lambda: fields(b"\xe4" * 65_000, 15),
    "64 KB of encoded-words": lambda: fields(b"=?utf-8?q?\xe4?= " * 4000, 15),
    "open comments": lambda: b"To: " + b"( " * 32_000 + b"\r\n\r\nx\r\n",
    "comments": lambda: b"To: " + b"(((((((((((((((c)))))))))))))))" * 2000 + b"\r\n\r\nx\r\n",
    "open quotes": lambda: b"To: " + b"\"\\\"" * 21_000 + b"\r\n\r\nx\r\n",
    "brackets": lambda: b"To: " + b"<" * 64_000 + b"\r\n\r\nx\r\n",
    "colons": lambda: b"To: " + b"(c)" * 10_000 + b":" * 30_000 + b";\r\n\r\nx\r\n",
    "names": lambda: b"To: " + b"a, " * 21_000 + b"b@c\r\n\r\nx\r\n",
    "a huge list": lambda: b"To: " + b",\r\n ".join(b"\xe4 <a%d@b.example>" % number for number in range(40_000)) + b"\r\n\r\nx\r\n",
    "tiny fields": lambda: b"a:\xe4\r\n" * 180_000 + b"\r\nx\r\n",
    "tiny lists": lambda: b"Cc:a\r\n" * 150_000 + b"\r\nx\r\n",
    "many types": lambda: b"Content-Type: text/plain; name=\xe4\r\n" * 26_000 + b"\r\nx\r\n",
    "sections": lambda: sections(90),
    "NULs": lambda: b"Subject: x\r\n\r\n" + b"\0" * 1_000_000 + b"\r\n",
    "NULs in lines": lambda: b"Subject: x\r\n\r\n" + b"\0\r\n" * 330_000,
    "NULs in the header": lambda: b"X-A: \0\r\n" * 120_000 + b"\r\nx\r\n",
    "lone line ends": lambda: b"Subject: x\r\n\r\n" + b"\r\n\n\r" * 250_000 + b"\r\n",
    "dots": lambda: b"Subject: x\r\n\r\n" + b"..\r\n" * 250_000,
    "long lines": lambda: b"Subject: x\r\n\r\n" + (b"y" * 9999 + b"\r\n") * 100,
    "one long line": lambda: b"Subject: x\r\n\r\n" + b"y " * 500_000 + b"\r\n",
}


@pytest.mark.parametrize("profile", ["fragile", "standard"])
@pytest.mark.parametrize("make", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS.keys())
def test_a_megabyte_costs_no_more_than_a_moment(make_relay, upstream, profile, make):
    """Read, inspected, stored, read back, repaired and delivered: each byte is looked at a bounded number of times."""
    relay = make_relay(upstream.port, profile=profile)
    text = make()
    with relay.client() as client:
        client.hello()
        with costs_less(relay, 0.6):
            client.send(ENVELOPE)
            for code in (250, 250, 354):
                client.expect(code)
            client.send(text + b".\r\n")
            code, reply = client.reply()
            if code == 250:
                (taken,) = upstream.wait_for(1)
    assert code == 250 or "NUL" in reply or "5.6.0" in reply, reply
    if code == 250:
        assert SAFE_LINES.fullmatch(taken), "a bare CR, LF or NUL left the relay"
    assert resident_bytes(relay) < (150 << 20) or SANITIZED


def test_a_session_that_stops_in_the_middle_holds_little(fragile):
    """However a header is made, what is known of it is bounded: the plan, its edits, the long field."""
    texts = [b"a:\xe4\r\n" * 100_000, b"X-A: \0\r\n" * 60_000, b"Subject: " + b"\xe4" * 65_000 + b"\r\n" + b"X-B: " + b"y" * 60_000,
             parts(900)[:-7] + b"--b\r\nX-C: " + b"z" * 60_000]
    for text in texts:
        clients = []
        before = resident_bytes(fragile)
        for _ in range(20):
            client = fragile.client()
            clients.append(client)
            client.hello()
            client.send(ENVELOPE)
            for code in (250, 250, 354):
                client.expect(code)
            client.send(text)
        wait_until(lambda: fragile.metric("sluice_smtpd_receiving") == 20 and all(unread(client) == 0 for client in clients))
        grown = resident_bytes(fragile) - before
        print(f"{grown / 20 / 1024:.0f} KB a session")
        assert grown < 20 * (1200 << 10) or SANITIZED
        for client in clients:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()


def unread(client):
    """What the relay's end of the connection has not taken yet."""
    return sum(int(line.split()[4].split(":")[1], 16) for line in open("/proc/net/tcp", encoding="ascii")
               if line.split()[2].endswith(":%04X" % client.sock.getsockname()[1]))


# ---- what a command costs ----

HOSTILE_LISTS = {
    "commas": b"RCPT TO:" + b"a," * 2000,
    "commas in a route": b"RCPT TO:<@" + b"a," * 2000,
    "a route that ends": b"RCPT TO:<@" + b"a," * 2000 + b"b:c@example.org>",
    "routes": b"RCPT TO:" + b"<@a," * 1000,
    "blanks": b"RCPT TO:a" + b" =@" * 1300,
    "addresses": b"RCPT TO:" + b"b@c," * 1000,
    "brackets": b"RCPT TO:" + b"<" * 4000,
    "quotes": b"RCPT TO:" + b"\"\\\"" * 1300,
    "backslashes": b"RCPT TO:" + b"\\" * 4000,
    "marks": b"RCPT TO:" + b"%!@" * 1300,
    "8-bit domains": b"RCPT TO:" + b",".join(b"a@%d\xc3\xbc\xc3\x9f%s" % (number, b"\xc3\xa4" * 200) for number in range(9)),
    "parameters": b"MAIL FROM:<a@b>" + b" X=Y" * 1000,
    "layers": b"MAIL FROM:" + b"\"<'mailto:" * 400 + b"a@b",
}


@pytest.mark.parametrize("line", HOSTILE_LISTS.values(), ids=HOSTILE_LISTS.keys())
def test_a_command_costs_no_more_than_its_bytes(make_relay, line):
    """A hundred lines of 4096 bytes, whatever they hold: no list is split in quadratic time."""
    relay = make_relay(1, profile="fragile", listen="max_bad_commands = 1000")
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        with costs_less(relay, 0.5):
            client.send((line + b"\r\nNOOP\r\n") * 100)
            for _ in range(100):
                client.reply()
                client.expect(250)


def test_the_same_recipient_said_again_and_again_costs_little(make_relay):
    relay = make_relay(1, profile="fragile")
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        stem = b"x" * 55
        with costs_less(relay, 1):
            client.send(b"".join(b"RCPT TO:<%s%d@example.org>\r\n" % (stem, number) for number in range(999)))
            for _ in range(999):
                client.expect(250)
            client.send(b"RCPT TO:<%s998@example.org>\r\n" % stem * 5000)
            for _ in range(5000):
                client.expect(250)


# ---- addresses ----

HOSTILE_ADDRESSES = [
    b"<a@example.org> SIZE=1", b"<\"a> SIZE=1 X=\"@example.org>", b"\"<a@example.org>\r\" <b@example.org>", b"<a@example.org>>RCPT TO:<evil@example.org>",
    b"<\"a\0b\"@example.org>", b"<a\0@exam\0ple.org>", b"<\"a\rRCPT TO:<evil@b>\"@example.org>", b"<a@example.org\t NOTIFY=NEVER>",
    b"<a@\xef\xbc\x9e\xe3\x80\x82example.org>", b"<a@example\xef\xbc\xa0evil.org>", b"<a@ex\xc0\xaample.org>", b"<a@\xe2\x80\xaeexample.org>",
    b"<a\xef\xbc\x85evil.example@example.org>", b"<a@xn--\xc3\xbc.example.org>", b"<a@" + b"\xc3\xbc" * 120 + b".example.org>", b"<\"\\\"@example.org>",
    b"<\"a\\\">@example.org>", b"<a b>c@example.org>", b"<a(x\\)@example.org>", b"First \"Last <a@example.org>", b"<;a@example.org;>",
]
SAFE_COMMAND = re.compile(r"(?:FROM|TO):<(?:[!#-'*+/-9=?A-Z^-~.-]+|\"(?:[ !#-\[\]-~]|\\[ -~])*\")?(?:@[A-Za-z0-9._-]+|@\[[0-9A-Fa-f:.IPv]+\])?>"
                          r"(?: SIZE=\d+| BODY=8BITMIME| SMTPUTF8)*")


@pytest.mark.parametrize("command", [b"MAIL FROM:", b"RCPT TO:"])
@pytest.mark.parametrize("address", HOSTILE_ADDRESSES, ids=repr)
def test_what_is_taken_for_an_address_leaves_as_one(fragile, upstream, command, address):
    with fragile.client() as client:
        client.hello()
        for line in (b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.org>"):
            client.send((command + address if line.startswith(command) else line) + b"\r\n")
            code, _ = client.reply()
            if code != 250:
                client.command(line, 250)
        client.command("DATA", 354)
        client.send(TEXT + b".\r\n")
        client.expect(250)
    upstream.wait_for(1)
    (said,) = upstream.envelopes()
    assert [line.partition(":")[0] for line in said] == ["FROM", "TO"]
    for line in said:
        assert SAFE_COMMAND.fullmatch(line), line


# ---- what is shown ----

def harmless(text):
    return not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", text)


@pytest.mark.parametrize("bad", [b"\x9b31m", "\u009b2J".encode(), "\u202etxt.exe".encode(), "\u2066x".encode(), b"\xff\xfe\xc0\x80", "\u200b\ufeff".encode()], ids=repr)
def test_what_a_client_says_is_harmless_on_a_terminal(make_relay, bad):
    relay = make_relay(1, profile="fragile")
    with relay.client() as client:
        client.command(b"EHLO printer" + bad, 250)
        client.command(b"MAIL FROM: \"" + bad + b"\" <a@example.com> X=" + bad, 250)
        client.command(b"RCPT TO:<b@example.org>", 250)
        client.command(b"\x1b]0;" + bad + b"\x07", 500)
        client.command("DATA", 354)
        client.send(b"Subject: \x1b[2J" + bad + b"\r\nX-" + bad + b"\r\n\r\nx\r\n.\r\n")
        identifier = client.expect(250).split()[-1]
    wait_until(lambda: any(client["messages"] for client in relay.api("/v1/clients")["clients"]))
    for arguments in (("client", "list"), ("client", "show", "127.0.0.1"), ("queue", "list"), ("queue", "show", identifier)):
        assert harmless(relay.command(*arguments)), arguments
    assert harmless(relay.log())
    for path in ("/v1/clients", "/v1/clients/127.0.0.1", f"/v1/queue/messages/{identifier}"):
        status, body = relay.request("GET", path)
        assert status == 200 and not re.search(rb"[\0-\x09\x0b-\x1f\x7f]", body)
        body.decode()


# ---- others ----

def test_a_neighbour_cannot_take_the_place_of_a_colleagues_message(make_relay, upstream):
    """Q-85 by the same address: only the very same message, whose first copy is stored, is one copy of it."""
    relay = make_relay(1, profile="fragile")
    with relay.client() as client:
        client.hello()
        client.send(ENVELOPE)
        for code in (250, 250, 354):
            client.expect(code)
        client.send(TEXT + b".\r\n")
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    wait_until(lambda: len(relay.messages()) == 1)
    with relay.client() as client:
        client.hello()
        for sender, recipient, text in (("x@example.com", "b@example.org", TEXT), ("a@example.com", "c@example.org", TEXT),
                                        ("a@example.com", "b@example.org", TEXT + b"\r\n"), ("a@example.com", "b@example.org", TEXT.replace(b"test", b"t\0est"))):
            client.message(text, sender, (recipient,))
    assert len(relay.messages()) == 5


def test_many_addresses_and_names_do_not_fill_the_ledger(make_relay):
    relay = make_relay(1, profile="fragile", listen="max_connections = 3000")
    with costs_less(relay, 3):
        for number in range(1500):
            with relay.client(source=f"127.{number % 7 + 1}.{number // 250}.{number % 250 + 1}") as client:
                client.send(b"EHLO " + b"%d." % number + b"x" * 240 + b"\r\nNONSENSE " + b"y" * 400 + b"\r\nQUIT\r\n")
                client.expect(250)
                client.expect(500)
                client.expect(221)
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
    wait_until(lambda: len(relay.api("/v1/clients?limit=500")["clients"]) == 500)
    size = sum(os.path.getsize(os.path.join(where, name)) for where, _, names in os.walk(relay.folder / "data") for name in names)
    print("store", size)

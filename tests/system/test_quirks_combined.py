"""Several quirks in one message, large ones too: what arrives is canonical, nothing is lost, and memory stays bounded."""
import base64
import email
import email.policy
import random
import re

import pytest

from conftest import SANITIZED, TEXT, wait_until

HEAD = b"From: a@example.com\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
MEGABYTE = 1 << 20


@pytest.fixture
def fragile(make_relay, upstream):
    return make_relay(upstream.port, profile="fragile", listen="max_message = 100MB", max_size="2GB")


def arrived(upstream, before=0):
    """The last message at the upstream, and how Python reads it."""
    text = upstream.wait_for(before + 1, 120)[-1]
    lines = text.split(b"\r\n")
    assert max(map(len, lines)) <= 998 and lines[-1] == b"" and b"\0" not in text
    assert text.count(b"\r") == text.count(b"\n") == len(lines) - 1
    return text, email.message_from_bytes(text, policy=email.policy.default)


def peak_bytes(relay):
    """What the process had of its own at most: without the store's map, whose pages the kernel may take back."""
    status = open(f"/proc/{relay.process.pid}/status", encoding="ascii").read()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) * 1024


def within(relay, limit, action):
    """Runs it, and watches the relay's memory meanwhile."""
    import threading
    peak, over = [peak_bytes(relay)], threading.Event()

    def watch():
        while not over.wait(0.01):
            peak.append(peak_bytes(relay))
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        value = action()
    finally:
        over.set()
        thread.join()
    if not SANITIZED:
        assert max(peak) - peak[0] < limit, (peak[0], max(peak))
    return value


def test_q61_q62_q64_q70_q76_lf_only_without_header_and_in_latin_1(fragile, upstream):
    with fragile.client() as client:
        for line, code in (("HELO ups", 250), ("MAIL FROM:<a@example.com>", 250), ("RCPT TO:<b@example.org>", 250), ("DATA", 354)):
            client.send(line + "\n")
            client.expect(code)
        client.send("Störung an USV 3\n..Größe: 20%\nlast line\n.\n".encode("latin-1"))
        identity = client.expect(250).split()[-1]
        client.send("QUIT\n")
        client.expect(221)
    text, message = arrived(upstream)
    assert message.get_content().splitlines() == ["Störung an USV 3", ".Größe: 20%", "last line"]
    assert message["From"] and message["Date"] and message["Message-ID"] and not message.defects
    assert identity in fragile.log()
    row = wait_until(lambda: fragile.api("/v1/clients")["clients"], what="the ledger")[0]
    assert {"Q-61", "Q-62", "Q-70", "Q-76"} <= {quirk["quirk"] for quirk in row["quirks"]}


def chunks(client, text, size):
    for at in range(0, len(text), size):
        part = text[at:at + size]
        client.send(b"BDAT %d%s\r\n" % (len(part), b" LAST" if at + size >= len(text) else b"") + part)
        client.expect(250)


@pytest.mark.parametrize("size", [777, 250_007])
def test_q61_q69_q71_q81_chunks_with_long_lines_lone_lf_and_nul(fragile, upstream, size):
    line = "Größe und Länge, ".encode() * 100
    body = b"\n".join([line, b"a\0b", b".", line])
    with fragile.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        chunks(client, HEAD.replace(b"\r\n", b"\n") + b"\n" + body, size)
    _, message = arrived(upstream)
    assert message.get_content().encode().split() == body.replace(b"\0", b"").split()


def test_q69_five_megabytes_of_base64_in_one_line(fragile, upstream):
    data = random.Random(1).randbytes(5 * MEGABYTE)
    text = (HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/tiff\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(data) + b"\r\n--b--\r\n")

    def send():
        with fragile.client() as client:
            client.hello()
            client.message(text)
        return arrived(upstream)
    _, message = within(fragile, 16 * MEGABYTE, send)
    (part,) = message.iter_parts()
    assert part.get_content() == data and not message.defects


@pytest.mark.parametrize("kind", ["base64", "text", "no end", "header"])
def test_q65_q69_q78_fifty_megabytes_in_one_line(fragile, upstream, kind):
    """A scan, a text, a text that never ends, and a field that never does."""
    size = 50 * MEGABYTE
    head = {"base64": HEAD + b"Content-Type: image/tiff\r\nContent-Transfer-Encoding: base64\r\n\r\n", "text": HEAD + b"\r\n",
            "no end": HEAD + b"\r\n", "header": HEAD + b"Subject: "}[kind]
    text = head + (b"QUJD" * (size // 4) if kind == "base64" else b"words to the end " * (size // 17))

    def send():
        client = fragile.client()
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(text)
        if kind == "no end":
            client.close()
            held = wait_until(lambda: fragile.messages("?state=held"), 60, "the partial message")
            fragile.command("queue", "release", held[0]["id"])
        else:
            client.send(b"\r\n.\r\n")
            client.expect(250)
        return arrived(upstream)
    out, message = within(fragile, 24 * MEGABYTE, send)
    if kind == "header":
        assert re.sub(rb"\r\n(?=[ \t])", b"", out).count(b"words to the end") == size // 17
    else:
        content = message.get_payload(decode=True).rstrip(b"\r\n")
        assert content == (b"ABC" * (size // 4) if kind == "base64" else (b"words to the end " * (size // 17)).rstrip(b"\r\n"))


def test_q65_what_is_released_is_scanned_first_and_what_is_deleted_is_gone(fragile, upstream):
    eicar = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*\r\n"
    for body in (eicar, b"to be deleted\r\n", b"to be sent\r\n"):
        with fragile.client() as client:
            client.hello()
            client.command("MAIL FROM:<a@example.com>", 250)
            client.command("RCPT TO:<b@example.org>", 250)
            client.command("DATA", 354)
            client.send(HEAD + b"\r\n" + body)
    held = wait_until(lambda: len(found := fragile.messages("?state=held")) == 3 and found, what="three that are held")
    assert upstream.count()["messages"] == 0
    texts = {fragile.request("GET", f"/v1/queue/messages/{m['id']}/content")[1].split(b"\r\n\r\n")[1]: m["id"] for m in held}
    for identity in texts.values():
        assert identity in fragile.command("queue", "list", "--state", "held")
        assert "no final dot (Q-65)" in fragile.command("queue", "show", identity)
        shown = fragile.api(f"/v1/queue/messages/{identity}")
        assert "Q-65" in shown["quirks"] and shown["recipients"][0]["held_until"] > shown["received"]
    fragile.command("queue", "delete", texts[b"to be deleted\r\n"])
    fragile.command("queue", "release", texts[eicar])
    fragile.wait_log(f"id={texts[eicar]} event=discarded")
    fragile.command("queue", "release", texts[b"to be sent\r\n"])
    assert arrived(upstream)[0].endswith(b"to be sent\r\n")
    fragile.wait_empty()
    assert upstream.count()["messages"] == 1


def test_q65_partial_messages_survive_kill_9_and_the_relay_goes_on(fragile, upstream):
    client = fragile.client()
    client.hello()
    client.command("MAIL FROM:<a@example.com>", 250)
    client.command("RCPT TO:<b@example.org>", 250)
    client.command("DATA", 354)
    client.send(HEAD + b"\r\nhalf of it\r\n")
    client.close()
    (kept,) = wait_until(lambda: fragile.messages("?state=held"), what="the partial message")
    open_one = fragile.client()
    open_one.hello()
    open_one.command("MAIL FROM:<a@example.com>", 250)
    open_one.command("RCPT TO:<b@example.org>", 250)
    open_one.command("DATA", 354)
    open_one.send(HEAD + b"\r\n" + b"lost with the relay\r\n" * 50_000)
    fragile.kill()
    open_one.close()
    fragile.start()
    (again,) = fragile.messages("?state=held")
    assert (again["id"], again["reason"]) == (kept["id"], kept["reason"])
    with fragile.client() as client:
        client.hello()
        client.message(TEXT)
    assert arrived(upstream)[0].endswith(TEXT[-8:])

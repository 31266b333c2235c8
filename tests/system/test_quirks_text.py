"""What fragile clients get wrong between DATA and the answer, by number (docs/quirks.md): Q-61 to Q-68, Q-71, Q-81 to Q-87."""
import re
import socket
import struct
import time

import pytest

from conftest import TEXT, wait_until

SAFE_LINES = re.compile(rb"(?:[^\r\n\0]*\r\n)*")


@pytest.fixture
def fragile(make_relay, upstream):
    return make_relay(upstream.port, profile="fragile")


def envelope(client, sender="a@example.com", recipient="b@example.org"):
    client.command(f"MAIL FROM:<{sender}>", 250)
    client.command(f"RCPT TO:<{recipient}>", 250)


def begin(client, **options):
    envelope(client, **options)
    client.command("DATA", 354)


def quirks_of(relay, identifier):
    return relay.api(f"/v1/queue/messages/{identifier}")["quirks"]


def held_back(make_relay, **options):
    """A relay whose upstream is away, so that its messages can be looked at."""
    return make_relay(1, profile="fragile", **options)


def reset(client):
    """Ends the connection by RST, as a device does that is switched off and on."""
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


# ---- line ends ----

@pytest.mark.parametrize("profile", ["fragile", "standard"])
def test_q61_bare_lf_line_ends_become_crlf(make_relay, upstream, profile):
    relay = make_relay(upstream.port, profile=profile)
    with relay.client() as client:
        client.hello()
        begin(client)
        client.send(b"From: a@example.com\nSubject: q61\n\none\ntwo\n\r\n.\r\n")
        client.expect(250)
    (text,) = upstream.wait_for(1)
    assert SAFE_LINES.fullmatch(text) and b"\r\none\r\ntwo\r\n" in text


def test_q61_q63_line_ends_are_noted(make_relay):
    relay = held_back(make_relay)
    with relay.client() as client:
        client.hello()
        begin(client)
        client.send(b"From: a@example.com\nSubject: x\r\n\r\none\rtwo\r\n.\r\n")
        identifier = client.expect(250).split()[-1]
    assert {"Q-61", "Q-63"} <= set(quirks_of(relay, identifier))


def test_q63_mixed_line_ends_become_crlf(fragile, upstream):
    with fragile.client() as client:
        client.hello()
        begin(client)
        client.send(b"Subject: x\r\nFrom: a@example.com\n\r\none\rtwo\r\r\nthree\n.\r\n.x\r\n\r\n.\r\n")
        client.expect(250)
    (text,) = upstream.wait_for(1)
    assert SAFE_LINES.fullmatch(text) and b"\r\none\r\ntwo\r\n" in text


def lf_session(client, text):
    """A whole dialogue in which every line ends in a bare LF."""
    for line, code in (("EHLO x", 250), ("MAIL FROM:<a@example.com>", 250), ("RCPT TO:<b@example.org>", 250), ("DATA", 354)):
        client.send(line + "\n")
        client.expect(code)
    client.send(text)


def test_q62_an_lf_only_client_ends_its_text_with_lf_dot_lf(make_relay):
    relay = held_back(make_relay)
    with relay.client() as client:
        lf_session(client, b"From: a@example.com\nSubject: lf\n\nhello\n.\n")
        identifier = client.expect(250).split()[-1]
        client.send("QUIT\n")
        client.expect(221)
    assert {"Q-61", "Q-62"} <= set(quirks_of(relay, identifier))


@pytest.mark.parametrize("text", [b"Subject: x\n\nhello\n.\nMAIL FROM:<evil@example.com>\n", b"Subject: x\r\n\nhello\n.\n"],
                         ids=["pipelined", "crlf-before"])
def test_q62_lf_dot_lf_is_text_with_something_behind_it_or_a_crlf_before(fragile, upstream, text):
    with fragile.client() as client:
        lf_session(client, text)
        client.send(b"more\r\n.\r\n")
        client.expect(250)
    (taken,) = upstream.wait_for(1)
    assert b"more\r\n" in taken and b"\r\n.\r\n" in taken.replace(b"\r\n..", b"\r\n.")


def test_q62_a_session_with_one_crlf_is_no_lf_only_session(fragile, upstream):
    with fragile.client() as client:
        client.hello()  # in CRLF
        begin(client)
        client.send(b"Subject: x\n\nhello\n.\n")
        client.send(b"more\n\r\n.\r\n")
        client.expect(250)
    (taken,) = upstream.wait_for(1)
    assert b"more\r\n" in taken


def test_q62_a_standard_listener_knows_no_lf_dot_lf(relay, upstream):
    with relay.client() as client:
        client.hello()
        begin(client)
        client.send(b"Subject: x\n\nhello\n.\n")
        client.send(b"more\n\r\n.\r\n")
        client.expect(250)
    assert b"more\r\n" in upstream.wait_for(1)[0]


def test_q64_lines_behind_an_unstuffed_dot_get_500_and_twenty_are_the_end(fragile, upstream):
    with fragile.client() as client:
        client.hello()
        begin(client)
        client.send(b"Subject: x\r\n\r\nlist:\r\n.\r\n" + b"this was meant as text\r\n" * 30)
        client.expect(250)
        for _ in range(20):
            client.expect(500)
        while True:  # the one that is too many, then the end, and never 4xx
            try:
                code, _ = client.reply()
            except (EOFError, ConnectionResetError):
                break
            assert code == 500
    assert len(upstream.wait_for(1)) == 1


# ---- NUL ----

def test_q71_nuls_are_taken_on_a_fragile_listener(make_relay):
    relay = held_back(make_relay)
    with relay.client() as client:
        client.hello()
        identifier = client.message(b"From: a@example.com\r\nSubject: x\r\n\r\nhe\0llo\r\n")
    assert relay.api(f"/v1/queue/messages/{identifier}")["id"] == identifier


def test_q71_nuls_are_refused_on_a_standard_one(relay):
    with relay.client() as client:
        client.hello()
        begin(client)
        client.send(b"Subject: x\r\n\r\nhe\0llo\r\n.\r\n")
        assert client.expect(554).startswith("554 5.6.0")


# ---- BDAT ----

PROFILES = pytest.mark.parametrize("profile", ["fragile", "standard"])


@PROFILES
def test_bdat_chunks_become_one_message(make_relay, upstream, profile):
    relay = make_relay(upstream.port, profile=profile)
    with relay.client() as client:
        client.hello()
        envelope(client)
        client.send(b"BDAT 24\r\nSubject: x\r\n\r\nhello\r\n.\r\nBDAT 4\r\nyou\r")
        client.expect(250)
        client.expect(250)
        client.send(b"BDAT 5 LAST\r\n\n..x\n")
        assert "queued as" in client.expect(250)
        client.command("NOOP", 250)
    (text,) = upstream.wait_for(1)
    assert text.endswith(b"\r\n\r\nhello\r\n.\r\nyou\r\n..x\r\n"), text


def test_bdat_takes_a_large_message_cut_anywhere(relay, upstream):
    body = b"".join(b"%06d and some more of the line, so that it has a length\r\n" % i for i in range(20000))
    text = b"Subject: large\r\n\r\n" + body
    with relay.client() as client:
        client.hello()
        envelope(client)
        for at in range(0, len(text), 250_007):
            part = text[at:at + 250_007]
            client.send(b"BDAT %d%s\r\n" % (len(part), b" LAST" if at + len(part) == len(text) else b"") + part)
            client.expect(250)
    assert upstream.wait_for(1)[0].endswith(body)


def test_bdat_zero_last_ends_a_message(relay, upstream):
    with relay.client() as client:
        client.hello()
        envelope(client)
        client.send(b"BDAT 18\r\nSubject: x\r\n\r\nhi\r\n")
        client.expect(250)
        client.command("BDAT 0 LAST", 250)
    assert upstream.wait_for(1)[0].endswith(b"\r\n\r\nhi\r\n")


def test_bdat_before_its_time_is_dropped_and_the_session_stays_in_step(relay, upstream):
    with relay.client() as client:
        client.send(b"BDAT 6\r\nQUIT\r\nNOOP\r\n")
        client.expect(503)
        client.expect(250)
        client.hello()
        client.send(b"BDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<a@example.com>\r\nBDAT 6\r\nQUIT\r\n")
        client.expect(503)
        client.expect(250)
        client.expect(503)
        client.command("RCPT TO:<b@example.org>", 250)
        client.send(b"BDAT 4 LAST\r\nhi\r\n")
        client.expect(250)
    assert upstream.wait_for(1)[0].endswith(b"hi\r\n")


def test_bdat_over_the_size_is_552_and_the_octets_are_dropped(make_relay, upstream):
    relay = make_relay(upstream.port, listen="max_message = 100KB")
    with relay.client() as client:
        client.hello()
        envelope(client)
        big = b"Subject: x\r\n\r\n" + b"x" * 600_000
        client.send(b"BDAT %d\r\n" % len(big) + big + b"BDAT 6 LAST\r\nQUIT\r\n")
        client.expect(552)
        client.expect(503)
        client.message(TEXT)
    assert len(upstream.wait_for(1)) == 1


@PROFILES
@pytest.mark.parametrize("argument", ["", "x", "-1", "12 FIRST", "99999999999999999999", "1x LAST"])
def test_bdat_whose_size_cannot_be_read_ends_the_session(make_relay, upstream, profile, argument):
    relay = make_relay(upstream.port, profile=profile)
    with relay.client() as client:
        client.hello()
        envelope(client)
        client.send(f"BDAT {argument}\r\nQUIT\r\n")
        client.expect(501)
        assert client.is_closed()


@pytest.mark.parametrize("profile, line", [
    ("fragile", b"BDAT 6" + b" " * 5000 + b"LAST\r\n"), ("standard", b"bdat 6" + b" " * 5000 + b"LAST\r\n"),
    ("fragile", b"\tB\0DAT" + b" 6" * 3000 + b"\r\n"), ("standard", b"BDAT 6 LAST\n"), ("standard", b"BDAT 6\0 LAST\r\n"),
    ("standard", b"NOOP\nBDAT 6\r\n")],
    ids=["long", "long, standard", "long with a NUL", "lone LF", "NUL", "behind a lone LF"])
def test_bdat_in_a_line_that_cannot_be_read_ends_the_session(make_relay, upstream, profile, line):
    relay = make_relay(upstream.port, profile=profile)
    with relay.client() as client:
        client.hello()
        envelope(client)
        client.send(line + b"RSET\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx\r\n.\r\n")
        for _ in range(line.count(b"\n")):
            client.expect(500)
        assert client.is_closed()
    assert relay.messages() == [] and upstream.count()["messages"] == 0


@PROFILES
def test_rcpt_between_two_chunks_is_refused(make_relay, upstream, profile):
    relay = make_relay(upstream.port, profile=profile)
    with relay.client() as client:
        client.hello()
        envelope(client)
        client.send(b"BDAT 15\r\nSubject: x\r\n\r\n1")
        client.expect(250)
        client.command("RCPT TO:<late@example.org>", 503)
        client.send(b"BDAT 1 LAST\r\n2")
        client.expect(250)
    upstream.wait_for(1)
    assert "late@" not in str(upstream.envelopes())


def test_bdat_and_data_do_not_mix(relay, upstream):
    with relay.client() as client:
        client.hello()
        envelope(client)
        client.send(b"BDAT 15\r\nSubject: x\r\n\r\n1")
        client.expect(250)
        client.command("DATA", 503)
        client.send(b"BDAT 1 LAST\r\n2")
        client.expect(250)
    assert upstream.wait_for(1)[0].endswith(b"\r\n\r\n12\r\n")


def test_bdat_is_forgotten_by_rset_and_its_text_swept(relay, upstream):
    with relay.client() as client:
        client.hello()
        envelope(client)
        part = b"x" * 70 + b"\r\n"
        client.send(b"BDAT %d\r\n" % (len(part) * 10000) + part * 10000)
        client.expect(250)
        client.command("RSET", 250)
        client.message(TEXT)
    text = upstream.wait_for(1)[0]
    assert b"xxxx" not in text
    relay.wait_empty()


def test_bdat_of_a_client_that_leaves_between_chunks_is_nothing(relay, upstream):
    with relay.client() as client:
        client.hello()
        envelope(client)
        client.send(b"BDAT 2\r\nhi")
        client.expect(250)
        client.command("QUIT", 221)
    assert relay.messages() == []
    assert upstream.count()["messages"] == 0


@PROFILES
def test_q81_bdat_after_helo_and_without_a_last_line_end_is_taken(make_relay, upstream, profile):
    relay = make_relay(upstream.port, profile=profile)
    with relay.client() as client:
        client.command("HELO client.example", 250)
        envelope(client)
        client.send(b"BDAT 17 LAST\r\nSubject: x\r\n\r\nend")
        client.expect(250)
        client.command("QUIT", 221)
    assert upstream.wait_for(1)[0].endswith(b"\r\n\r\nend\r\n")


def test_q81_is_noted(make_relay):
    relay = held_back(make_relay)
    with relay.client() as client:
        client.hello()
        envelope(client)
        client.send(b"BDAT 17 LAST\r\nSubject: x\r\n\r\nend")
        identifier = client.expect(250).split()[-1]
        envelope(client)
        client.send(b"BDAT 19 LAST\r\nSubject: x\r\n\r\nend\r\n")
        clean = client.expect(250).split()[-1]
    assert "Q-81" in quirks_of(relay, identifier)
    assert "Q-81" not in quirks_of(relay, clean)


# ---- size and loops ----

def sized(client, declared, text):
    client.command(f"MAIL FROM:<a@example.com> SIZE={declared}", 250)
    client.command("RCPT TO:<b@example.org>", 250)
    client.command("DATA", 354)
    client.send(text + b".\r\n")


def test_q83_a_wrong_size_is_noted_and_the_real_one_counts(make_relay):
    relay = held_back(make_relay, listen="max_message = 100KB")
    text = TEXT + b"x" * 60 + b"\r\n"
    with relay.client() as client:
        client.hello()
        ids = {}
        for declared in (10, len(text), len(text) - 5, 20_000_000):
            sized(client, declared, text * (100 if declared == 10 else 1))
            ids[declared] = client.expect(250).split()[-1]
    noted = {declared: "Q-83" in quirks_of(relay, identifier) for declared, identifier in ids.items()}
    assert noted == {10: True, len(text): False, len(text) - 5: False, 20_000_000: True}


def test_q83_a_size_over_the_limit_is_refused_at_once_on_a_standard_listener(make_relay):
    relay = make_relay(1, listen="max_message = 100KB")
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com> SIZE=20000000", 552)


def test_q84_an_oversize_message_is_read_to_its_dot_and_refused_once(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile", listen="max_message = 100KB")
    with relay.client() as client:
        client.hello()
        begin(client)
        client.send(b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 20_000 + b".\r\n")
        client.expect(552)
        client.command("NOOP", 250)  # one reply, in step
        client.message(TEXT)
    assert len(upstream.wait_for(1)) == 1


def test_q86_a_message_in_circles_is_refused(make_relay):
    relay = held_back(make_relay)
    with relay.client() as client:
        client.hello()
        begin(client)
        client.send(b"Received: from x by y; z\r\n" * 101 + TEXT + b".\r\n")
        assert client.expect(554).startswith("554 5.4.6")


def ledger_of(relay, number):
    """The quirk's row in the ledger's record of 127.0.0.1."""
    def look():
        clients = relay.api("/v1/clients")["clients"]
        rows = relay.api("/v1/clients/127.0.0.1")["quirks"] if clients else []
        return next((row for row in rows if row["quirk"] == number), None)
    return wait_until(look, what=f"{number} in the ledger")


def test_q81_q83_q84_q86_are_counted_once_a_message_and_have_an_example(make_relay):
    relay = held_back(make_relay, listen="max_message = 100KB")
    with relay.client() as client:
        client.command("HELO client.example", 250)
        for _ in range(2):
            begin(client)
            client.send(b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 20_000 + b".\r\n")
            client.expect(552)
        for _ in range(3):
            begin(client)
            client.send(b"Received: from x by y; z\r\n" * 101 + TEXT + b".\r\n")
            client.expect(554)
        sized(client, 20_000_000, TEXT)
        client.expect(250)
        envelope(client)
        client.send(b"BDAT 17 LAST\r\nSubject: x\r\n\r\nend")
        client.expect(250)
    for number, count, example in (("Q-84", 2, "1440014 bytes"), ("Q-86", 3, "101 Received fields"), ("Q-81", 1, "no line end"),
                                   ("Q-83", 1, f"SIZE=20000000, and {len(TEXT)} bytes")):
        row = ledger_of(relay, number)
        assert row["count"] == count and row["example"].startswith(example), row
        assert relay.metric(f'sluice_quirks_total{{quirk="{number}"}}') == count
    shown = relay.command("client", "show", "127.0.0.1")
    assert "101 Received fields" in shown


# ---- ends of sessions ----

def test_q67_a_client_that_resets_instead_of_quitting_is_no_error(fragile, upstream):
    for _ in range(3):
        client = fragile.client()
        client.hello()
        client.message(TEXT)
        reset(client)
    upstream.wait_for(3)
    assert not re.search(r" (error|warning) ", fragile.log())
    assert ledger_of(fragile, "Q-67")["count"] >= 1
    wait_until(lambda: fragile.api("/v1/clients/127.0.0.1")["sessions_without_quit"] == 3, what="three ends without QUIT")
    assert fragile.metric('sluice_quirks_total{quirk="Q-67"}') == 3


def test_q68_quit_is_answered_before_the_end_even_with_bytes_behind_it(fragile):
    for _ in range(20):
        with fragile.client() as client:
            client.hello()
            client.send(b"QUIT\r\n" + b"and more that nobody reads\r\n" * 200)
            client.expect(221)
            assert client.is_closed()


# ---- texts that never end ----

LIST = "/v1/queue/messages"


def wait_held(relay, count=1):
    return wait_until(lambda: len(found := relay.messages("?state=held")) == count and found, what=f"{count} held")


@pytest.mark.parametrize("leave", [lambda client: client.close(), reset, lambda client: client.sock.shutdown(socket.SHUT_WR)],
                         ids=["close", "reset", "half-close"])
def test_q65_a_text_without_its_final_dot_is_held(fragile, upstream, leave):
    client = fragile.client()
    client.hello()
    begin(client)
    client.send(b"From: a@example.com\r\nSubject: half\r\n\r\nthe first pa")
    time.sleep(0.1)  # its bytes are there before a reset takes them away
    leave(client)
    (message,) = wait_held(fragile)
    assert message["reason"] == "incomplete: the client closed after 50 bytes, no final dot (Q-65)"
    assert "Q-65" in message["quirks"]
    listed = fragile.command("queue", "list", "--state", "held")
    shown = fragile.command("queue", "show", message["id"])
    assert message["id"] in listed
    assert "incomplete: the client closed" in shown and f"send it on: sluice queue release {message['id']}" in shown
    _, text = fragile.request("GET", f"{LIST}/{message['id']}/content")
    assert text.endswith(b"\r\nthe first pa\r\n")
    assert upstream.count()["messages"] == 0
    fragile.wait_log(f"id={message['id']} event=incomplete")


def test_q65_a_client_that_stalls_in_its_text_is_held_too(make_relay):
    relay = held_back(make_relay, listen="data_timeout = 1s")
    with relay.client() as client:
        client.hello()
        begin(client)
        client.send(b"Subject: half\r\n\r\npart")
        assert client.is_closed()  # and no 4xx before
    (message,) = wait_held(relay)
    assert "the client stalled after 21 bytes" in message["reason"]


def test_q65_a_large_text_without_its_end_is_whole_up_to_there(fragile):
    body = b"".join(b"%06d and some more of the line, so that it has a length\r\n" % i for i in range(20000))
    client = fragile.client()
    client.hello()
    begin(client)
    client.send(b"From: a@example.com\r\nSubject: half\r\n\r\n" + body)
    client.sock.shutdown(socket.SHUT_WR)
    (message,) = wait_held(fragile)
    _, text = fragile.request("GET", f"{LIST}/{message['id']}/content")
    assert text.endswith(body)


def test_q65_released_it_is_scanned_and_sent(fragile, upstream):
    with fragile.client() as client:
        client.hello()
        begin(client)
        client.send(b"From: a@example.com\r\nSubject: half\r\n\r\nthe first pa")
    (message,) = wait_held(fragile)
    fragile.command("queue", "release", message["id"])
    (text,) = upstream.wait_for(1)
    assert text.endswith(b"\r\nthe first pa\r\n")
    fragile.wait_empty()


def test_q65_nothing_is_kept_without_text_or_by_a_standard_listener(make_relay, upstream, fragile):
    strict = make_relay(upstream.port)
    for relay, text in ((fragile, b""), (strict, b"Subject: half\r\n\r\npart")):
        with relay.client() as client:
            client.hello()
            begin(client)
            client.send(text)
        with relay.client() as client:  # the session before is over when this one's message is through
            client.hello()
            client.message(TEXT)
    upstream.wait_for(2)
    for relay in (fragile, strict):
        relay.wait_empty()


def test_q65_one_client_has_a_hundred_at_most(fragile):
    for _ in range(103):
        with fragile.client() as client:
            client.hello()
            begin(client)
            client.send(b"Subject: half\r\n\r\npart")
    wait_until(lambda: fragile.api("/v1/queue")["states"]["held"] >= 100, what="100 held")
    with fragile.client() as client:
        client.hello()
        client.message(TEXT)
    wait_until(lambda: fragile.api("/v1/queue")["messages"] == 100, what="the rest to be gone")


def test_q65_bdat_within_a_chunk_is_held(fragile):
    with fragile.client() as client:
        client.hello()
        envelope(client)
        client.send(b"BDAT 100 LAST\r\nSubject: half\r\n\r\npart")
    (message,) = wait_held(fragile)
    assert "after 21 bytes" in message["reason"]


# ---- what a client did not hear ----

def send_and_go(relay, text, leave):
    """A whole message, and the client is gone before it has read the answer to its dot."""
    client = relay.client()
    client.hello()
    begin(client)
    client.send(text + b".\r\n")
    leave(client)


def go(client):
    client.close()


ALARM = b"From: ups@example.com\r\nSubject: alarm\r\n\r\non battery\r\n"


@pytest.mark.parametrize("text,leave", [(ALARM, go), (ALARM, reset), (ALARM + (b"x" * 70 + b"\r\n") * 10000, go)],
                         ids=["close", "reset", "large"])
def test_q66_q85_a_message_whose_250_was_not_heard_is_kept_and_its_second_copy_recognised(fragile, upstream, text, leave):
    send_and_go(fragile, text, leave)
    (taken,) = upstream.wait_for(1)
    assert taken.endswith(text[-100:])
    (lost,) = fragile.wait_log(r"id=(\w+) event=reply_lost").groups()
    with fragile.client() as client:
        client.hello()
        assert client.message(text) == lost
        client.command("NOOP", 250)
    fragile.wait_log(f"id={lost} event=resend_recognised")
    fragile.wait_empty()
    assert upstream.count()["messages"] == 1


def test_q85_two_equal_alarms_that_were_both_answered_are_two_messages(fragile, upstream):
    for _ in range(2):
        with fragile.client() as client:
            client.hello()
            client.message(ALARM)
            client.command("QUIT", 221)
    assert len(upstream.wait_for(2)) == 2


def test_q85_the_copy_was_heard_so_a_third_one_is_a_new_message(fragile, upstream):
    send_and_go(fragile, ALARM, reset)
    (lost,) = fragile.wait_log(r"id=(\w+) event=reply_lost").groups()
    with fragile.client() as client:
        client.hello()
        assert client.message(ALARM) == lost
        assert client.message(ALARM) != lost
    assert len(upstream.wait_for(2)) == 2


def test_q85_another_text_or_recipient_is_another_message(fragile, upstream):
    send_and_go(fragile, ALARM, reset)
    (lost,) = fragile.wait_log(r"id=(\w+) event=reply_lost").groups()
    with fragile.client() as client:
        client.hello()
        assert client.message(ALARM + b"again\r\n") != lost
        assert client.message(ALARM, recipients=("c@example.org",)) != lost
    with fragile.client(source="127.0.0.2") as client:
        client.hello()
        assert client.message(ALARM) != lost
    assert len(upstream.wait_for(4)) == 4


def test_q85_a_half_closing_client_that_reads_its_answer_has_heard_it(fragile, upstream):
    for _ in range(2):
        client = fragile.client()
        client.hello()
        begin(client)
        client.send(ALARM + b".\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        client.expect(250)
        assert client.is_closed()
        client.close()
    assert len(upstream.wait_for(2)) == 2
    assert "reply_lost" not in fragile.log()


def test_q85_a_first_copy_that_was_deleted_is_no_reason_to_drop_the_second(make_relay, upstream):
    relay = held_back(make_relay)
    send_and_go(relay, ALARM, reset)
    (lost,) = relay.wait_log(r"id=(\w+) event=reply_lost").groups()
    wait_until(lambda: [m["state"] for m in relay.messages()] not in ([], ["scanning"]), what="the scan")
    relay.command("queue", "hold", lost)
    relay.command("queue", "delete", lost)
    with relay.client() as client:
        client.hello()
        assert client.message(ALARM) != lost


def test_q85_a_standard_listener_recognises_nothing(relay, upstream):
    send_and_go(relay, ALARM, reset)
    upstream.wait_for(1)
    with relay.client() as client:
        client.hello()
        client.message(ALARM)
    assert len(upstream.wait_for(2)) == 2


# ---- the same Message-ID every time ----

def numbered(content):
    return b"From: a@example.com\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@device>\r\nSubject: x\r\n\r\n%s\r\n" % content


def test_q87_a_message_id_of_another_message_is_replaced(fragile, upstream):
    with fragile.client() as client:
        client.hello()
        for content in (b"one", b"two", b"three"):
            client.message(numbered(content))
    texts = sorted(upstream.wait_for(3), key=lambda text: text[-10:])
    ids = {re.search(rb"(?m)^Message-ID: *(<[^>\r\n]+>)\r$", text).group(1) for text in texts}
    assert len(ids) == 3 and b"<1@device>" in ids
    assert sum(b"\r\nX-Original-Message-ID: <1@device>\r\n" in text for text in texts) == 2


def test_q87_is_noted_and_the_same_content_keeps_its_id(make_relay):
    relay = held_back(make_relay)
    with relay.client() as client:
        client.hello()
        ids = [client.message(numbered(content)) for content in (b"one", b"one", b"two")]
    with relay.client(source="127.0.0.2") as client:
        client.hello()
        ids.append(client.message(numbered(b"three")))
    assert ["Q-87" in quirks_of(relay, identifier) for identifier in ids] == [False, False, True, False]
    _, text = relay.request("GET", f"{LIST}/{ids[1]}/content")
    assert b"X-Original-Message-ID" not in text

"""Fragile traffic and the store: what never came whole, a store that fills within a chunk, a configuration that changes meanwhile."""
import contextlib
import email
import email.policy
import signal
import socket
import time

import pytest

from conftest import TEXT, wait_until
from scripted import ScriptedUpstream
from test_quirks_text import ALARM, begin, envelope, reset, send_and_go, wait_held

LARGE = b"".join(b"%06d and some more of the line, so that it has a length\r\n" % i for i in range(20000))


def half(relay, text):
    """A text without its end, from a client that goes."""
    client = relay.client()
    client.hello()
    begin(client)
    client.send(text)
    client.close()


def start_again(relay):
    relay.kill()
    relay.start()


def test_q65_what_is_held_outlives_kill_9_and_is_repaired_scanned_and_sent_when_released(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile")
    half(relay, b"Subject: half\r\n\r\n" + LARGE + b"f\xfcr alle")
    (before,) = wait_held(relay)
    start_again(relay)
    (message,) = wait_held(relay)
    assert message["reason"] == before["reason"] and message["recipients"][0]["held_until"] == before["recipients"][0]["held_until"]
    relay.command("queue", "release", message["id"])
    (text,) = upstream.wait_for(1)
    message = email.message_from_bytes(text, policy=email.policy.default)
    body = message.get_content().replace("\r\n", "\n")
    whole = body == LARGE.decode().replace("\r\n", "\n") + "für alle\n"  # a difference of a megabyte is not to be shown
    assert whole, body[-200:]
    assert message["Date"] and message["Message-ID"] and message["From"]
    relay.wait_empty()


def test_q65_a_kill_9_within_the_text_leaves_nothing(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile")
    client = relay.client()
    client.hello()
    begin(client)
    client.send(b"Subject: half\r\n\r\n" + LARGE)
    wait_until(lambda: relay.api("/v1/status")["store"]["used_bytes"] > 700_000, what="a text in the store")
    start_again(relay)
    relay.wait_log("event=swept texts=1")
    assert relay.api("/v1/queue")["messages"] == 0
    client.close()


def test_q65_what_is_too_much_to_keep_leaves_no_pieces(make_relay, upstream):
    """Of a store of 16 MB a twentieth may be texts without an end."""
    relay = make_relay(upstream.port, profile="fragile", max_size="16MB")
    half(relay, b"Subject: half\r\n\r\n" + LARGE)
    relay.wait_log('why="client closed"')
    wait_until(lambda: relay.api("/v1/status")["store"]["used_bytes"] < 500_000, what="the pieces to be swept")
    assert relay.api("/v1/queue")["messages"] == 0
    start_again(relay)
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
    upstream.wait_for(1)
    assert "event=swept" not in relay.log()


def fill(relay):
    """Messages until the store takes no more, small ones, so that the last one's end makes no room; how many it took."""
    stored = 0
    with relay.client() as client, contextlib.suppress(socket.timeout, AssertionError):
        client.hello()
        client.sock.settimeout(1)  # a fragile client is kept waiting
        while True:
            client.message(TEXT + (b"x" * 70 + b"\r\n") * 1000)
            stored += 1
    assert relay.metric("sluice_spool_full") == 1
    return stored


def begin_chunks(relay):
    client = relay.client()
    client.sock.settimeout(60)
    client.hello()
    envelope(client)
    client.send(b"BDAT 24\r\nSubject: in chunks\r\n\r\n\r\n")
    client.expect(250)
    return client


def test_a_store_that_fills_within_a_chunk_keeps_a_fragile_client_waiting(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile", max_size="16MB", listen="full_store_patience = 60s")
    upstream.busy("banner")
    client, gone = begin_chunks(relay), begin_chunks(relay)
    stored = fill(relay)
    for other in (client, gone):
        other.send(b"BDAT %d LAST\r\n" % len(LARGE) + LARGE[:300_000])
    wait_until(lambda: relay.log().count("event=reply_held ") >= 2, what="two chunks that wait")
    time.sleep(1)
    gone.close()  # in a chunk that waits: dropped, and not kept either
    upstream.open()
    client.send(LARGE[300_000:])
    client.expect(250)
    client.close()
    texts = upstream.wait_for(stored + 1)
    assert any(text.endswith(LARGE) for text in texts)
    relay.wait_empty()
    assert relay.refusals() == {}
    start_again(relay)
    assert "event=swept" not in relay.log() and upstream.count()["messages"] == stored + 1


def test_a_store_that_fills_within_a_chunk_refuses_a_standard_client_which_stays_in_step(make_relay, upstream):
    relay = make_relay(upstream.port, max_size="16MB")
    upstream.busy("banner")
    client = begin_chunks(relay)
    stored = fill(relay)
    client.send(b"BDAT %d\r\n" % len(LARGE) + LARGE + b"BDAT 9 LAST\r\nRSET\r\nx\r\nNOOP\r\n")
    client.expect(452)
    client.expect(503)  # its octets are no commands
    client.expect(250)
    upstream.open()
    upstream.wait_for(stored)
    relay.wait_empty()
    wait_until(lambda: relay.metric("sluice_spool_full") == 0, what="room again")
    client.message(TEXT)
    client.close()
    upstream.wait_for(stored + 1)


def test_a_reload_under_way_takes_nothing_from_a_session(make_relay, upstream):
    """What the old configuration says of a client lives as long as its sessions."""
    client_of = 'client "127.0.0.0/8" {{ charset = {}  domain = {}.example.edu  profile = gsm-modem }}'
    relay = make_relay(upstream.port, profile="fragile", top=client_of.format("iso-8859-2", "first"))
    clients = [relay.client() for _ in range(4)]
    for client in clients[1:]:
        client.hello()
    begin(clients[2], sender="printer")
    envelope(clients[3], sender="printer")
    clients[2].send(b"Subject: one\r\n\r\n" + LARGE)
    for charset, domain in (("iso-8859-5", "second"), ("utf-8", "third")):
        before = relay.log().count("event=reloaded")
        relay.write_config(top=client_of.format(charset, domain))
        relay.process.send_signal(signal.SIGHUP)
        wait_until(lambda: relay.log().count("event=reloaded") > before, what="the reload")
    clients[0].hello()
    for client in clients[:2]:
        envelope(client, sender="printer")
    for client in (clients[0], clients[1], clients[3]):
        client.command("DATA", 354)
        client.send(b"Subject: one\r\n\r\n")
    for client in clients:
        client.send(b"\xb1\r\n.\r\n")
        client.expect(250)
        client.close()
    for lines, text in zip(upstream.envelopes(), upstream.wait_for(4)):
        assert "printer@first.example.edu" in lines[0]
        assert email.message_from_bytes(text, policy=email.policy.default).get_content().rstrip().endswith("ą")
    relay.wait_empty()


def alarm(relay, *recipients):
    client = relay.client()
    client.hello()
    client.command("MAIL FROM:<ups@example.com>", 250)
    for recipient in recipients:
        client.command(f"RCPT TO:<{recipient}>", 250)
    client.command("DATA", 354)
    client.send(ALARM + b".\r\n")
    return client


@pytest.mark.parametrize("recipients", [["gone@example.org"], ["b@example.org", "gone@example.org"]], ids=["all", "one of two"])
def test_q85_a_first_copy_that_was_bounced_is_no_reason_to_drop_the_second(make_relay, recipients):
    refused = [True]

    def serve(session):
        session.greet()
        while (line := session.line()) is not None:
            if line.startswith("RCPT TO:<gone@") and refused[0]:
                session.say("550 5.1.1 nobody here")
            else:
                session.answer(line)
    with ScriptedUpstream(serve) as server:
        relay = make_relay(server.port, profile="fragile")
        reset(alarm(relay, *recipients))
        (lost,) = relay.wait_log(r"id=(\w+) event=reply_lost").groups()
        relay.wait_log(f"id={lost} event=bounced")
        relay.wait_empty()
        refused[0] = False
        client = alarm(relay, *recipients)
        assert client.expect(250).split()[-1] != lost
        client.close()
        relay.wait_empty()
        last = server.messages[-1]
        assert sorted(to.strip("<>") for to in last[1]) == sorted(recipients)


def test_q85_a_first_copy_that_an_operator_holds_is_the_message(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile")
    upstream.busy("banner")
    send_and_go(relay, ALARM, reset)
    (lost,) = relay.wait_log(r"id=(\w+) event=reply_lost").groups()
    wait_until(lambda: relay.request("POST", f"/v1/queue/messages/{lost}/hold")[0] == 200, what="the hold")
    with relay.client() as client:
        client.hello()
        assert client.message(ALARM) == lost

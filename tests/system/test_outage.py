"""Upstreams that are away, full, or only half there: for how long, what it costs, and what the sender hears."""
import email
import email.policy
import re
import threading
import time

from conftest import PATIENCE, TEXT, free_port, wait_until
from scripted import ScriptedUpstream


class Narrow:
    """Takes so many connections, refuses one more at the banner, and needs `pause` seconds for each message."""

    def __init__(self, room, pause):
        self.lock, self.room, self.pause, self.refused = threading.Lock(), room, pause, 0

    def enter(self):
        with self.lock:
            if self.room == 0:
                self.refused += 1
                return False
            self.room -= 1
            return True

    def leave(self):
        with self.lock:
            self.room += 1

    def __call__(self, session):
        if not self.enter():
            session.say("421 4.7.0 too many connections from you")
            return
        try:
            session.greet("8BITMIME")
            while (line := session.line()) is not None and line != "QUIT":
                if line == "DATA":
                    session.say("354 go on")
                    session.text()
                    time.sleep(self.pause)
                    session.server.messages.append(line)
                    session.say("250 2.0.0 taken")
                else:
                    session.say("250 2.0.0 ok")
        finally:
            self.leave()


def time_to_deliver(make_relay, count, max_connections):
    narrow = Narrow(room=3, pause=0.02)
    with ScriptedUpstream(narrow) as server:
        relay = make_relay(server.port, busy_first="1s", busy_max="60s",
                           upstream=f"max_connections = {max_connections}")
        relay.command("host", "pause", f"127.0.0.1:{server.port}")
        with relay.client() as client:
            client.hello()
            for _ in range(count):
                client.message(TEXT)
        begun = time.monotonic()
        relay.command("host", "resume", f"127.0.0.1:{server.port}")
        wait_until(lambda: len(server.messages) == count, 3 * PATIENCE, f"{count} messages")
        return time.monotonic() - begun, narrow.refused, relay


def test_an_upstream_that_takes_few_connections_is_used_as_fast_as_it_goes(make_relay):
    fitting, _, _ = time_to_deliver(make_relay, 300, 3)
    over, refused, relay = time_to_deliver(make_relay, 300, 20)
    print(f"max_connections = 3: {fitting:.2f} s; = 20: {over:.2f} s, {refused} refused")
    assert over < 1.5 * fitting + 1, "a rest costs a second at least"
    assert refused < 20
    relay.wait_log(r"event=host_full .*connections=3 of=20")
    assert "event=host_resting" not in relay.log()
    host = relay.api("/v1/hosts")["hosts"][0]
    assert host["connections_allowed"] == 3, host


def obey(session):
    session.greet()
    while (line := session.line()) is not None:
        session.answer(line)


def test_mail_for_an_upstream_that_was_never_there_bounces_and_the_bounce_waits_for_it(make_relay):
    port = free_port()
    relay = make_relay(port, lifetime="5s", upstream="connect_timeout = 2s")
    with relay.client() as client:
        client.hello()
        client.message(TEXT, recipients=("b@example.org", "c@example.org"))
    relay.wait_log(r"event=bounced .*to=<c@example.org> .*why=expired")
    with ScriptedUpstream(obey, port) as server:
        wait_until(lambda: server.messages, what="the bounce")
        relay.wait_empty()
    (sender, recipients, text), = server.messages
    assert sender.startswith("MAIL FROM:<>") and recipients == ["<a@example.com>"]
    report = email.message_from_bytes(text, policy=email.policy.default)
    assert report.get_content_type() == "multipart/report" and not report.defects
    notice, status, headers = report.get_payload()
    assert "The delivery time expired." in notice.get_content()
    blocks = status.get_payload()
    assert [block["Final-Recipient"] for block in blocks[1:]] == ["rfc822; b@example.org", "rfc822; c@example.org"]
    assert {block["Status"] for block in blocks[1:]} == {"4.4.7"}
    assert "Subject: test" in headers.get_content()
    sent = email.utils.parsedate_to_datetime(report["Date"]).timestamp()
    assert abs(sent - time.time()) < PATIENCE


def test_recovery_after_an_outage_begins_with_few_connections(make_relay):
    port, lock, connects_at_first = free_port(), threading.Lock(), []
    relay = make_relay(port)
    with relay.client() as client:
        client.hello()
        for _ in range(200):
            client.message(TEXT)
    relay.wait_log(r"event=host_resting .*stage=\"connect\"")

    def note_first(session):
        session.greet()
        while (line := session.line()) is not None:
            session.answer(line)
            with lock:
                if session.server.messages and not connects_at_first:
                    connects_at_first.append(session.server.connects)

    with ScriptedUpstream(note_first, port) as server:
        wait_until(lambda: len(server.messages) == 200, what="all messages")
        relay.wait_empty()
    assert connects_at_first[0] == 1
    assert server.connects <= 20


def test_a_name_with_two_addresses_is_reached_on_the_one_that_listens(make_relay):
    with ScriptedUpstream(obey) as server:
        relay = make_relay(free_port(), routes='route "*" { upstream = near }',
                           upstreams=f'upstream near {{ hosts = {{"localhost:{server.port}"}} tls = off }}')
        with relay.client() as client:
            client.hello()
            client.message(TEXT)
        wait_until(lambda: server.messages, what="the message")


def test_a_name_that_does_not_resolve_holds_up_nobody(make_relay):
    with ScriptedUpstream(obey) as server:
        hosts = f'"nowhere.invalid:25", "127.0.0.1:{server.port}"'
        relay = make_relay(free_port(), routes='route "*" { upstream = near }',
                           upstreams=f"upstream near {{ hosts = {{{hosts}}} tls = off connect_timeout = 5s }}")
        with relay.client() as client:
            client.hello()
            for _ in range(10):
                client.message(TEXT)
        wait_until(lambda: len(server.messages) == 10, what="ten messages")
        relay.wait_empty()
        assert re.search(r"event=host_resting host=nowhere.invalid:25 .*stage=\"connect\"", relay.log())

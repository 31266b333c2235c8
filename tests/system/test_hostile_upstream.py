"""Upstreams that hang, reset, lie and babble: never a success by accident, never a loss, a second copy only after the dot."""
import threading
import time

import pytest

from conftest import TEXT, wait_until
from scripted import ScriptedUpstream

FAST = "connect_timeout = 1s  command_timeout = 1s  data_timeout = 1s  dot_timeout = 1s"


class Flaky:
    """Misbehaves on the first `times` connections, then obeys."""

    def __init__(self, misbehave, times=1):
        self.misbehave, self.left, self.lock = misbehave, times, threading.Lock()

    def __call__(self, session):
        with self.lock:
            bad, self.left = self.left > 0, self.left - 1
        if bad:
            self.misbehave(session)
            return
        session.greet()
        while (line := session.line()) is not None:
            session.answer(line)
            if line == "QUIT":
                return


def until(session, verb):
    """Obeys up to the command; returns with it read and unanswered. STAGE "text": the text begun."""
    session.greet()
    while (line := session.line()) is not None:
        if line.upper().startswith(verb):
            return
        session.answer(line)


def at(stage, what):
    def misbehave(session):
        if stage == "banner":
            what(session)
        elif stage == "ehlo":
            session.say("220 scripted.example ESMTP")
            session.line()
            what(session)
        elif stage == "text":
            until(session, "DATA")
            session.say("354 go on")
            session.sock.recv(1)
            what(session)
        elif stage == "dot":
            until(session, "DATA")
            session.say("354 go on")
            session.text()
            what(session)
        else:
            until(session, stage.upper())
            what(session)
    return misbehave


def hang(session):
    session.sock.settimeout(30)
    while session.sock.recv(65536):
        pass


def close(_session):
    pass


def reset(session):
    session.reset()


def junk(session):
    session.raw(b"\x00\xff this is no reply\r\n" * 3)
    time.sleep(0.2)


def endless_line(session):
    session.raw(b"250-" + b"x" * 1_000_000)
    time.sleep(0.2)


def busy_in_the_middle(session):
    session.raw("250-well\r\n421 4.3.2 going down\r\n")


STAGES = ["banner", "ehlo", "mail", "rcpt", "data", "text", "dot"]


@pytest.mark.parametrize("what", [hang, close, reset, junk, endless_line, busy_in_the_middle], ids=lambda what: what.__name__)
@pytest.mark.parametrize("stage", STAGES)
def test_misbehaviour_at_a_stage(make_relay, stage, what):
    with ScriptedUpstream(Flaky(at(stage, what))) as server:
        relay = make_relay(server.port, upstream=FAST, retry_first="300ms", retry_max="1s")
        with relay.client() as client:
            client.hello()
            client.message(TEXT)
        relay.wait_empty()
        assert len(server.messages) == 1, "kept once by the obedient connection"
        assert server.messages[0][2].endswith(TEXT)
        assert "event=bounced" not in relay.log()


def test_close_after_the_dot_is_unknown_and_tried_again_later(make_relay):
    taken = []

    def script(session):
        until(session, "DATA")
        session.say("354 go on")
        taken.append(session.text())
        if len(taken) > 1:
            session.say("250 2.0.0 taken")
            session.line()

    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, upstream=FAST, retry_first="1s")
        with relay.client() as client:
            client.hello()
            client.message(TEXT)
        wait_until(lambda: len(taken) == 1)
        time.sleep(0.5)
        (message,) = relay.messages()
        assert message["recipients"][0]["attempts"] == 1, "an unknown outcome is charged"
        relay.wait_empty()
        assert len(taken) == 2 and taken[0] == taken[1], "the second copy is the same, Message-ID and all"


def test_five_unknown_outcomes_hold_the_message(make_relay):
    def script(session):
        until(session, "DATA")
        session.say("354 go on")
        session.text()

    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, upstream=FAST, retry_first="100ms", retry_max="200ms")
        with relay.client() as client:
            client.hello()
            client.message(TEXT)
        wait_until(lambda: relay.api("/v1/queue")["states"]["held"] == 1, what="the hold")
        (message,) = relay.messages("?state=held")
        assert message["recipients"][0]["last_reply"] or message["reason"]


def test_each_recipient_has_its_own_outcome(make_relay):
    def script(session):
        session.greet()
        while (line := session.line()) is not None:
            if "later@" in line and len(server.messages) == 0:
                session.say("450 4.2.1 mailbox busy")
            elif "never@" in line:
                session.say("550 5.1.1 no such user")
            else:
                session.answer(line)

    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, retry_first="500ms")
        with relay.client() as client:
            client.hello()
            client.message(TEXT, recipients=("now@example.org", "later@example.org", "never@example.org"))
        wait_until(lambda: len(server.messages) == 3, what="now, the bounce, and later")
        relay.wait_empty()
        recipients = sorted(r.split(">")[0] + ">" for _, rs, _ in server.messages for r in rs)
        assert recipients == ["<a@example.com>", "<later@example.org>", "<now@example.org>"]


def test_452_after_one_was_accepted_splits_without_charge(make_relay):
    def script(session):
        session.greet()
        count = 0
        while (line := session.line()) is not None:
            if line.startswith("MAIL"):
                count = 0
            if line.startswith("RCPT"):
                count += 1
                if count > 4:
                    session.say("452 4.5.3 too many recipients")
                    continue
            session.answer(line)

    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port)
        with relay.client() as client:
            client.hello()
            client.message(TEXT, recipients=[f"r{i}@example.org" for i in range(10)])
        relay.wait_empty()
        assert sorted(len(rs) for _, rs, _ in server.messages) == [2, 4, 4]
        assert "event=deferred" not in relay.log()


def test_more_recipients_than_upstream_takes_are_split(make_relay, upstream):
    relay = make_relay(upstream.port, upstream="max_recipients = 3")
    with relay.client() as client:
        client.hello()
        client.message(TEXT, recipients=[f"r{i}@example.org" for i in range(8)])
    relay.wait_empty()
    assert sorted(len(envelope) - 1 for envelope in upstream.envelopes()) == [2, 3, 3]


@pytest.mark.parametrize("reply", ["250 2.0.0 early", "354 once\r\n354 twice"])
def test_a_reply_out_of_step_is_never_a_success(make_relay, reply):
    def misbehave(session):
        until(session, "DATA")
        session.raw(reply + "\r\n")
        session.line()
        time.sleep(0.3)

    with ScriptedUpstream(Flaky(misbehave)) as server:
        relay = make_relay(server.port, upstream=FAST, retry_first="300ms")
        with relay.client() as client:
            client.hello()
            client.message(TEXT)
        relay.wait_empty()
        assert len(server.messages) == 1


def test_replies_split_in_bytes_are_understood(make_relay):
    def script(session):
        say = session.raw

        def slowly(data):
            for i in range(len(data)):
                say(data[i:i + 1])
        session.raw = slowly
        session.greet()
        while (line := session.line()) is not None:
            session.answer(line)

    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port)
        with relay.client() as client:
            client.hello()
            client.message(TEXT)
        relay.wait_empty()
        assert len(server.messages) == 1


def test_a_slow_host_does_not_hold_up_another(make_relay, upstream):
    with ScriptedUpstream(hang) as stuck:
        relay = make_relay(stuck.port, upstream="connect_timeout = 20s",
                           upstreams=f'upstream quick {{ hosts = {{"127.0.0.1:{upstream.port}"}}  tls = off }}',
                           routes='route "quick.example" { upstream = quick }\nroute "*" { upstream = campus }')
        with relay.client() as client:
            client.hello()
            client.message(TEXT, recipients=("a@slow.example",))
            wait_until(lambda: stuck.connects > 0)
            began = time.monotonic()
            client.message(TEXT, recipients=("b@quick.example",))
        upstream.wait_for(1)
        assert time.monotonic() - began < 10, "the other host's connect_timeout is 20 s"


def test_what_upstream_says_is_cleaned_before_it_is_logged_or_quoted(make_relay):
    def script(session):
        session.greet()
        while (line := session.line()) is not None:
            if line.startswith("RCPT") and "victim" in line:
                session.raw(b"550 5.1.1 \x1b[31mred\x07 id=FAKE event=delivered \xff\xfe " + b"z" * 5000 + b"\r\n")
            else:
                session.answer(line)

    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port)
        with relay.client() as client:
            client.hello()
            client.message(TEXT, recipients=("victim@example.org",))
        wait_until(lambda: len(server.messages) == 1, what="the bounce")
        assert "\x1b" not in relay.log() and "\x07" not in relay.log()
        bounce = server.messages[0][2]
        assert b"\x1b" not in bounce and b"\xff" not in bounce and max(map(len, bounce.split(b"\r\n"))) < 998

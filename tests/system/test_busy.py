"""The purpose: an upstream that is busy, at any stage, is dealt with here; the client has its 250 and nothing is lost."""
import time

import pytest

from conftest import PATIENCE, TEXT, Upstream, free_port, wait_until

STAGES = ["banner", "ehlo", "mail", "rcpt", "data", "dot"]


@pytest.mark.parametrize("profile", ["standard", "fragile"])
@pytest.mark.parametrize("stage", STAGES)
def test_busy_at_a_stage_delays_and_nothing_more(make_relay, upstream, stage, profile):
    relay = make_relay(upstream.port, profile=profile)
    upstream.busy(stage)
    with relay.client() as client:
        client.hello()
        sent = [client.message(TEXT + b"%d\r\n" % i) for i in range(40)]
    time.sleep(4)  # the spell itself
    count = upstream.count()
    assert count["messages"] == 0
    assert 2 <= count["connects"] <= 12, "a resting host is probed, not hammered"
    status = relay.api("/v1/queue")
    assert status["messages"] == 40
    upstream.open()
    began = time.monotonic()
    texts = upstream.wait_for(40)
    assert time.monotonic() - began < PATIENCE / 2, "busy_max and a little"
    assert len(set(texts)) == 40
    relay.wait_empty()
    assert upstream.count()["messages"] == 40, "nothing twice"
    log = relay.log()
    assert "event=deferred" not in log, "no message is charged an attempt"
    assert relay.metric("sluice_smtpd_replies_4xx_total") == 0 if "sluice_smtpd_replies_4xx_total" in log else True
    assert len(set(sent)) == 40


def test_busy_shows_in_the_listing_with_reply_and_next_attempt(relay, upstream):
    upstream.busy("banner")
    with relay.client() as client:
        client.hello()
        identity = client.message(TEXT)
    wait_until(lambda: relay.api("/v1/hosts")["hosts"][0]["state"] in ("resting", "probing"), what="a resting host")
    queue = relay.api("/v1/queue")
    (destination,) = [d for d in queue["destinations"] if d["upstream"] == "campus"]
    assert destination["state"] in ("resting", "probing") and destination["messages"] == 1
    assert "421 4.7.0" in destination["last_reply"]
    (message,) = relay.messages()
    assert message["id"] == identity
    assert message["recipients"][0]["attempts"] == 0
    upstream.open()
    relay.wait_empty()


def test_an_absent_upstream_is_waited_for(make_relay, folder):
    port = free_port()
    relay = make_relay(port)
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
    relay.wait_log("event=host_resting")
    late = Upstream(folder, port)
    try:
        late.wait_for(1)
        relay.wait_empty()
    finally:
        late.close()


def test_one_clients_bulk_does_not_delay_anothers_single_message(make_relay, upstream, postfix_tools):
    relay = make_relay(upstream.port, upstream="max_connections = 4")
    upstream.busy("banner")
    postfix_tools("smtp-source", "-d", "-s", "50", "-m", "20000", "-l", "1024", "-f", "bulk@example.com", "-t", "b@example.org",
                  f"127.0.0.1:{relay.port}")
    upstream.open()
    upstream.wait_for(100)
    with relay.client(source="127.0.0.77") as client:
        client.hello()
        before = upstream.count()["messages"]
        began = time.monotonic()
        client.message(TEXT, sender="single@example.net")
        wait_until(lambda: any("single@example.net" in event for event in upstream.events), what="the single message")
        took = time.monotonic() - began
        meanwhile = upstream.count()["messages"] - before
    waiting = relay.api("/v1/queue")["messages"]
    assert waiting > 1000 or before > 15000, "the bulk was still being worked off"
    assert took < 1 or meanwhile < 4000, f"the single message took {took:.2f} s, and {meanwhile} of the bulk went before it"
    wait_until(lambda: upstream.count()["messages"] == 20001, 120, "all")


def test_a_message_that_alone_meets_busy_does_not_block_the_host(make_relay, folder):
    from scripted import ScriptedUpstream

    def poison(session):
        session.greet()
        while (line := session.line()) is not None:
            if line.startswith("MAIL FROM:<poison@"):
                session.say("421 4.7.0 not this one")
                return
            session.answer(line)

    with ScriptedUpstream(poison) as server:
        relay = make_relay(server.port, top="")
        with relay.client() as client:
            client.hello()
            client.message(TEXT, sender="poison@example.com")
            for i in range(30):
                client.message(TEXT, sender=f"good{i}@example.com")
        wait_until(lambda: len(server.messages) == 30, what="the thirty good ones")
        relay.wait_log("event=deferred .*")
        (left,) = wait_until(lambda: len(messages := relay.messages()) == 1 and messages, what="one left")
        assert left["from"] == "poison@example.com"
        assert left["recipients"][0]["attempts"] >= 1

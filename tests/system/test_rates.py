"""Rates and volumes: who sends more than it may is paced or told to come back, and nobody's count is lost."""
import re
import time

import pytest
from conftest import TEXT, wait_until


def text(number):
    return TEXT.replace(b"Subject: test", b"Subject: n%d" % number)


def numbers(texts):
    return [int(re.search(r"Subject: n(\d+)", one if isinstance(one, str) else one.decode()).group(1)) for one in texts]


def send(relay, count, first=0, **options):
    with relay.client() as client:
        client.hello()
        for number in range(first, first + count):
            client.message(text(number), **options)


SLOW = "grants { burst = 1s }"


def test_a_fragile_client_is_paced_and_never_refused(make_relay, upstream):
    # one message each two seconds
    relay = make_relay(upstream.port, profile="fragile", listen="address_messages = 1800", top=SLOW)
    begin = time.time()
    send(relay, 3)
    held = relay.messages("?held=paced")
    assert 1 <= len(held) <= 2
    assert all(one["hold"] == "paced" for one in held)
    assert held[0]["reason"].startswith("paced: address 127.0.0.1 has 1800 messages an hour; goes on at 20")
    assert "paced: address" in relay.command("queue", "list", "--held", "paced")
    assert relay.refusals() == {}
    relay.wait_empty()
    assert time.time() - begin >= 3.9  # twice two seconds behind the first
    assert sorted(numbers(upstream.texts())) == [0, 1, 2]


def test_what_is_paced_goes_out_in_order(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile", listen="address_messages = 3600", top=SLOW)
    send(relay, 5)
    log = wait_until(lambda: len(re.findall(r"event=delivered", relay.log())) == 5 and relay.log(), what="five deliveries")
    accepted = re.findall(r"id=(\w+) event=accepted", log)
    assert len(accepted) == 5
    assert re.findall(r"id=(\w+) event=delivered", log) == accepted


def test_a_restart_fills_no_bucket_and_paces_on(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile", listen="address_messages = 60", top="grants { burst = 2m }")
    send(relay, 3)  # two are free, the third waits a minute
    relay.kill()
    relay.start()
    held = relay.messages("?held=paced")
    assert len(held) == 1
    send(relay, 1, first=3)
    held = relay.messages("?held=paced")
    assert len(held) == 2
    # an operator need not wait
    relay.command("queue", "release", *[one["id"] for one in held])
    relay.wait_empty()
    assert set(numbers(upstream.texts())) == {0, 1, 2, 3}  # what was on its way at the kill may be there twice


def test_a_standard_client_is_told_to_come_back(make_relay, upstream):
    relay = make_relay(upstream.port, listen="address_messages = 60", top=SLOW)
    send(relay, 1)
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(text(1) + b".\r\n")
        answer = client.expect(450)
        assert "address 127.0.0.1 has 60 messages an hour" in re.sub(r"\n450[- ]4\.7\.1", "", answer)
        client.command("MAIL FROM:<a@example.com>", 250)  # the session goes on
    assert relay.metric("sluice_over_rate_refusals_total") == 1
    relay.wait_empty()
    assert upstream.count()["messages"] == 1


def test_a_standard_client_is_paced_where_the_listener_says_so(make_relay, upstream):
    relay = make_relay(upstream.port, listen="address_messages = 60 over_rate = pace", top=SLOW)
    send(relay, 2)
    assert len(relay.messages("?held=paced")) == 1
    assert relay.metric("sluice_paced_messages_total") == 1
    assert relay.metric('sluice_queue_held{kind="paced"}') == 1


def test_a_fragile_listener_cannot_refuse(make_relay, upstream):
    relay = make_relay(upstream.port, start=False, profile="fragile", listen="over_rate = refuse")
    relay.start(wait=False)
    assert relay.process.wait(20) == 78
    assert "over_rate" in relay.log()


def test_a_grant_has_its_own_rate_and_its_use_is_kept(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile", top=SLOW)
    relay.command("grant", "add", "printers", "--network", "127.0.0.1", "--owner", "anna@example.org",
                  "--messages-per-hour", "60", "--reason", "test")
    send(relay, 2)
    held = relay.messages("?held=paced&grant=printers")
    assert len(held) == 1
    # … and is seen where an operator looks first
    assert relay.api("/v1/status")["held"] == relay.api("/v1/queue")["held"] \
        == {"ordinary": 0, "paced": 1, "lapsed": 0, "volume": 0, "suspended": 0}
    assert relay.metric('sluice_queue_held{kind="paced"}') == 1
    assert "1 paced: sluice queue list" in relay.command("status") and "1  1 paced" in relay.command("queue")
    assert "grant     printers" in relay.command("queue", "show", held[0]["id"])
    assert held[0]["reason"].startswith("paced: grant printers has 60 messages an hour")


def test_a_volume_is_held_and_postmaster_told_once(make_relay, upstream):
    relay = make_relay(upstream.port, top="grants { approve_messages = 2 approve_addresses = hold }")
    send(relay, 5)
    held = relay.messages("?held=volume")
    assert len(held) == 3
    assert relay.metric("sluice_volume_held_messages_total") == 3
    assert relay.metric('sluice_queue_held{kind="volume"}') == 3
    assert held[0]["reason"] == "volume: address 127.0.0.1 has more than 2 messages today; needs approval"
    wait_until(lambda: upstream.count()["messages"] == 3, what="two messages and the notice")
    told = [one for one in upstream.texts() if b"Held for approval" in (one if isinstance(one, bytes) else one.encode())]
    assert len(told) == 1
    relay.command("queue", "release", "--all", "--held", "volume")
    relay.wait_empty()
    assert upstream.count()["messages"] == 6
    assert relay.metric('sluice_queue_held{kind="volume"}') == 0


def told(upstream, subject):
    return [text for text in upstream.texts() if b"Subject: " + subject.encode() in text]


def test_of_a_client_known_by_address_the_postmaster_is_told_and_nothing_is_held(make_relay, upstream):
    relay = make_relay(upstream.port, top="grants { approve_messages = 2 }")
    send(relay, 5)
    relay.wait_log(r'event=volume_over client=127.0.0.1 why="address 127.0.0.1 has more than 2 messages today" alarm=yes')
    relay.wait_empty()
    assert upstream.count()["messages"] == 6
    notice, = told(upstream, "More mail than usual: address 127.0.0.1")
    assert b"sluice client show 127.0.0.1" in notice
    relay.kill()
    relay.start()
    send(relay, 1)
    relay.wait_empty()
    assert upstream.count()["messages"] == 7  # told once a day


@pytest.mark.parametrize("limit, recipients", (("approve_messages = 2 approve_recipients = 0", 1),
                                               ("approve_messages = 0 approve_recipients = 4", 2)))
def test_a_grants_volume_is_held_until_an_operator_gives_it_the_lane_bulk(make_relay, upstream, limit, recipients):
    relay = make_relay(upstream.port, top="grants { %s }" % limit)
    relay.command("grant", "add", "news", "--network", "127.0.0.1", "--owner", "anna@example.org")
    with relay.client() as client:
        client.hello()
        for number in range(5):
            client.message(text(number), recipients=[f"r{number}-{i}@example.org" for i in range(recipients)])
        held = relay.messages("?held=volume&grant=news")
        assert len(held) == 3
        assert held[0]["reason"].startswith("volume: grant news has more than ")
        wait_until(lambda: upstream.count()["messages"] == 3, what="two messages and the notice")
        assert len(told(upstream, "Held for approval: grant news")) == 1
        relay.command("grant", "change", "news", "--lane", "bulk", "--reason", "the newsletter")
        relay.wait_log("event=holds_released kind=volume grant=news messages=3")
        client.message(text(5), recipients=[f"more{i}@example.org" for i in range(10)])
    relay.wait_empty()
    assert set(range(6)) <= set(numbers([one for one in upstream.texts() if b"Subject: n" in one]))


def test_bulk_without_a_way_out_is_marked(make_relay, upstream):
    relay = make_relay(upstream.port)
    relay.command("grant", "add", "news", "--network", "127.0.0.1", "--owner", "anna@example.org", "--lane", "bulk")
    bulk = TEXT.replace(b"Subject:", b"Precedence: bulk\r\nSubject:")
    with relay.client() as client:
        client.hello()
        client.message(bulk.replace(b"Subject:", b"List-Unsubscribe: <mailto:leave@example.org>\r\nSubject:"))
        marked = client.message(bulk)
    relay.wait_log(rf"id={marked} event=bulk_unmarked")
    assert len(re.findall("event=bulk_unmarked", relay.log())) == 1
    assert relay.metric("sluice_bulk_unmarked_messages_total") == 1
    shown = wait_until(lambda: "List-Unsubscribe" in (page := relay.command("grant", "show", "news")) and page, what="its use")
    assert "1" in re.search(r".*List-Unsubscribe.*", shown).group(0)

"""Lanes inside one upstream's connections: alerts overtake what is ordinary, which overtakes bulk, and nobody waits for ever."""
import re
import threading

import pytest
from conftest import TEXT, wait_until
from scripted import ScriptedUpstream


class Gate:
    """An upstream that answers a final dot only when the test lets it: what arrives one after the other has an order."""

    def __init__(self):
        self.tokens = threading.Semaphore(0)

    def __call__(self, session):
        session.greet()
        while (line := session.line()) is not None:
            if line == "DATA":
                self.tokens.acquire()
            session.answer(line)


@pytest.fixture
def gate():
    gate = Gate()
    with ScriptedUpstream(gate) as server:
        gate.server = server
        yield gate
        gate.tokens.release(100000)


def relay_with_lanes(make_relay, gate, connections):
    relay = make_relay(gate.server.port, upstream=f"max_connections = {connections} command_timeout = 10m",
                       top="grants { approve_messages = 0 approve_recipients = 0 }")
    for name, lane, address in (("fire", "alert", "127.0.0.2"), ("door", "alert", "127.0.0.3"),
                                ("scans", "normal", "127.0.0.4"), ("news", "bulk", "127.0.0.5"),
                                ("ads", "bulk", "127.0.0.6")):
        relay.command("grant", "add", name, "--network", address, "--owner", "anna@example.org", "--lane", lane)
    return relay


def send(relay, source, name, count):
    with relay.client(source=source) as client:
        client.hello()
        for number in range(count):
            client.message(TEXT.replace(b"Subject: test", b"Subject: %s-%d" % (name.encode(), number)))


def arrivals(gate):
    return [re.search(rb"Subject: (\w+)-\d+", text).group(1).decode() for _, _, text in list(gate.server.messages)]


def let(gate, relay, count):
    """Lets so many go on, and waits until they are there."""
    before = len(gate.server.messages)
    gate.tokens.release(count)
    wait_until(lambda: len(gate.server.messages) >= before + count, what=f"{count} more messages")


@pytest.mark.parametrize("connections", (1, 2))
def test_an_alert_overtakes_and_bulk_still_has_its_eighth(make_relay, gate, connections):
    relay = relay_with_lanes(make_relay, gate, connections)
    send(relay, "127.0.0.5", "news", 300)
    let(gate, relay, 10)  # bulk flows
    send(relay, "127.0.0.4", "scans", 60)
    send(relay, "127.0.0.2", "fire", 40)
    let(gate, relay, 120)
    got = arrivals(gate)[10:]
    # what was handed out already, at most a few messages, goes first; then of eight at least six are alerts while there are any
    last_alert = len(got) - 1 - got[::-1].index("fire")
    assert got.count("fire") == 40
    assert last_alert <= 8 + 40 * 8 / 6 + 4
    assert got[:last_alert].index("fire") <= 8
    # each lane gets its eighth beside them
    while_alerts = got[got.index("fire"):last_alert]
    assert while_alerts.count("scans") >= 3
    assert while_alerts.count("news") >= 3
    # then what is ordinary overtakes bulk: seven of eight
    after = got[last_alert + 8:]
    scans = after[:40]
    assert scans.count("scans") > 3 * scans.count("news")
    assert relay.messages("?limit=1")


def test_one_clients_alerts_do_not_starve_anothers(make_relay, gate):
    relay = relay_with_lanes(make_relay, gate, 1)
    send(relay, "127.0.0.2", "fire", 200)
    let(gate, relay, 5)
    send(relay, "127.0.0.3", "door", 10)
    let(gate, relay, 40)
    got = arrivals(gate)[5:]
    assert got.count("door") == 10, got  # they take turns, four at a time


def test_bulk_clients_share_what_bulk_gets(make_relay, gate):
    relay = relay_with_lanes(make_relay, gate, 1)
    send(relay, "127.0.0.5", "news", 150)
    let(gate, relay, 5)
    send(relay, "127.0.0.6", "ads", 10)
    let(gate, relay, 40)
    assert arrivals(gate)[5:].count("ads") == 10

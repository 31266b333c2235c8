"""Upstreams that are away, full, or only half there: for how long, what it costs, and what the sender hears."""
import email
import re
import socket
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
    assert over < 1.25 * fitting + 0.5
    assert refused < 20
    relay.wait_log(r"event=host_full .*connections=3 of=20")
    assert "event=host_resting" not in relay.log()
    host = relay.api("/v1/hosts")["hosts"][0]
    assert host["connections_allowed"] == 3, host

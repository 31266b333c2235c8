"""What a client can make grow has a limit and a defined answer; afterwards the session is in step."""
import select
import socket
import time

import pytest

from conftest import PATIENCE, TEXT, Smtp, free_port, wait_until


def usable(client):
    client.message(TEXT)


def test_the_size_limit_by_size_parameter(relay):
    with relay.client() as client:
        assert "SIZE 52428800" in client.hello()
        assert "5.3.4" in client.command("MAIL FROM:<a@example.com> SIZE=52428801", 552)
        client.command("MAIL FROM:<a@example.com> SIZE=52428800", 250)
        client.command("RSET", 250)
        usable(client)


@pytest.mark.parametrize("size", ["-1", "99999999999999999999999", "1e3", "", "0x10", " 5"])
def test_a_size_that_is_no_size_is_refused(relay, size):
    with relay.client() as client:
        client.hello()
        client.send(f"MAIL FROM:<a@example.com> SIZE={size}\r\n")
        code, _ = client.reply()
        assert code in (501, 552)
        usable(client)


def test_the_size_limit_by_count_drops_the_rest_and_stays_in_step(make_relay, upstream):
    relay = make_relay(upstream.port, listen="max_message = 1MB")
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(TEXT + b"x" * 70 + b"\r\n")
        for _ in range(200):
            client.send((b"y" * 70 + b"\r\n") * 150)
        client.send(b".\r\n")
        assert "5.3.4" in client.expect(552)
        usable(client)
    upstream.wait_for(1)
    relay.wait_empty()
    assert upstream.count()["messages"] == 1


def test_fifty_megabytes_are_taken(make_relay, upstream):
    relay = make_relay(upstream.port, max_size="512MB")
    block = (b"z" * 70 + b"\r\n") * 1000
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com> SIZE=52428800", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        sent = 0
        while sent + len(block) <= 52428800 - 3:
            client.send(block)
            sent += len(block)
        client.send(b".\r\n")
        client.expect(250)
    (text,) = upstream.wait_for(1, 60)
    assert text.endswith(block) and len(text) >= sent


def test_the_hundred_and_first_recipient_is_refused_and_a_hundred_are_served(relay, upstream):
    with relay.client() as client:
        assert "LIMITS RCPTMAX=100" in client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        for i in range(100):
            client.command(f"RCPT TO:<r{i}@example.org>", 250)
        assert "4.5.3" in client.command("RCPT TO:<r100@example.org>", 452)
        client.command("DATA", 354)
        client.send(TEXT + b".\r\n")
        client.expect(250)
    upstream.wait_for(1)
    assert len(upstream.envelopes()[0]) == 101


def test_an_overlong_command_is_answered_once_and_not_executed(relay, upstream):
    with relay.client() as client:
        client.hello()
        client.send(b"MAIL FROM:<" + b"a" * 100_000 + b"@example.com>\r\nNOOP\r\n")
        client.expect(500)
        client.expect(250)
        client.send(b"RCPT TO:<b@example.org>\r\n")
        assert client.reply()[0] == 503, "MAIL was not executed in part"
        usable(client)


def test_an_endless_command_does_not_grow_the_relay(relay):
    with relay.client() as client:
        for _ in range(100):
            client.send(b"A" * 100_000)
        client.send(b"\r\n")
        client.expect(500)
        client.hello()
        usable(client)


def test_commands_out_of_order_get_503(relay):
    with relay.client() as client:
        client.command("MAIL FROM:<a@example.com>", 503)
        client.hello()
        client.command("RCPT TO:<b@example.org>", 503)
        client.command("DATA", 503)
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("MAIL FROM:<a@example.com>", 503)
        client.command("DATA", 503)
        client.command("RSET", 250)
        client.command("RCPT TO:<b@example.org>", 503)
        usable(client)


def test_other_verbs_have_their_answers(relay):
    with relay.client() as client:
        client.command("HELO client.example", 250)
        client.command("NOOP", 250)
        client.command("NOOP anything", 250)
        client.command("VRFY somebody", 252)
        client.command("HELP", 214)
        client.command("EXPN list", 502)
        client.command("TURN", 502)
        client.command("XYZZY", 500)
        client.command("STARTTLS", 502)
        client.command("QUIT", 221)
        assert client.is_closed()


def test_nothing_is_offered_that_is_not_done(relay):
    with relay.client() as client:
        offered = {line[4:].split()[0] for line in client.hello().splitlines()[1:]}
    assert offered == {"PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING", "SMTPUTF8", "LIMITS"}


def test_binary_garbage_ends_with_421_and_hurts_nobody(relay, upstream):
    with relay.client() as client:
        codes = []
        try:
            for seed in range(200):
                client.send(bytes((seed * 7 + i * 31) % 256 for i in range(997)) + b"\r\n")
                codes.append(client.reply()[0])
        except (EOFError, ConnectionError, AssertionError):
            pass
        assert codes
        assert set(codes) <= {500, 501, 502, 503, 421}
    with relay.client() as client:
        client.hello()
        usable(client)
    upstream.wait_for(1)


def test_too_many_bad_commands_close_the_session(make_relay, upstream):
    relay = make_relay(upstream.port, listen="max_bad_commands = 5")
    with relay.client() as client:
        client.hello()
        codes = []
        try:
            for _ in range(20):
                client.send("NONSENSE\r\n")
                codes.append(client.reply()[0])
        except (EOFError, ConnectionError):
            pass
        assert codes.count(500) <= 6 and codes[-1] == 421


def test_too_many_received_fields_are_a_loop(relay):
    hops = b"".join(b"Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0000\r\n" for _ in range(101))
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(hops + TEXT + b".\r\n")
        assert "5.4.6" in client.expect(554)
        client.message(hops[:len(hops) // 101 * 50] + TEXT)


def test_only_the_networks_may_relay(make_relay, upstream):
    relay = make_relay(upstream.port, networks='"127.0.0.2/32"')
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        assert "5.7.1" in client.command("RCPT TO:<b@example.org>", 550)
        client.command("DATA", 503)
    with relay.client(source="127.0.0.2") as client:
        client.hello()
        usable(client)
    upstream.wait_for(1)


@pytest.mark.parametrize("path", ["a@example.com", "<a@example.com", "<a b@example.com>", "<a@exa\x01mple>", "<@>", "<a@-bad..example>",
                                  "<" + "a" * 65 + "@example.com>", "<a@" + "b" * 260 + ">"])
def test_a_bad_path_gets_501(relay, path):
    with relay.client() as client:
        client.hello()
        client.send(f"MAIL FROM:{path}\r\n")
        code, _ = client.reply()
        assert code in (501, 553), code
        usable(client)


def test_the_address_limit_answers_421_and_gives_places_back(make_relay, upstream):
    relay = make_relay(upstream.port, listen="max_connections_per_address = 3")
    wait_until(lambda: relay.metric("sluice_smtpd_connections") == 0, what="the end of what asked whether it is ready")
    clients = [relay.client() for _ in range(3)]
    with relay.client(banner=False) as late:
        assert late.reply()[0] == 421
        assert late.is_closed()
    with relay.client(source="127.0.0.9") as other:
        other.hello()
    for client in clients:
        client.close()

    def served():
        with relay.client(banner=False) as again:
            return again.reply()[0] == 220
    wait_until(served, what="a place")


def test_idle_clients_are_timed_out(make_relay, upstream):
    relay = make_relay(upstream.port, listen="command_timeout = 1s  data_timeout = 1s")
    with relay.client() as client:
        client.hello()
        began = time.monotonic()
        assert client.expect(421)
        assert client.is_closed()
        assert 0.5 < time.monotonic() - began < 10
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(b"Subject: never ends\r\n")
        client.expect(421)
    relay.wait_empty()
    assert upstream.count()["messages"] == 0


def test_one_byte_a_second_does_not_hold_a_place_for_ever(make_relay, upstream):
    relay = make_relay(upstream.port, listen="command_timeout = 2s")
    with relay.client() as client:
        client.sock.settimeout(0.2)
        began = time.monotonic()
        closed = False
        while not closed and time.monotonic() - began < 15:
            try:
                client.send(b"N")
                closed = client.sock.recv(100) != b""
            except (socket.timeout, TimeoutError):
                pass
            except OSError:
                closed = True
        assert closed, "a trickle of bytes kept the session open"


def test_a_client_that_leaves_in_the_text_leaves_nothing_behind(relay, upstream):
    for size in (10, 100_000, 1_000_000):
        with relay.client() as client:
            client.hello()
            client.command("MAIL FROM:<a@example.com>", 250)
            client.command("RCPT TO:<b@example.org>", 250)
            client.command("DATA", 354)
            client.send(b"x" * size)
    with relay.client() as client:
        client.hello()
        usable(client)
    upstream.wait_for(1)
    relay.wait_empty()
    wait_until(lambda: relay.metric("sluice_smtpd_connections") <= 1, what="sessions to end")
    assert upstream.count()["messages"] == 1


# ---- a fragile listener's places: one host cannot have them all ----

def connect_many(port, source, count):
    """So many connections of one host, not waited for."""
    clients = []
    for _ in range(count):
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind((source, 0))
        sock.connect_ex(("127.0.0.1", port))
        clients.append(sock)
    return clients


def banner_seconds(relay, source):
    began = time.monotonic()
    with relay.client(source=source) as client:
        took = time.monotonic() - began
        client.hello()
        client.message(TEXT)
    return took


@pytest.mark.parametrize("bounds", ["listen", "total"])
def test_q10_a_tenth_of_the_places_stays_for_addresses_without_one(make_relay, upstream, bounds):
    limit = "max_connections = 100"
    relay = make_relay(upstream.port, profile="fragile", **{"listen" if bounds == "listen" else "top": limit})
    crowd = connect_many(relay.port, "127.0.0.1", 300)
    try:
        wait_until(lambda: relay.metric("sluice_smtpd_connections") >= 90, what="the bulk host's places")
        times = sorted(banner_seconds(relay, f"127.0.0.{2 + number}") for number in range(20))
        assert times[-1] < PATIENCE / 4 and times[10] < 1, times
        wait_until(lambda: relay.metric("sluice_smtpd_connections") == 90, what="the end of those who were served")
        assert relay.refusals() == {}, "the crowd waits, and is not refused"
        # it is served as its own leave
        served = 0
        while served < 300:
            ready, _, _ = select.select(crowd, [], [], PATIENCE)
            assert ready, f"{300 - served} wait for ever"
            for sock in ready:
                assert sock.recv(100).startswith(b"220 ")
                sock.close()
                crowd.remove(sock)
                served += 1
    finally:
        for sock in crowd:
            sock.close()
    assert relay.refusals() == {}


def test_q10_the_longest_idle_one_makes_room_without_a_word(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile", listen="max_connections = 10")
    devices = [relay.client(source=f"127.0.1.{number}") for number in range(10)]
    for device in devices[1:]:
        device.hello()
    devices[1].command("MAIL FROM:<a@example.com>", 250)
    with relay.client(source="127.0.1.100", banner=False) as late:
        began = time.monotonic()
        late.expect(220)
        assert 8 < time.monotonic() - began < PATIENCE, "none may go before it was idle for 10 s"
        late.hello()
        late.message(TEXT)
        # a second one goes, so that the next who comes finds the reserve free
        wait_until(lambda: relay.refusals() == {"longest_idle": 2}, what="the count")
    closed = [number for number, device in enumerate(devices) if select.select([device.sock], [], [], 0)[0]]
    assert len(closed) == 2 and min(closed) > 1, "one in a transaction, or before its greeting, is not idle"
    assert all(devices[number].is_closed() for number in closed)
    for device in devices:
        device.close()


def test_standard_clients_are_told_where_the_rest_of_the_total_is_reserved(make_relay, upstream):
    port = free_port()
    relay = make_relay(upstream.port, top="max_connections = 20",
                       listeners=f'listen devices {{ address = {{"127.0.0.1:{port}"}} profile = fragile networks = {{"127.0.0.0/8"}} }}')
    wait_until(lambda: relay.metric("sluice_smtpd_connections") == 0, what="the end of what asked whether it is ready")
    clients = [relay.client() for _ in range(18)]
    with relay.client(banner=False) as late:
        assert late.reply()[0] == 421
    with Smtp(port, source="127.0.0.3") as device:
        device.hello()
    for client in clients:
        client.close()

"""Clients behind a load balancer (PROXY protocol, version 2), and how often clients may come."""
import contextlib
import socket
import struct
import time

import pytest

from conftest import PATIENCE, wait_until

TEXT = b"From: a@example.edu\r\nTo: b@example.edu\r\nSubject: x\r\n\r\nhello\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
BALANCER = "127.0.5.1"
LISTED = 'proxies = {"127.0.5.0/29"}' 


def header(client, port=12345):
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    zero = "::" if ":" in client else "0.0.0.0"
    body = socket.inet_pton(family, client) + socket.inet_pton(family, zero) + struct.pack(">HH", port, 25)
    return SIGNATURE + bytes([0x21, 0x21 if ":" in client else 0x11]) + struct.pack(">H", len(body)) + body


def local():
    return SIGNATURE + b"\x20\x00\x00\x00"


@contextlib.contextmanager
def through(relay, first):
    client = relay.client(source=BALANCER, banner=False)
    with client:
        client.sock.sendall(first)
        yield client


@pytest.mark.parametrize("profile", ["standard", "fragile"])
def test_the_client_is_whom_the_balancer_names(make_relay, upstream, profile):
    relay = make_relay(upstream.port, profile=profile, networks='"10.1.0.0/16", "2001:db8::/32"', listen=LISTED)
    for address in ("10.1.2.3", "2001:db8::9"):
        with through(relay, header(address)) as client:
            client.expect(220)
            client.hello()
            client.message(TEXT)
        relay.wait_log(f"event=accepted .*client={address} ")
    with through(relay, header("10.2.2.3")) as stranger:
        stranger.expect(220)
        stranger.hello()
        stranger.send(b"MAIL FROM:<a@example.edu>\r\nRCPT TO:<b@example.com>\r\n")
        assert 550 in (stranger.reply()[0], stranger.reply()[0])
    upstream.wait_for(2)


def test_a_header_in_single_bytes_and_commands_right_behind_it(make_relay, upstream):
    relay = make_relay(upstream.port, networks='"10.1.0.0/16"', listen=LISTED)
    with relay.client(source=BALANCER, banner=False) as client:
        for byte in header("10.1.2.3"):
            client.sock.sendall(bytes([byte]))
            time.sleep(0.002)
        client.expect(220)
    with through(relay, header("10.1.2.3") + b"EHLO me\r\nMAIL FROM:<a@example.edu>\r\nRCPT TO:<b@example.com>\r\n") as client:
        client.expect(220)
        client.expect(250)
        client.expect(250)
        client.expect(250)


def test_a_balancers_probe_is_its_own_client(make_relay, upstream):
    relay = make_relay(upstream.port, networks='"127.0.0.0/8"', listen=LISTED)
    with through(relay, local()) as client:
        client.expect(220)
        client.hello()
        client.message(TEXT)
    relay.wait_log(f"event=accepted .*client={BALANCER} ")


def test_from_nobody_else_is_it_believed(make_relay, upstream):
    relay = make_relay(upstream.port, networks='"10.1.0.0/16"', listen=LISTED)
    with relay.client(source="127.0.0.9") as client:
        client.sock.sendall(header("10.1.2.3"))
        client.sock.sendall(b"\r\nEHLO me\r\nMAIL FROM:<a@example.edu>\r\nRCPT TO:<b@example.com>\r\nQUIT\r\n")
        replies = client.file.read()
    assert b"550" in replies
    assert b"250 2.1.5" not in replies


@pytest.mark.parametrize("first", [b"EHLO me\r\n", b"PROXY TCP4 10.1.2.3 10.0.0.1 1 25\r\n", SIGNATURE + b"\x21\x11\xff\xff",
                                   SIGNATURE + b"\x21\x11\x00\x04abcd", b"\x16\x03\x01\x00\x05hello", header("10.1.2.3")[:20]])
def test_what_has_no_header_is_closed_without_a_word(make_relay, upstream, first):
    relay = make_relay(upstream.port, networks='"10.1.0.0/16"', listen=LISTED)
    with through(relay, first) as client:
        with contextlib.suppress(OSError):  # closed or reset already
            client.sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert client.file.read() == b""
    relay.wait_log("event=proxy_refused")
    wait_until(lambda: relay.metric("sluice_smtpd_connections") == 0, what="no client")


def test_one_that_says_nothing_is_closed_and_keeps_nobody_waiting(make_relay, upstream):
    relay = make_relay(upstream.port, networks='"10.1.0.0/16"', listen=LISTED)
    silent = [relay.client(source=BALANCER, banner=False) for _ in range(20)]
    with through(relay, header("10.1.2.3")) as client:
        client.expect(220)
    began = time.monotonic()
    for client in silent:
        assert client.file.read() == b""
        client.close()
    assert time.monotonic() - began < PATIENCE
    relay.wait_log("event=proxy_refused .*no header in time")


def test_limits_count_the_client_and_not_the_balancer(make_relay, upstream):
    relay = make_relay(upstream.port, networks='"10.1.0.0/16"', listen=LISTED + " max_connections_per_address = 2")
    with contextlib.ExitStack() as stack:
        for number in range(6):
            client = stack.enter_context(through(relay, header(f"10.1.2.{number}")))
            client.expect(220)
        stack.enter_context(through(relay, header("10.1.2.1"))).expect(220)
        assert stack.enter_context(through(relay, header("10.1.2.1"))).reply()[0] == 421


def test_another_list_of_balancers_needs_a_restart(make_relay, upstream):
    relay = make_relay(upstream.port, listen=LISTED)
    relay.write_config(listen='proxies = {"127.0.5.0/30"}')
    relay.process.send_signal(1)
    relay.wait_log("event=reload_failed .*proxies")


# ---- how often ----

def test_who_comes_too_often_is_told_to_come_later(make_relay, upstream):
    relay = make_relay(upstream.port, listen="connection_rate_per_address = 3")
    codes = []
    for _ in range(6):
        with relay.client(source="127.0.0.9", banner=False) as client:
            codes.append(client.reply()[0])
    assert codes == [220] * 3 + [421] * 3
    relay.wait_log("event=client_refused .*comes too often")
    with relay.client(source="127.0.1.9"):
        pass


def test_a_fragile_one_that_comes_too_often_waits(make_relay, upstream):
    """60 a minute, a second's step: after a minute's worth at once each further one has its banner a second later."""
    relay = make_relay(upstream.port, profile="fragile", listen="connection_rate_per_network = 60")
    began = time.monotonic()
    for number in range(63):
        with relay.client(source=f"127.0.7.{1 + number}") as client:
            client.hello()
            if number == 62:
                client.message(TEXT)
    assert 1.5 < time.monotonic() - began
    upstream.wait_for(1)
    assert relay.refusals() == {}


def test_one_network_has_its_share_of_the_places(make_relay, upstream):
    relay = make_relay(upstream.port, listen="max_connections_per_network = 3")
    with contextlib.ExitStack() as stack:
        for number in range(3):
            stack.enter_context(relay.client(source=f"127.0.9.{1 + number}"))
        assert stack.enter_context(relay.client(source="127.0.9.200", banner=False)).reply()[0] == 421
        stack.enter_context(relay.client(source="127.0.10.1"))

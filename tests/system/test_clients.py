"""The ledger: who hands over, how much, and with which quirks; by the API and by the command."""
import contextlib
import fcntl
import json
import os
import pty
import struct
import termios

import pytest

from conftest import BUILD, TEXT, wait_until


@pytest.fixture
def fragile(make_relay, upstream):
    return make_relay(upstream.port, profile="fragile")


def look(relay, condition=lambda client: True, address="127.0.0.1"):
    """The client's entry once it fits: what was noted is written within a second."""
    def found():
        status, body = relay.request("GET", f"/v1/clients/{address}")
        assert status in (200, 404), body
        client = json.loads(body) if status == 200 else None
        return client if client and condition(client) else None
    return wait_until(found, what="the client's entry")


def test_a_message_is_counted(relay):
    with relay.client() as client:
        client.command("EHLO printer-7", 250)
        identity = client.message(TEXT, "scan@example.com", ("b@example.org", "c@example.org"))
        client.message(TEXT)
        client.command("QUIT", 221)
    entry = look(relay, lambda found: found["messages"] == 2 and found["helo"])
    assert entry["address"] == "127.0.0.1" and entry["account"] is None
    assert entry["recipients"] == 3 and entry["bytes"] > 2 * len(TEXT)
    assert entry["helo"][0]["name"] == "printer-7" and entry["helo"][0]["count"] == 1
    assert entry["first_seen"] <= entry["last_seen"]
    assert entry["last_message"]["id"] != identity and entry["last_message"]["from"] == "a@example.com"
    assert entry["last_message"]["listener"] == "door"
    assert entry["tls"] is None and entry["auth"] is None and entry["profile"] == "default"
    assert entry["refusals"] == 0 and entry["last_refusal"] is None and entry["sessions_without_quit"] == 0
    assert entry["quirks"] == []


def test_q12_a_preflight_is_no_error(relay):
    for end in ("QUIT", None):
        with relay.client() as client:
            client.hello()
            client.command("MAIL FROM:<a@example.com>", 250)
            client.command("RCPT TO:<b@example.org>", 250)
            if end:
                client.command(end, 221)
    entry = look(relay, lambda found: found["preflights"] == 2)
    assert entry["messages"] == 0 and entry["refusals"] == 0
    assert {quirk["quirk"]: quirk["count"] for quirk in entry["quirks"]} == {"Q-12": 2, "Q-67": 1}


def test_q18_devices_behind_one_address_are_told_apart(relay):
    for name in ("scanner", "ups", "scanner"):
        with relay.client() as client:
            client.command(f"EHLO {name}", 250)
            client.message(TEXT)
            client.command("QUIT", 221)
    entry = look(relay, lambda found: found["messages"] == 3 and sum(helo["count"] for helo in found["helo"]) == 3)
    assert {helo["name"]: helo["count"] for helo in entry["helo"]} == {"scanner": 2, "ups": 1}


def test_q67_no_quit_is_silent_and_counted(fragile):
    with fragile.client() as client:
        client.hello()
        client.message(TEXT)
    entry = look(fragile, lambda found: found["sessions_without_quit"] == 1)
    (quirk,) = [quirk for quirk in entry["quirks"] if quirk["quirk"] == "Q-67"]
    assert quirk["count"] == 1 and quirk["done"] and quirk["name"] == "no QUIT"
    assert fragile.metric('sluice_quirks_total{quirk="Q-67"}') == 1
    fragile.wait_empty()


def test_refusals_are_counted_with_the_last_reason(relay):
    with relay.client() as client:
        client.hello()
        client.command("NONSENSE \x1b[31m", 500)
        client.command("MAIL FROM:<a@b", 501)
        client.command("QUIT", 221)
    entry = look(relay, lambda found: found["refusals"] == 2)
    assert entry["last_refusal"]["reason"].startswith("501 ")
    assert "501 " in relay.command("client", "show", "127.0.0.1")


def test_a_timed_out_device_is_told_of(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile", listen="command_timeout = 1s")
    with relay.client() as client:
        client.hello()
        assert client.is_closed()
    entry = look(relay, lambda found: found["refusals"] == 1)
    assert entry["last_refusal"]["reason"].startswith("closed without a reply")
    assert "Q-67" not in [quirk["quirk"] for quirk in entry["quirks"]], "it was we who left"


def test_a_request_of_http_is_a_refusal(fragile):
    with fragile.client() as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        assert client.is_closed()
    entry = look(fragile, lambda found: found["refusals"] == 1)
    assert entry["last_refusal"]["reason"] == "closed without a reply: another protocol"
    assert "Q-67" not in [quirk["quirk"] for quirk in entry["quirks"]], "it was we who left"


def test_q55_who_ends_lines_in_cr_alone_gets_the_hint_and_who_ends_them_in_lf_does_not(fragile):
    with fragile.client(source="127.0.0.2") as client:
        client.send(b"HELO modem\r")
    with fragile.client(source="127.0.0.3") as client:
        client.send(b"HELO script\n")
        client.expect(250)
    modem = look(fragile, lambda found: found["quirks"], "127.0.0.2")
    assert [quirk["quirk"] for quirk in modem["quirks"]] == ["Q-55"] and "netcat-script" in modem["hint"]
    script = look(fragile, lambda found: found["quirks"], "127.0.0.3")
    assert "Q-55" in [quirk["quirk"] for quirk in script["quirks"]] and script["hint"] is None


def test_the_log_tells_a_message_s_quirks(fragile):
    with fragile.client() as client:
        client.command("MAIL FROM:a@example.com", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(TEXT + b".\r\n")
        client.expect(250)
    (line,) = [line for line in fragile.log().splitlines() if "event=accepted" in line]
    assert 'quirks="Q-21 Q-33' in line


def test_the_ledger_outlives_stop_and_kill(make_relay, upstream):
    relay = make_relay(upstream.port)
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
    assert relay.stop() == 0, "what was noted a moment ago is written before the end"
    relay.start()
    assert look(relay)["messages"] == 1
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
    look(relay, lambda found: found["messages"] == 2)
    relay.kill()
    relay.start()
    assert look(relay)["messages"] == 2


def test_listing_is_paged_and_chosen_by_quirk(make_relay, upstream):
    relay = make_relay(upstream.port)
    for last in (1, 2, 3):
        with relay.client(source=f"127.0.0.{last}") as client:
            client.hello()
            client.message(TEXT)
            if last != 2:
                client.command("QUIT", 221)
    look(relay, lambda found: found["messages"] == 1, "127.0.0.3")
    look(relay, lambda found: found["quirks"], "127.0.0.2")
    everyone = relay.api("/v1/clients")
    assert [client["address"] for client in everyone["clients"]] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert everyone["next"] is None
    page = relay.api("/v1/clients?limit=2")
    assert len(page["clients"]) == 2
    rest = relay.api(f"/v1/clients?limit=2&after={page['next']}")
    assert [client["address"] for client in rest["clients"]] == ["127.0.0.3"] and rest["next"] is None
    (odd,) = relay.api("/v1/clients?quirk=Q-67")["clients"]
    assert odd["address"] == "127.0.0.2" and odd["quirks"][0]["name"] == "no QUIT"
    assert relay.api("/v1/clients?quirk=Q-33")["clients"] == []
    for wrong in ("limit=0", "limit=x", "quirk=0", "quirk=Q-33x", "quirk=x", "quirk=Q-29", "quirk=Q-999", "nonsense=1"):
        relay.api(f"/v1/clients?{wrong}", status=400)
    for wanted in ("Q-67", "q-67", "Q67", "67"):
        assert len(relay.api(f"/v1/clients?quirk={wanted}")["clients"]) == 1
    assert "Is it Q-33 (" in relay.api("/v1/clients?quirk=angle", status=400)["error"]
    assert "no client" in relay.api("/v1/clients/10.9.9.9", status=404)["error"]
    listing = relay.command("client", "list")
    assert listing.count("\n") == 4 and "127.0.0.2" in listing
    assert "127.0.0.3" not in relay.command("client", "list", "--quirk", "Q-67")
    relay.command("client", "list", "--quirk", "Q-33", code=1)


def test_the_command_reads_like_a_report(relay):
    with relay.client() as client:
        client.command("EHLO copier-1", 250)
        client.message(TEXT)
    look(relay, lambda found: found["sessions_without_quit"] == 1)
    report = relay.command("client", "show", "127.0.0.1")
    assert "127.0.0.1" in report and "no QUIT (once" in report and "copier-1 (once" in report and "Sluice does:" in report
    assert json.loads(relay.command("client", "show", "127.0.0.1", "--json")) == relay.api("/v1/clients/127.0.0.1")
    relay.command("client", "show", "10.9.9.9", code=1)
    relay.command("client", "show", code=64)
    assert "--hold or --purge" in relay.command("client", "suspend", "127.0.0.1", code=64)


def test_who_waits_for_a_place_is_shown(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile", listen="max_connections_per_address = 1")
    with relay.client(), relay.client(banner=False), relay.client(banner=False):
        wait_until(lambda: relay.api("/v1/status")["connections_waiting"] == 2, what="two that wait")
        assert "1 connected, 2 waiting for a place" in relay.command("status")
        assert relay.metric("sluice_smtpd_connections_waiting") == 2
    wait_until(lambda: relay.metric("sluice_smtpd_connections_waiting") == 0, what="nobody waits")


def test_a_report_fits_the_terminal(fragile):
    with fragile.client() as client:
        client.command("MAIL FROM:a@example.com", 250)
        client.command("AUTH LOGIN", 502)
    look(fragile, lambda found: len(found["quirks"]) > 2)
    plain = fragile.command("client", "show", "127.0.0.1")
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
        os.execv(BUILD / "sluice", ["sluice", "--socket", str(fragile.socket), "client", "show", "127.0.0.1"])
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so at the end of a terminal
        while part := os.read(terminal, 65536):
            shown += part
    os.waitpid(pid, 0)
    os.close(terminal)
    lines = shown.decode().splitlines()
    assert max(len(line) for line in plain.splitlines()) > 80 and max(len(line) for line in lines) <= 60
    assert [word for line in lines for word in line.split() if "ago" not in word][-20:] == plain.split()[-20:]

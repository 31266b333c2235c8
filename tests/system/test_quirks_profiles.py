"""Quirks of the connection and of replies, and the profiles of devices that need to hear something else: by number (docs/quirks.md)."""
import re
import select
import socket
import subprocess
import time

import pytest

from conftest import BUILD, PATIENCE, TEXT, free_port, wait_until
from traced import attach_calls

FRAGILE = {"profile": "fragile"}
OFFERED = {"PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING", "SMTPUTF8", "LIMITS"}
CODES = re.compile(r"^\d{3}[ -]\d\.\d\.\d ")


def with_profile(make_relay, upstream, profile, **options):
    """A relay whose client 127.0.0.5 has the profile, and nobody else."""
    return make_relay(upstream.port, profile="fragile", top=f'client "127.0.0.5" {{ profile = {profile} }}', **options)


def device(relay):
    return relay.client(source="127.0.0.5")


def offered(ehlo):
    return {line[4:].split()[0] for line in ehlo.splitlines()[1:]}


def quirks_of_one(relay, upstream, client):
    """Hands a message over while the upstream is busy; the numbers that the message is known by."""
    upstream.busy("mail")
    number = client.message(TEXT)
    (message,) = [message for message in relay.messages() if message["id"] == number]
    upstream.open()
    return message["quirks"]


# ---- what the banner and the replies are always ----

def test_q04_the_banner_is_one_line(make_relay, upstream):
    relay = make_relay(upstream.port, **FRAGILE)
    with relay.client() as client:
        assert client.banner == "220 relay.example ESMTP Sluice"


def sent(calls):
    """What the relay sent to its clients: the texts of its sendmsg calls."""
    return [re.sub(r"\\r\\n", "\r\n", text) for text in re.findall(r'sendmsg\(\d+, .*?iov_base="((?:[^"\\]|\\.)*)"', calls)
            if re.match(r"\d{3}[ -]", text)]


def test_q06_each_reply_is_one_send_and_goes_out_at_once(make_relay, upstream):
    relay = make_relay(upstream.port, workers=1, **FRAGILE)
    with attach_calls(relay, "sendmsg,setsockopt") as trace:
        with relay.client() as client:
            replies = [client.banner, client.hello()]
            for line, code in (("MAIL FROM:<a@example.com>", 250), ("RCPT TO:<b@example.org>", 250), ("DATA", 354)):
                replies.append(client.command(line, code))
            client.send(TEXT + b".\r\n")
            replies.append(client.expect(250))
            replies.append(client.command("QUIT", 221))
        wait_until(lambda: "221" in trace.text(), what="the last reply in the trace")
        calls = trace.text()
    assert "TCP_NODELAY, [1]" in calls
    texts = [text.replace("\r\n", "\n").rstrip("\n") for text in sent(calls)]
    assert texts == replies, "a reply left in pieces, or with another"
    assert len(replies[1]) < 536 - 2 * replies[1].count("\n")


def test_q06_no_reply_but_that_to_ehlo_has_more_than_80_bytes(make_relay, upstream):
    """Each is ASCII, one line, and never 4xx, also for a relay with a long name."""
    relay = make_relay(upstream.port, profile="fragile", start=False, listen="max_bad_commands = 1000")
    relay.config.write_text(relay.config.read_text().replace("hostname = relay.example", f"hostname = {'x' * 55}.example"))
    relay.start()
    with relay.client() as client:
        replies = [client.banner]
        for line in ("HELO x", "HELO a\x01", "MAIL", "MAIL FROM:<a@@>", "MAIL FROM:<m\xfc@x>", "MAIL FROM:<" + "x" * 70 + "@y>", "RCPT TO:<b@x>",
                     "DATA", "NOOP", "VRFY x", "HELP", "EXPN x", "STARTTLS", "AUTH PLAIN", "LHLO x", "XCLIENT x", "XYZZY", "\xff", "NOOP " + "x" * 5000,
                     "BDAT 0", "MAIL FROM:<a@example.com>", "RCPT", "RCPT TO:<@>", "RCPT TO:<b%c@d>", "RCPT TO:<m\xfc@x>",
                     "RCPT TO:<" + "x" * 70 + "@y>", "RCPT TO:<b@example.org>", "BDAT 0", "DATA", "BDAT 5 LAST", "QUIT"):
            client.send(line.encode("latin-1") + b"\r\n" + (b"\r\nx\r\n" if line == "BDAT 5 LAST" else b""))
            replies.append(client.reply()[1])
        assert client.is_closed()
    assert [reply for reply in replies if len(reply) > 80 or "\n" in reply or reply[0] not in "235" or reply[3] != " "] == []
    assert relay.refusals() == {}


def test_q09_keep_alives_are_free_and_idle_lasts_ten_minutes(make_relay, upstream):
    relay = make_relay(upstream.port, listen="max_bad_commands = 3", **FRAGILE)
    with relay.client() as client:
        client.hello()
        for _ in range(500):
            client.command("NOOP", 250)
            client.command("RSET", 250)
        client.message(TEXT)
    shown = subprocess.run([BUILD / "sluiced", "-T", "-c", relay.config], capture_output=True, text=True, check=True).stdout
    assert "  command_timeout = 10m\n" in shown
    upstream.wait_for(1)


def test_q82_a_scan_may_pause_ten_minutes_between_reads(make_relay, upstream):
    relay = make_relay(upstream.port, **FRAGILE)
    shown = subprocess.run([BUILD / "sluiced", "-T", "-c", relay.config], capture_output=True, text=True, check=True).stdout
    assert "  data_timeout = 10m\n" in shown
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        for byte in TEXT:  # far under min_data_rate, which counts in a crowd only
            client.send(bytes([byte]))
            time.sleep(0.01)
        client.send(b".\r\n")
        client.expect(250)
    upstream.wait_for(1)
    assert relay.refusals() == {}


def test_q10_many_connections_in_parallel_all_get_their_banner_and_hand_over(make_relay, upstream):
    relay = make_relay(upstream.port, listen="max_connections_per_address = 20", **FRAGILE)
    waiting = [relay.client(banner=False) for _ in range(100)]
    while waiting:
        ready, _, _ = select.select([client.sock for client in waiting], [], [], PATIENCE)
        assert ready, f"{len(waiting)} wait for ever"
        for client in [client for client in waiting if client.sock in ready]:
            client.expect(220)
            client.hello()
            client.message(TEXT)
            client.command("QUIT", 221)
            client.close()
            waiting.remove(client)
    upstream.wait_for(100, 60)
    assert relay.refusals() == {}


def test_q11_a_client_that_reconnects_for_each_message_is_served(make_relay, upstream):
    relay = make_relay(upstream.port, **FRAGILE)
    began = time.monotonic()
    for _ in range(200):
        with relay.client() as client:
            client.hello()
            client.message(TEXT)
    assert time.monotonic() - began < PATIENCE
    upstream.wait_for(200, 60)
    assert relay.refusals() == {}


def test_q20_one_listener_has_several_addresses(make_relay, upstream):
    port = free_port()
    relay = make_relay(upstream.port, listeners=f'''listen old {{
      address = {{"127.0.0.11:{port}", "127.0.0.12:{port}"}}  profile = fragile  networks = {{"127.0.0.0/8"}} }}''')
    for address in ("127.0.0.11", "127.0.0.12"):
        with socket.create_connection((address, port), PATIENCE) as sock:
            file = sock.makefile("rwb")
            assert file.readline().startswith(b"220 ")
            for line, code in ((b"HELO x", b"250"), (b"MAIL FROM:<a@example.com>", b"250"), (b"RCPT TO:<b@example.org>", b"250"), (b"DATA", b"354")):
                file.write(line + b"\r\n")
                file.flush()
                assert file.readline().startswith(code)
            file.write(TEXT + b".\r\n")
            file.flush()
            assert file.readline().startswith(b"250 ")
    upstream.wait_for(2)


def test_q57_commands_may_come_character_by_character(make_relay, upstream):
    relay = make_relay(upstream.port, **FRAGILE)
    with relay.client() as client:
        for line, code in (("EHLO modem", 250), ("MAIL FROM:<a@example.com>", 250), ("RCPT TO:<b@example.org>", 250), ("DATA", 354)):
            for byte in line + "\r\n":
                client.send(byte)
                time.sleep(0.005)
            client.expect(code)
        client.send(TEXT + b".\r\n")
        client.expect(250)
    upstream.wait_for(1)
    assert relay.refusals() == {}


def test_q58_replies_come_long_before_a_device_gives_up(make_relay, upstream):
    """Alone; under load the bench looks at it. A resting upstream is on no client's way."""
    relay = make_relay(upstream.port, **FRAGILE)
    upstream.busy("mail")
    slowest = {}
    for _ in range(20):
        began = time.monotonic()
        with relay.client() as client:
            slowest["banner"] = max(slowest.get("banner", 0), time.monotonic() - began)
            for name, line, code in (("command", "EHLO x", 250), ("command", "MAIL FROM:<a@example.com>", 250),
                                     ("command", "RCPT TO:<b@example.org>", 250), ("command", "DATA", 354), ("dot", TEXT.decode() + ".", 250)):
                began = time.monotonic()
                client.command(line, code)
                slowest[name] = max(slowest.get(name, 0), time.monotonic() - began)
    assert slowest["banner"] < 1 and slowest["command"] < 1 and slowest["dot"] < 3, slowest
    upstream.open()


# ---- profiles ----

def test_q05_the_banner_says_smtp_where_the_profile_wants_it(make_relay, upstream):
    relay = with_profile(make_relay, upstream, "smtp-banner")
    with device(relay) as client:
        assert client.banner == "220 relay.example SMTP Sluice"
        client.hello()
        assert "Q-05" in quirks_of_one(relay, upstream, client)
    with relay.client() as other:
        assert "ESMTP" in other.banner


@pytest.mark.parametrize("profile", ["ups-card", "gsm-modem", "single-line-ehlo"])
def test_q07_ehlo_is_answered_by_one_line(make_relay, upstream, profile):
    relay = with_profile(make_relay, upstream, profile)
    with device(relay) as client:
        assert client.command("EHLO card", 250) == "250 relay.example"
        assert "Q-07" in quirks_of_one(relay, upstream, client)
    with relay.client() as other:
        assert len(other.hello().splitlines()) > 1
    upstream.wait_for(1)


@pytest.mark.parametrize("profile", ["old-firmware", "ehlo-502"])
def test_q08_ehlo_is_502_so_that_it_says_helo(make_relay, upstream, profile):
    relay = with_profile(make_relay, upstream, profile, listen="max_bad_commands = 2")
    with device(relay) as client:
        for _ in range(5):
            client.command("EHLO old", 502)
        client.command("HELO old", 250)
        assert "Q-08" in quirks_of_one(relay, upstream, client)
    upstream.wait_for(1)


@pytest.mark.parametrize("profile", ["gsm-modem", "netcat-script"])
def test_q55_a_command_may_end_in_cr_alone(make_relay, upstream, profile):
    relay = with_profile(make_relay, upstream, profile)
    with device(relay) as client:
        for line, code in (("HELO modem", 250), ("MAIL FROM:<a@example.com>", 250), ("RCPT TO:<b@example.org>", 250), ("DATA", 354)):
            client.send(line + "\r")
            client.expect(code)
        upstream.busy("mail")
        client.send(TEXT + b".\r\n")
        number = client.expect(250).split()[-1]
        (message,) = [message for message in relay.messages() if message["id"] == number]
        assert "Q-55" in message["quirks"]
        upstream.open()
    upstream.wait_for(1)


@pytest.mark.parametrize("profile", ["oracle-utl", "plain-codes", "old-firmware"])
def test_q59_codes_are_plain_and_every_yes_is_250(make_relay, upstream, profile):
    relay = with_profile(make_relay, upstream, profile)
    with device(relay) as client:
        client.command("HELO db", 250)
        replies = [client.command(line, code) for line, code in (
            ("VRFY postmaster", 250), ("NOOP", 250), ("MAIL FROM:<a@example.com>", 250), ("RCPT TO:<b@example.org>", 250), ("DATA", 354))]
        client.send(TEXT + b".\r\n")
        replies.append(client.expect(250))
        replies.append(client.command("EXPN all", 502))
        replies.append(client.command("QUIT", 221))
    assert not [reply for reply in replies if CODES.match(reply)], replies
    assert replies[2] == "250 Ok"
    upstream.wait_for(1)
    with device(relay) as client, relay.client() as other:
        client.command("HELO db", 250)
        assert "Q-59" in quirks_of_one(relay, upstream, client)
        other.hello()
        assert CODES.match(other.command("VRFY postmaster", 252))


def test_q60_a_resting_upstream_is_no_4xx_at_the_door(make_relay, upstream):
    relay = make_relay(upstream.port, **FRAGILE)
    for order in ("refuse", "busy banner", "busy mail", "busy rcpt", "busy data"):
        upstream.order(order)
        with relay.client() as client:
            client.hello()
            client.message(TEXT)
            client.command("QUIT", 221)
    upstream.open()
    upstream.wait_for(5)
    assert relay.refusals() == {}
    assert relay.metric('sluice_smtpd_replies_total{code_class="4xx"}') == 0


@pytest.mark.parametrize("profile, hidden", [
    ("hp-mfp", {"STARTTLS", "CHUNKING", "SMTPUTF8", "LIMITS"}),
    ("xerox", {"STARTTLS", "AUTH", "CHUNKING", "SMTPUTF8", "LIMITS"}),
    ("no-extensions", OFFERED),
    ("netcat-script", set()),
    ("default", set()),
])
def test_a_profile_hides_what_the_device_gets_wrong(make_relay, upstream, profile, hidden):
    relay = with_profile(make_relay, upstream, profile)
    with device(relay) as client, relay.client() as other:
        assert offered(other.hello()) == OFFERED
        assert offered(client.hello()) == OFFERED - hidden
        client.command("MAIL FROM:<a@example.com> SIZE=100 BODY=8BITMIME", 250)


def test_profiles_are_for_fragile_listeners_only(make_relay, upstream):
    relay = make_relay(upstream.port, top='client "127.0.0.0/8" { profile = old-firmware }')
    with relay.client() as client:
        assert "ESMTP" in client.banner
        assert CODES.match(client.command("MAIL FROM:<a@example.com>", 503))
        client.hello()


def test_a_reload_changes_the_profile_of_new_sessions(make_relay, upstream):
    relay = with_profile(make_relay, upstream, "default")
    with device(relay) as before:
        relay.write_config(top='client "127.0.0.5" { profile = ups-card }')
        relay.command("reload")
        assert len(before.hello().splitlines()) > 1
        with device(relay) as after:
            assert len(after.command("EHLO card", 250).splitlines()) == 1


def test_an_unknown_profile_is_refused_with_the_nearest(make_relay, upstream):
    relay = make_relay(upstream.port, start=False, profile="fragile", top='client "127.0.0.5" { profile = ups-cart }')
    relay.log_path.touch()
    done = subprocess.run([BUILD / "sluiced", "-t", "-c", relay.config], capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "did you mean 'ups-card'?" in done.stderr + done.stdout

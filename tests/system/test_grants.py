"""Relay grants in real sessions: by certificate, account and address, what they use, and what a change, a reload or a kill leaves."""
import calendar
import concurrent.futures
import json
import re
import subprocess
import time

import pytest

import certificates
from conftest import TEXT, free_port
from test_login import make_login, plain, section, secured  # noqa: F401 (fixtures)
from test_permission import DEVICE, accepted, hand_over
from test_tls import Secure, any_context, make_tls  # noqa: F401 (fixtures)

NOBODY = '"192.0.2.0/24"'
OTHER = "127.0.0.10"


def add(relay, name, *options):
    relay.command("grant", "add", name, "--owner", "owner@example.edu", *options)


def fingerprint(pair):
    """As openssl says it: upper case, with colons."""
    out = subprocess.run(["openssl", "x509", "-in", pair[0], "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True,
                         check=True).stdout
    return out.strip().partition("=")[2]


def may(client, sender="a@example.com"):
    """Whether it may relay: the code of RCPT. The transaction is dropped."""
    client.command(f"MAIL FROM:<{sender}>", 250)
    client.send("RCPT TO:<b@example.org>\r\n")
    code, _ = client.reply()
    client.command("RSET", 250)
    return code


# ---- by certificate, by account ----

@pytest.mark.parametrize("days", [30, -1], ids=["self-signed", "outdated"])
def test_q17_q110_a_certificate_is_the_device_wherever_it_is(make_tls, upstream, folder, days):  # noqa: F811
    device, other = (certificates.make(folder, name, days=days) for name in ("device", "other"))
    relay = make_tls(networks=NOBODY)
    add(relay, "printer", "--certificate", fingerprint(device), "--network", "203.0.113.9")
    for source in (DEVICE, OTHER):
        with Secure(relay.port, context=any_context(*device), source=source) as client:
            client.hello()
            assert may(client) == 550, "in clear nobody shows a certificate"
            client.command("STARTTLS", 220)
            client.wrap()
            client.hello()
            assert accepted(relay, client.message(TEXT), "grant") == "printer"
    said = relay.api(f"/v1/grants/explain?client={OTHER}&from=&certificate={fingerprint(device)}")
    assert (said["grant"], said["level"], said["listeners"][0]["answer"]) == ("printer", "certificate", "taken")
    for context in (any_context(), any_context(*other)):
        with Secure(relay.port, context=context, source=DEVICE) as client:
            client.starttls().hello()
            assert may(client) == 550
    upstream.wait_for(2)


def test_a_certificate_decides_before_account_and_network(make_login, upstream, folder):  # noqa: F811
    device = certificates.make(folder, "device")
    relay = make_login(networks=NOBODY)
    add(relay, "by-network", "--network", DEVICE)
    add(relay, "by-account", "--account", "anna")
    add(relay, "by-certificate", "--certificate", fingerprint(device))
    with Secure(relay.port, context=any_context(*device), source=DEVICE) as client:
        client.hello()
        assert accepted(relay, client.message(TEXT), "grant") == "by-network"
        client.starttls().hello()
        assert accepted(relay, client.message(TEXT), "grant") == "by-certificate"
        client.command(f"AUTH PLAIN {plain('anna')}", 235)
        assert accepted(relay, client.message(TEXT), "grant") == "by-certificate"
        relay.command("grant", "suspend", "by-certificate", "--reason", "lost")
        assert may(client) == 550, "a wider grant does not take its place"
    with secured(relay, source=DEVICE) as client:
        client.command(f"AUTH PLAIN {plain('anna')}", 235)
        assert accepted(relay, client.message(TEXT), "grant") == "by-account"
    upstream.wait_for(4)


def test_q17_an_account_has_its_grant_and_its_rate_at_every_address(make_login, upstream):  # noqa: F811
    relay = make_login(profile="fragile", networks=NOBODY, listen="tls = starttls account_messages = 60 relay = {grant, auth}",
                       scan="grants { burst = 1s }")
    add(relay, "scanner", "--account", "device", "--messages-per-hour", "120")
    for source, account in ((DEVICE, "device"), (OTHER, "device"), (DEVICE, "anna"), (OTHER, "anna")):
        with secured(relay, source=source) as client:
            client.command(f"AUTH PLAIN {plain(account)}", 235)
            message = client.message(TEXT)
            assert accepted(relay, message, "account") == account
            assert accepted(relay, message, "grant") == ("scanner" if account == "device" else "")
    held = {message["account"]: message["reason"] for message in relay.messages("?held=paced")}
    # the longer wait is the one that is told
    assert held["device"].startswith("paced: account device has 60 messages an hour"), held
    assert held["anna"].startswith("paced: account anna has 60 messages an hour"), held
    assert relay.refusals() == {}
    upstream.wait_for(2)


# ---- a device without TLS beside others with it ----

def test_a_device_without_tls_beside_clients_with_it(make_tls, upstream):  # noqa: F811
    relay = make_tls(profile="fragile", networks=NOBODY)
    add(relay, "old-ups", "--network", DEVICE)
    add(relay, "new-ones", "--network", OTHER)

    def old(_):
        with relay.client(source=DEVICE) as client:
            client.hello()
            return [client.message(TEXT) for _ in range(3)]

    def new(_):
        with Secure(relay.port, source=OTHER) as client:
            client.starttls().hello()
            return [client.message(TEXT) for _ in range(3)]

    def broken(_):
        with Secure(relay.port, source=DEVICE) as client:
            client.hello()
            client.command("STARTTLS", 220)
            client.send(b"MAIL FROM:<a@example.com>\r\n")
            return []

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        messages = [pool.submit(kind, number) for number in range(4) for kind in (old, new, broken)]
        messages = [message for done in messages for message in done.result()]
    assert len(messages) == 24
    upstream.wait_for(24)
    log = relay.log()
    for name in ("old-ups", "new-ones"):
        assert len(re.findall(rf'event=accepted .*grant="{name}"', log)) == 12
    assert relay.refusals() == {}


# ---- what they use ----

def test_use_is_counted_and_compared(make_relay, upstream):
    relay = make_relay(upstream.port, networks=NOBODY)
    add(relay, "busy", "--network", DEVICE, "--messages-per-day", "20")
    add(relay, "idle", "--network", OTHER)
    assert relay.api("/v1/grants/busy")["usage"]["last"] is None
    before = time.time()
    with relay.client(source=DEVICE) as client:
        client.hello()
        for _ in range(3):
            client.message(TEXT, recipients=("b@example.org", "c@example.org"))
    usage = relay.api("/v1/grants/busy")["usage"]
    assert (usage["messages"], usage["recipients"], usage["messages_per_day"]) == (3, 6, 3)
    assert usage["bytes"] >= 3 * len(TEXT)
    last = time.strptime(usage["last"][:19], "%Y-%m-%dT%H:%M:%S")
    assert before - 2 < calendar.timegm(last) <= time.time()
    assert relay.api("/v1/grants/idle")["usage"]["messages"] == 0
    rows = {row.split()[0]: row for row in relay.command("grant", "list").splitlines() if row}
    assert re.search(r" 20 +3 ", rows["busy"]) and "never" in rows["idle"], rows
    assert "3 messages" in relay.command("grant", "show", "busy")
    upstream.wait_for(3)


def import_grants(relay, tmp_path, *grants):
    path = tmp_path / "grants.json"
    path.write_text(json.dumps({"grants": list(grants)}))
    relay.command("grant", "import", path)


def day(days):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + days * 86400))


def old_grant(name, network, **more):
    return {"name": name, "networks": [network], "owner": "owner@example.edu", "state": "approved", "created": day(-200),
            "approved": day(-100), "since": day(-100), "expires": day(200), **more}


def test_what_nobody_uses_is_proposed(make_relay, upstream, tmp_path):
    relay = make_relay(upstream.port, networks=NOBODY)
    import_grants(relay, tmp_path, old_grant("printer", DEVICE), old_grant("scrapped", OTHER),
                  old_grant("young", "127.0.0.11", approved=day(-80), since=day(-80)))
    unused = lambda: [grant["name"] for grant in relay.api("/v1/grants?unused=1")["grants"]]
    assert unused() == ["printer", "scrapped"]
    hand_over(relay)
    assert unused() == ["scrapped"]
    listing = relay.command("grant", "list", "--unused")
    assert "scrapped" in listing and "printer" not in listing and "young" not in listing
    assert "1 not used for 90 days" in relay.command("grant", "list")
    upstream.wait_for(1)


# ---- what is said beforehand, and what happens ----

DEVICES = {"approved": "127.0.1.1", "senders": "127.0.1.2", "rewriting": "127.0.1.3", "in-grace": "127.0.1.4", "lapsed": "127.0.1.5",
           "suspended": "127.0.1.6", "revoked": "127.0.1.7", "requested": "127.0.1.8", "stranger": "127.0.2.1", "network": "127.0.3.1"}
SENDERS = ["", "x@example.com", "x@example.edu", "alarm@example.edu", "anna@example.edu", "root@localhost"]


@pytest.fixture
def scenes(make_login, tmp_path):  # noqa: F811
    """A relay with a device for each life of a grant, and listeners that differ: {name: port}."""
    ports = {name: free_port() for name in ("fragile", "networks", "logins", "grants", "ours")}
    rules = {"fragile": "profile = fragile auth = required", "networks": "relay = network", "logins": "relay = auth",
             "grants": "relay = grant", "ours": "relay = {network, auth} networks_use_domains = yes"}
    listeners = "".join(f'listen {name} {{ address = {{"127.0.0.1:{port}"}} networks = {{"127.0.3.0/24"}} tls = starttls\n{rules[name]} }}\n'
                        for name, port in ports.items())
    relay = make_login(networks='"127.0.3.0/24"', listeners=listeners,
                       scan="domains = example.edu\ngrants { grace = 14d helpdesk = help@example.edu }")
    import_grants(
        relay, tmp_path, old_grant("approved", DEVICES["approved"]),
        old_grant("senders", DEVICES["senders"], senders=["alarm@example.edu", "*@example.com"]),
        old_grant("rewriting", DEVICES["rewriting"], senders=["alarm@example.edu"], mailbox="alarm@example.edu", spoof="rewrite"),
        old_grant("in-grace", DEVICES["in-grace"], expires=day(-3)), old_grant("lapsed", DEVICES["lapsed"], expires=day(-30)),
        old_grant("suspended", DEVICES["suspended"], state="suspended", reason="spam"),
        old_grant("revoked", DEVICES["revoked"], state="revoked", reason="scrapped"),
        {"name": "requested", "networks": [DEVICES["requested"]], "owner": "owner@example.edu", "state": "requested"})
    return relay, {"door": relay.port, **ports}


CODES = {"taken": 250, "held": 250, "login": 530, "refused": 550}


def happens(client, sender):
    """The code, and what it says with a 550."""
    client.send(f"MAIL FROM:<{sender}>\r\n")
    code, said = client.reply()
    if code == 250:
        client.send("RCPT TO:<b@example.org>\r\n")
        code, said = client.reply()
        client.command("RSET", 250)
    return code, " ".join(line[10:] for line in said.split("\n"))


@pytest.mark.parametrize("account", [None, "anna"])
def test_explain_says_what_a_session_says(scenes, account):
    relay, ports = scenes
    seen = set()
    for kind, address in DEVICES.items():
        told = {}
        for sender in SENDERS:
            login = f"&account={account}" if account else ""
            answer = relay.api(f"/v1/grants/explain?client={address}&from={sender or '<>'}{login}".replace("<>", "%3C%3E"))
            told[sender] = {listener.pop("listener"): listener for listener in answer["listeners"]}
            assert set(told[sender]) == set(ports)
        for listener, port in ports.items():
            with Secure(port, source=address) as client:
                if account:
                    client.starttls().hello()
                    client.command(f"AUTH PLAIN {plain(account)}", 235)
                else:
                    client.hello()
                for sender in SENDERS:
                    said, (code, text) = told[sender][listener], happens(client, sender)
                    assert CODES[said["answer"]] == code, (kind, listener, sender, said, text)
                    assert code != 550 or said["text"] == text
                    assert code != 250 or (said["answer"] == "held") == (kind == "in-grace")
                    seen.add(said["answer"])
    assert seen == ({"taken", "held", "refused"} if account else {"taken", "held", "refused", "login"})


def test_explain_shows_the_listeners(scenes):
    relay, _ = scenes
    shown = relay.command("grant", "explain", DEVICES["in-grace"], "x@example.com")
    assert re.search(r"there +door: taken and held, by grant: grant in-grace lapsed on", shown), shown
    shown = relay.command("grant", "explain", DEVICES["stranger"], "anna@example.edu", "--account", "anna")
    assert re.search(r"there +logins: taken, by auth\n", shown), shown
    assert re.search(rf"there +grants: 550: {DEVICES['stranger']} may not send mail here, ask help@example.edu", " ".join(shown.split())), shown
    shown = relay.command("grant", "explain", DEVICES["rewriting"], "x@example.com")
    assert re.search(r"there +door: taken, by grant, as alarm@example.edu", shown), shown


# ---- changes while sessions are open ----

def test_a_reload_of_domains_and_grace_is_for_new_sessions(make_relay, upstream, tmp_path):
    relay = make_relay(upstream.port, networks='"127.0.3.0/24"', top="grants { grace = 14d }")
    import_grants(relay, tmp_path, old_grant("printer", DEVICE, expires=day(-3)))
    with relay.client(source=DEVICE) as device, relay.client(source="127.0.3.1") as client:
        device.hello()
        client.hello()
        assert may(device) == 250 and may(client, "x@example.edu") == 250
        relay.write_config(top="domains = example.edu\ngrants { grace = 0s helpdesk = help@example.edu }")
        relay.command("reload")
        # who is there goes on by what it began with
        assert may(device) == 250 and may(client, "x@example.edu") == 250
        for source, sender in ((DEVICE, "a@example.com"), ("127.0.3.1", "x@example.edu")):
            with relay.client(source=source) as new:
                new.hello()
                assert may(new, sender) == 550
        # but the table of grants is of now for all of them
        relay.command("grant", "revoke", "printer", "--reason", "scrapped")
        assert may(device) == 550
        add(relay, "again", "--network", "127.0.3.1", "--sender", "y@example.edu")
        assert may(client, "x@example.edu") == 550 and may(client, "y@example.edu") == 250


def test_a_kill_keeps_grants_their_use_and_what_is_held(make_relay, upstream, tmp_path):
    relay = make_relay(upstream.port, profile="fragile", networks=NOBODY, top="grants { burst = 1s helpdesk = help@example.edu }")
    import_grants(relay, tmp_path, old_grant("late", DEVICE, expires=day(-3)), old_grant("gone", "127.0.0.11"),
                  old_grant("slow", OTHER, messages_per_hour=60))
    relay.command("grant", "suspend", "gone", "--reason", "sends spam")
    late = [hand_over(relay) for _ in range(2)]
    with relay.client(source=OTHER) as client:
        client.hello()
        slow = [client.message(TEXT) for _ in range(3)]
    upstream.wait_for(1)

    def held():
        return {message["id"]: (message["hold"], message["reason"]) for message in relay.messages("?state=held")}

    def use():
        return [(grant["name"], grant["life"], grant["usage"]) for grant in relay.api("/v1/grants")["grants"]]

    before, used = held(), use()
    assert set(before) == {*late, *slow[1:]}
    relay.kill()
    relay.start()
    assert held() == before and use() == used
    for source, wanted in ((DEVICE, 250), (OTHER, 250), ("127.0.0.11", 550), ("127.0.0.12", 550)):
        with relay.client(source=source) as client:
            client.hello()
            assert may(client) == wanted
    # the figures go on where they stood
    hand_over(relay)
    assert relay.api("/v1/grants/late")["usage"]["messages"] == 3

"""Who may hand over mail: networks, grants, their life, suspensions; and the quirks that a grant helps with."""
import time

import pytest

from conftest import TEXT, wait_until
from test_login import make_login, plain, section, secured  # noqa: F401 (fixtures)
from test_tls import make_tls  # noqa: F401

DEVICE = "127.0.0.9"
OURS = "domains = example.edu\ngrants { helpdesk = help@example.edu }\n"


@pytest.fixture(params=["standard", "fragile"])
def door(request, make_relay, upstream):
    """Nobody is in its networks."""
    return make_relay(upstream.port, profile=request.param, top=OURS, networks='"192.0.2.0/24"')


def grant(relay, *options, name="printer"):
    relay.command("grant", "add", name, "--network", DEVICE, "--owner", "owner@example.edu", *options)


def answers(relay, sender="a@example.com", recipient="b@example.org"):
    """The reply to RCPT, lines joined."""
    with relay.client(source=DEVICE) as client:
        client.hello()
        client.command(f"MAIL FROM:<{sender}>", 250)
        client.send(f"RCPT TO:<{recipient}>\r\n")
        code, said = client.reply()
        assert all(len(line) <= 78 for line in said.split("\n")), said
        return code, " ".join(line[10:] for line in said.split("\n"))


def hand_over(relay, sender="a@example.com", text=TEXT):
    with relay.client(source=DEVICE) as client:
        client.hello()
        return client.message(text, sender)


def test_grant_opens_the_door(door, upstream):
    assert answers(door) == (550, f"{DEVICE} may not send mail here, ask help@example.edu")
    grant(door, "--lane", "alert")
    message = hand_over(door)
    upstream.wait_for(1)
    assert accepted(door, message, "grant") == "printer"


def test_session_that_is_open_hears_of_a_grant_and_its_end(door):
    with door.client(source=DEVICE) as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 550)
        client.command("RSET", 250)
        grant(door)
        client.message(TEXT)
        door.command("grant", "suspend", "printer", "--reason", "sends viruses")
        client.command("MAIL FROM:<a@example.com>", 250)
        said = client.command("RCPT TO:<b@example.org>", 550)
        assert "Grant printer was suspended on" in said and "sends viruses" in said.replace("\n550 5.7.1", ""), said


def test_suspension_counts_at_the_final_dot(door):
    grant(door)
    with door.client(source=DEVICE) as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(TEXT)
        door.command("grant", "suspend", "printer", "--reason", "stolen")
        client.send(b".\r\n")
        code, said = client.reply()
        assert code == 550 and "Grant printer was suspended" in said, said
        client.command("NOOP", 250)


def test_revoked_grant_refuses_whom_the_network_would_let_in(make_relay, upstream):
    relay = make_relay(upstream.port, top=OURS)
    hand_over(relay)
    grant(relay)
    relay.command("grant", "revoke", "printer", "--reason", "scrapped")
    assert answers(relay)[1].startswith("Grant printer was revoked on")


def lapse(relay, *options):
    """A grant that is over."""
    grant(relay, "--until", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2)), *options)
    wait_until(lambda: "lapsed" in relay.command("grant", "show", "printer"), what="the grant's end")


def test_lapsed_grant_s_mail_is_held(door, upstream):
    lapse(door)
    message = hand_over(door)
    (held,) = door.messages()
    assert held["id"] == message and held["state"] == "held"
    assert "grant printer lapsed on" in str(door.api(f"/v1/queue/messages/{message}"))
    assert upstream.count()["messages"] == 0


def test_lapsed_grant_is_refused_behind_the_grace(make_relay, upstream):
    relay = make_relay(upstream.port, top="domains = example.edu\ngrants { grace = 0s  helpdesk = help@example.edu }")
    lapse(relay)
    code, said = answers(relay)
    assert code == 550
    assert said.startswith("Grant printer lapsed on 20") and said.endswith(", to renew it write to help@example.edu")


def test_grant_says_which_senders_and_recipients(door):
    grant(door, "--sender", "*@example.edu", "--reach", "internal")
    assert answers(door, "x@example.edu", "b@example.edu")[0] == 250
    assert answers(door, "x@example.edu")[1].startswith("Grant printer may send to our own domains only")
    assert answers(door, "x@example.com", "b@example.edu")[1].startswith("Grant printer may not send as x@example.com")
    assert answers(door, "", "b@example.edu")[0] == 250


@pytest.mark.parametrize("relay_by, code", [("network", 250), ("grant", 550), ("auth", 550), ("{network, grant}", 250)])
def test_listener_says_what_counts(make_relay, upstream, relay_by, code):
    relay = make_relay(upstream.port, listen=f"relay = {relay_by}")
    assert answers(relay)[0] == code


def test_refused_device_hears_why_behind_data_too(make_relay, upstream):
    """It shows the last reply alone."""
    relay = make_relay(upstream.port, profile="fragile", networks='"192.0.2.0/24"')
    with relay.client(source=DEVICE) as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 550)
        assert "may not send mail here" in client.command("DATA", 554)
        client.send(TEXT + b".\r\n")
        client.expect(554)
        client.command("NOOP", 250)


# ---- quirks ----

@pytest.fixture
def fragile(make_relay, upstream):
    return make_relay(upstream.port, profile="fragile", top=OURS, networks='"192.0.2.0/24"')


def leaves(upstream, count=1):
    upstream.wait_for(count)
    return upstream.envelopes()[-1][0].split()[0][5:], upstream.texts()[-1].partition(b"\r\n\r\n")[0].split(b"\r\n")


def accepted_quirks(relay, message):
    return accepted(relay, message, "quirks").split()


def accepted(relay, message, key):
    (line,) = [line for line in relay.log().splitlines() if "event=accepted" in line and f"id={message}" in line]
    return line.partition(f'{key}="')[2].partition('"')[0]


@pytest.mark.parametrize("sender", ["root@localhost", "ups@127.0.0.9", "ups@[127.0.0.9]"])
def test_q40(fragile, upstream, sender):
    grant(fragile, "--mailbox", "ups@example.edu", "--sender", "ups@example.edu")
    message = hand_over(fragile, sender, f"From: UPS <{sender}>\r\nSubject: x\r\n\r\nHello.\r\n")
    reverse_path, header = leaves(upstream)
    assert reverse_path == "<ups@example.edu>"
    assert b"From: <ups@example.edu>" in header and f"X-Original-From: UPS <{sender}>".encode() in header
    assert not any(line.startswith(b"Reply-To") for line in header)
    assert "Q-40" in accepted_quirks(fragile, message)


def test_q40_without_a_mailbox_passes(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile")
    message = hand_over(relay, "root@localhost")
    assert leaves(upstream)[0] == "<root@localhost>"
    assert "Q-40" in accepted_quirks(relay, message)


AUTOMATIC = [b"Auto-Submitted: auto-generated\r\n", b"Content-Type: multipart/report; boundary=x\r\n"]


def test_q51(fragile, upstream):
    grant(fragile, "--mailbox", "ups@example.edu", "--replaces-null", "yes")
    message = hand_over(fragile, "")
    assert leaves(upstream)[0] == "<ups@example.edu>"
    assert "Q-51" in accepted_quirks(fragile, message)


@pytest.mark.parametrize("field", AUTOMATIC)
def test_q51_never_for_machines_answers(fragile, upstream, field):
    grant(fragile, "--mailbox", "ups@example.edu", "--replaces-null", "yes")
    message = hand_over(fragile, "", field + TEXT)
    assert leaves(upstream)[0] == "<>"
    assert "Q-51" not in accepted_quirks(fragile, message)


def test_q51_only_where_the_grant_says_so(fragile, upstream):
    grant(fragile, "--mailbox", "ups@example.edu")
    hand_over(fragile, "")
    assert leaves(upstream)[0] == "<>"


@pytest.mark.parametrize("text", [b"Subject: x\r\n\r\nHello.\r\n", b"From: <>\r\nSubject: x\r\n\r\nHello.\r\n"])
def test_q74(fragile, upstream, text):
    grant(fragile, "--mailbox", "ups@example.edu")
    message = hand_over(fragile, "a@example.com", text)
    _, header = leaves(upstream)
    assert b"From: <ups@example.edu>" in header
    assert "Q-74" in accepted_quirks(fragile, message)


def test_q109(make_login):  # noqa: F811
    """Where a login is required, a device with a grant is served without one, as many know port 587 and no login."""
    relay = make_login(profile="fragile", listen="tls = starttls\nauth = required")
    with relay.client(source=DEVICE) as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 530)
        grant(relay)
        assert "Q-109" in accepted_quirks(relay, client.message(TEXT))


@pytest.mark.parametrize("profile", ["standard", "fragile"])
def test_internal_reach_is_not_widened_by_routes(make_relay, upstream, profile):
    """Many upstreams still send on what routes by "%", "!" or quotes, as they trust us."""
    relay = make_relay(upstream.port, profile=profile, top='domains = {"example.edu"}\n')
    grant(relay, "--reach", "internal")
    assert answers(relay, recipient="b@example.edu")[0] == 250
    for recipient in ("x%evil.example@example.edu", "evil.example!x@example.edu", '"x@evil.example"@example.edu',
                      '"x%evil.example"@example.edu', "x@evil.example"):
        assert answers(relay, recipient=recipient)[0] == 550, recipient


def test_reach_that_is_narrowed_within_a_message(make_relay, upstream):
    relay = make_relay(upstream.port, top='domains = {"example.edu"}\n')
    grant(relay)
    with relay.client(source=DEVICE) as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        relay.command("grant", "change", "printer", "--reach", "internal")
        client.send(b"From: a@example.com\r\n\r\nHello.\r\n.\r\n")
        assert "own domains only" in client.expect(550)
    assert relay.messages() == []


def test_login_is_the_account_s_right(make_login):  # noqa: F811
    relay = make_login(auth="delay = 0ms", listen="tls = starttls\nauth = optional\nrelay = auth", scan="domains = example.edu")
    with secured(relay) as client:
        client.command("MAIL FROM:<anna@example.edu>", 250)
        client.command("RCPT TO:<b@example.org>", 550)
        client.command("RSET", 250)
        client.command(f"AUTH PLAIN {plain('anna')}", 235)
        for sender, code in (("anna@example.edu", 250), ("berta@example.edu", 550)):
            client.command(f"MAIL FROM:<{sender}>", 250)
            client.command("RCPT TO:<b@example.org>", code)
            client.command("RSET", 250)
        client.message(b"From: anna@example.edu\r\n\r\nHello.\r\n", "anna@example.edu")

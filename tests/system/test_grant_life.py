"""What happens to grants as time passes: owners are told, mail waits for a renewal, goes on or goes back."""
import email
import email.policy
import time

import pytest

from conftest import TEXT, wait_until
from scripted import ScriptedUpstream

DEVICE = "127.0.0.9"
OURS = "domains = example.edu\ngrants {{ helpdesk = help@example.edu  grace = {grace}  summary = off }}\n"


@pytest.fixture
def open_relay(make_relay, upstream):
    """What needs time to be proven needs a tenth of the lifetime."""
    def make(grace="14d", **options):
        options = {"lifetime": "20s", "networks": '"192.0.2.0/24"', **options}
        return make_relay(upstream.port, top=OURS.format(grace=grace), **options)
    return make


def moment(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def grant(relay, seconds, *options, name="printer", owner="owner@example.edu"):
    owned = ("--owner", owner) if owner else ("--ownerless",)
    relay.command("grant", "add", name, "--network", DEVICE, "--until", moment(seconds), *owned, *options)


def wait_life(relay, life, name="printer"):
    wait_until(lambda: life in relay.command("grant", "show", name), what=f"{name}: {life}")


def hand_over(relay, sender="a@example.com", text=TEXT):
    with relay.client(source=DEVICE) as client:
        client.hello()
        return client.message(text, sender)


def mails(upstream, to):
    """What came for that address, parsed, in order."""
    found = []
    for envelope, text in zip(upstream.envelopes(), upstream.texts()):
        if f"<{to}>" in "\n".join(envelope[1:]):
            found.append(email.message_from_bytes(text, policy=email.policy.default))
    return found


def words_of(mail):
    return mail.get_content().replace("\r\n", "\n")


def wait_mails(upstream, to, count):
    return wait_until(lambda: len(found := mails(upstream, to)) >= count and found, what=f"{count} mails for {to}")


def test_owner_is_told_before_the_end_and_when_it_has_come(open_relay, upstream):
    relay = open_relay()
    grant(relay, 8, "--purpose", "Scans der Bücherei", "--contact", "desk 3")
    (soon,) = wait_mails(upstream, "owner@example.edu", 1)
    assert soon["Subject"] == "Relay grant printer ends within a day"
    assert soon["From"] == "Postmaster <postmaster@relay.example>" and soon["To"] == "owner@example.edu"
    assert soon["Auto-Submitted"] == "auto-generated" and soon["Message-ID"] and soon["Date"]
    text = words_of(soon)
    for words in ("relay.example", "write to help@example.edu", "  sluice grant renew printer\n", DEVICE, "Scans der Bücherei",
                  "desk 3", "14d later it is refused"):
        assert words in text, (words, text)
    wait_life(relay, "lapsed")
    message = hand_over(relay)
    assert relay.messages()[0]["id"] == message
    _, over = wait_mails(upstream, "owner@example.edu", 2)
    assert over["Subject"] == "Relay grant printer has ended"
    assert "A renewal sends on what is held" in words_of(over)
    log = relay.command("grant", "log", "printer")
    assert "it has lapsed: owner@example.edu" in log, log
    relay.stop()
    relay.start()
    relay.command("grant", "renew", "printer", "--for", "1y")
    wait_until(lambda: any(b"Hello." in text for text in upstream.texts()), what="the held message")
    relay.wait_empty()
    assert len(mails(upstream, "owner@example.edu")) == 2


def test_mail_of_a_revoked_grant_goes_back_at_once(open_relay, upstream):
    relay = open_relay()
    grant(relay, 2)
    wait_life(relay, "lapsed")
    hand_over(relay)
    relay.command("grant", "revoke", "printer", "--reason", "scrapped")
    (bounce,) = wait_mails(upstream, "a@example.com", 1)
    human, status, _ = bounce.iter_parts()
    assert "5.7.1" in str(status.get_payload()[1]["Status"])
    assert "Grant printer was revoked on" in " ".join(words_of(human).split()), words_of(human)
    relay.wait_empty()
    told = wait_until(lambda: [mail for mail in mails(upstream, "owner@example.edu") if "revoked" in mail["Subject"]],
                      what="the owner's mail")
    assert len(told) == 1 and "scrapped" in words_of(told[0])


def test_end_of_the_grace_sends_mail_back_and_tells_the_owner(open_relay, upstream):
    relay = open_relay(grace="4s")
    grant(relay, 2)
    wait_life(relay, "lapsed")
    hand_over(relay)
    (bounce,) = wait_mails(upstream, "a@example.com", 1)
    human, _, _ = bounce.iter_parts()
    assert "Grant printer lapsed on" in " ".join(words_of(human).split()), words_of(human)
    assert "help@example.edu" in words_of(human)
    told = wait_until(lambda: [mail for mail in mails(upstream, "owner@example.edu") if "refused" in mail["Subject"]],
                      what="the owner's mail")
    assert len(told) == 1


def test_owners_of_many_are_told_in_one_mail_and_of_none_is_told_postmaster(open_relay, upstream):
    relay = open_relay()
    lines = ["name,networks,owner,state,expires"]
    lines += [f"g{i},10.0.0.{i + 1},{'lib@example.edu' if i % 2 else ''},approved,{moment(5 * 86400)}" for i in range(20)]
    table = relay.folder / "grants.csv"
    table.write_text("\n".join(lines) + "\n")
    relay.command("grant", "import", table)
    (mail,) = wait_mails(upstream, "lib@example.edu", 1)
    assert mail["Subject"] == "10 relay grants end within 7 days"
    assert all(f"  sluice grant renew g{i}\n" in words_of(mail) for i in range(1, 20, 2))
    (mail,) = wait_mails(upstream, "postmaster@relay.example", 1)
    assert "no owner is known" in words_of(mail) and "  sluice grant renew g0 --ownerless\n" in words_of(mail)
    relay.stop()
    relay.start()
    relay.command("grant", "renew", "g1", "--for", "20d")
    mail = wait_mails(upstream, "lib@example.edu", 2)[1]
    assert mail["Subject"] == "Relay grant g1 ends within 30 days"
    assert len(mails(upstream, "postmaster@relay.example")) == 1


@pytest.mark.parametrize("profile", ["standard", "fragile"])
def test_q84_owner_is_told_once_a_day_of_messages_that_are_too_large(open_relay, upstream, profile):
    relay = open_relay(profile=profile, listen="max_message = 100KB")
    grant(relay, 90 * 86400)
    for _ in range(3):
        with relay.client(source=DEVICE) as client:
            client.hello()
            client.command("MAIL FROM:<a@example.com>", 250)
            client.command("RCPT TO:<b@example.org>", 250)
            client.command("DATA", 354)
            client.send(b"Subject: scan\r\n\r\n" + b"x" * 70 + b"\r\n")
            for _ in range(50):
                client.send((b"x" * 78 + b"\r\n") * 50)
            client.send(b".\r\n")
            assert client.reply()[0] == 552
    if profile == "standard":
        with relay.client(source=DEVICE) as client:
            client.hello()
            client.command("MAIL FROM:<a@example.com> SIZE=400000", 552)
    (mail,) = wait_mails(upstream, "owner@example.edu", 1)
    text = words_of(mail)
    assert mail["Subject"] == "A message of printer was too large for the relay"
    for words in ("a message of 0.2 MB. At most 0.1 MB", "fewer pages", "lower resolution", "help@example.edu", DEVICE):
        assert words in text, (words, text)
    relay.wait_empty()
    relay.stop()
    relay.start()
    with relay.client(source=DEVICE) as client:
        client.hello()
        client.message(TEXT)
    relay.wait_empty()
    assert len(mails(upstream, "owner@example.edu")) == 1


def test_q86_what_comes_back_for_a_device_goes_to_its_owner(make_relay):
    def script(session):
        session.greet()
        while (line := session.line()) is not None:
            if line.startswith("RCPT") and "nobody@" in line:
                session.say("550 5.1.1 no such user here")
            else:
                session.answer(line)

    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, profile="fragile", top=OURS.format(grace="14d"), networks='"192.0.2.0/24"')
        relay.command("grant", "add", "printer", "--network", DEVICE, "--owner", "owner@example.edu", "--sender", "printer@example.edu *@lib.example.edu")
        for sender, told in (("printer@example.edu", "owner@example.edu"), ("anna@lib.example.edu", "anna@lib.example.edu"),
                             ("", "postmaster@relay.example")):
            before = len(server.messages)
            with relay.client(source=DEVICE) as client:
                client.hello()
                client.message(f"From: <{sender or 'printer@example.edu'}>\r\nAuto-Submitted: auto-replied\r\n\r\nx\r\n", sender, ("nobody@example.org",))
            relay.wait_empty()
            ((back, recipients, text),) = server.messages[before:]
            assert back.startswith("MAIL FROM:<>") and recipients == [f"<{told}>"]
            assert (b"as the owner of its" in text) == (told == "owner@example.edu")
        relay.command("grant", "change", "printer", "--owner", "printer@example.edu")
        before = len(server.messages)
        with relay.client(source=DEVICE) as client:
            client.hello()
            client.message("From: printer@example.edu\r\n\r\nx\r\n", "printer@example.edu", ("nobody@example.org",))
        relay.wait_empty()
        ((_, recipients, _),) = server.messages[before:]
        assert recipients == ["<postmaster@relay.example>"]

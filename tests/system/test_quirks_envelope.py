"""Fragile clients: addresses, parameters and the order of commands (Q-33 to Q-60). Each is accepted and repaired, or refused for good."""
import time

import pytest

from conftest import TEXT

HELLO = b"EHLO device.example\r\n"
SENDER = b"MAIL FROM:<a@example.com>\r\n"
RECIPIENT = b"RCPT TO:<b@example.org>\r\n"
END = b"DATA\r\n" + TEXT + b".\r\n"


@pytest.fixture
def door(make_relay, upstream):
    """A fragile listener; nothing leaves before the test has looked at the queue."""
    upstream.busy("banner")
    return make_relay(upstream.port, profile="fragile")


def say(relay, *parts):
    """Sends each part, waits for its reply, and returns the codes."""
    codes = []
    with relay.client() as client:
        for part in parts:
            client.send(part)
            codes.append(client.reply()[0])
    return codes


def quirks(relay):
    (message,) = relay.messages()
    return message["quirks"]


def leaves(upstream):
    """Sender and recipients of the one message that goes out."""
    upstream.open()
    upstream.wait_for(1)
    (envelope,) = upstream.envelopes()
    return envelope[0].split()[0][5:], [line[3:] for line in envelope[1:]]


def check(door, upstream, sender, recipient, wanted, leaves_as):
    """A message by these two commands is accepted, its quirks are listed, and it leaves with sound addresses."""
    codes = say(door, HELLO, sender + b"\r\n", recipient + b"\r\n", b"DATA\r\n", TEXT + b".\r\n")
    assert codes == [250, 250, 250, 354, 250]
    assert set(wanted) <= set(quirks(door)), quirks(door)
    assert leaves(upstream) == leaves_as
    assert door.refusals() == {}


MAIL, RCPT = SENDER.strip(), RECIPIENT.strip()
PLAIN = ("<a@example.com>", ["<b@example.org>"])
ADDRESSES = [
    ("test_q33", b"MAIL FROM:a@example.com", RCPT, ["Q-33"], PLAIN),
    ("test_q33_rcpt", MAIL, b"RCPT TO:b@example.org", ["Q-33"], PLAIN),
    ("test_q33_parameter", b"MAIL FROM:a@example.com SIZE=10", RCPT, ["Q-33"], PLAIN),
    ("test_q34", b"MAIL FROM: <a@example.com>", b"RCPT TO: <b@example.org>", ["Q-34"], PLAIN),
    ("test_q35", b"MAIL FROM <a@example.com>", b"RCPT TO <b@example.org>", ["Q-35"], PLAIN),
    ("test_q35_word", b"MAIL <a@example.com>", b"RCPT <b@example.org>", ["Q-35"], PLAIN),
    ("test_q36", b'MAIL FROM:"Scanner, 3rd floor" <a@example.com>', b"RCPT TO:Bob <b@example.org>", ["Q-36"], PLAIN),
    ("test_q36_last", b"MAIL FROM:Scanner <3rd> <a@example.com>", b"RCPT TO:<Bob> <b@example.org>", ["Q-36"], PLAIN),
    ("test_q37", b"MAIL FROM:<<a@example.com>>", b"RCPT TO:<mailto:b@example.org>", ["Q-37"], PLAIN),
    ("test_q37_quotes", b'MAIL FROM:<"a@example.com">', b"RCPT TO:<'b@example.org'>", ["Q-37"], PLAIN),
    ("test_q37_closed_only", b"MAIL FROM:a@example.com>", b"RCPT TO:b@example.org> NOTIFY=NEVER", ["Q-33", "Q-37"], PLAIN),
    ("test_q38", b"MAIL FROM:<a@example.com.>", b"RCPT TO:<b@example.org.>", ["Q-38"], PLAIN),
    ("test_q38_local", b"MAIL FROM:<ilo.@example.com>", b"RCPT TO:<b..c@example.org>", ["Q-38"],
     ('<"ilo."@example.com>', ['<"b..c"@example.org>'])),
    ("test_q39", b"MAIL FROM:<printer>", b"RCPT TO:<bob>", ["Q-39"], ("<printer@relay.example>", ["<bob@relay.example>"])),
    ("test_q44", b"MAIL FROM:<a@example.com> AUTH=<> XVERP SIZE=x BODY=9BIT", b"RCPT TO:<b@example.org> NOTIFY=SUCCESS,FAILURE", ["Q-44"], PLAIN),
    ("test_q45", MAIL, b"RCPT TO:<b@example.org>,<c@example.org>; d@example.org", ["Q-45"],
     ("<a@example.com>", ["<b@example.org>", "<c@example.org>", "<d@example.org>"])),
    ("test_q45_in_one_bracket", MAIL, b"RCPT TO:<b@example.org; c@example.org;>", ["Q-45"],
     ("<a@example.com>", ["<b@example.org>", "<c@example.org>"])),
    ("test_q45_blanks", MAIL, b"RCPT TO:<b@example.org> <c@example.org>", ["Q-45"], ("<a@example.com>", ["<b@example.org>", "<c@example.org>"])),
    ("test_q45_bare", MAIL, b"RCPT TO:b@example.org c@example.org", ["Q-33", "Q-45"], ("<a@example.com>", ["<b@example.org>", "<c@example.org>"])),
    ("test_q49_bare", MAIL, b"RCPT TO:@hop.example,@hop2.example:b@example.org", ["Q-33", "Q-49"], PLAIN),
    ("test_q49", MAIL, b"RCPT TO:<@hop.example,@hop2.example:b@example.org>", ["Q-49"], PLAIN),
    ("test_q50_display", 'MAIL FROM:"Müller" <a@example.com>'.encode("latin-1"), RCPT, ["Q-36"], PLAIN),
    ("test_q50_domain", "MAIL FROM:<a@müller.example>".encode(), RCPT, ["Q-50"], ("<a@xn--mller-kva.example>", ["<b@example.org>"])),
    ("test_q54", b"MAIL FROM:" + b" " * 3900 + b"<a@example.com>", RCPT, ["Q-54"], PLAIN),
]


@pytest.mark.parametrize("sender, recipient, wanted, leaves_as", [row[1:] for row in ADDRESSES], ids=[row[0] for row in ADDRESSES])
def test_an_odd_address_is_taken_and_leaves_sound(door, upstream, sender, recipient, wanted, leaves_as):
    check(door, upstream, sender, recipient, wanted, leaves_as)


@pytest.mark.parametrize("line", [row[1] for row in ADDRESSES if row[0] in ("test_q33", "test_q34", "test_q35", "test_q36", "test_q37", "test_q38")])
def test_a_strict_listener_takes_none_of_them(relay, line):
    assert say(relay, HELLO, line + b"\r\n") == [250, 501]


def test_q41_q32_the_whole_dialogue_in_one_packet_is_answered_in_order(door, upstream):
    with door.client() as client:
        client.send(b"HELO x.example\r\n" + SENDER + RECIPIENT + END + b"QUIT\r\n")
        assert [client.reply()[0] for _ in range(6)] == [250, 250, 250, 354, 250, 221]
    assert {"Q-32", "Q-41"} <= set(quirks(door))
    assert leaves(upstream) == PLAIN


def test_q41_pipelining_that_is_offered_is_none(door):
    with door.client() as client:
        client.hello()
        client.send(SENDER + RECIPIENT + b"DATA\r\n")
        assert [client.reply()[0] for _ in range(3)] == [250, 250, 354]
        client.send(TEXT + b".\r\n")
        client.expect(250)
    assert "Q-41" not in quirks(door)


def test_q42_dot_and_quit_in_one_packet_are_answered_250_and_221(door, upstream):
    with door.client() as client:
        client.hello()
        for line in (SENDER, RECIPIENT, b"DATA\r\n"):
            client.send(line)
            client.reply()
        client.send(TEXT + b".\r\nQUIT\r\n")
        assert [client.reply()[0] for _ in range(2)] == [250, 221]
        assert client.is_closed()
    assert door.metric('sluice_quirks_total{quirk="Q-42"}') == 1
    assert leaves(upstream) == PLAIN


def test_q43_empty_lines_are_passed_over_up_to_a_hundred(door):
    with door.client() as client:
        client.send(b"\r\n\r\n" + HELLO)
        client.expect(250)
        client.send(b"\r\n" * 100 + b"NOOP\r\n" + b"\r\n" * 100 + b"NOOP\r\n")
        assert [client.reply()[0] for _ in range(2)] == [250, 250]
        client.send(SENDER + b"\r\n" + RECIPIENT + END)
        assert [client.reply()[0] for _ in range(4)] == [250, 250, 354, 250]
        client.send(b"\r\n" * 101 + b"NOOP\r\n")
        assert client.is_closed()
    assert "Q-43" in quirks(door)


def test_q45_a_list_with_a_wrong_address_is_refused_whole(door, upstream):
    assert say(door, HELLO, SENDER, b"RCPT TO:<b@example.org>,<c@@>\r\n", b"DATA\r\n", b"RCPT TO:<d@example.org>\r\n", END.split(b"\r\n", 1)[0] + b"\r\n",
               TEXT + b".\r\n") == [250, 250, 501, 554, 250, 354, 250]
    assert leaves(upstream) == ("<a@example.com>", ["<d@example.org>"])


def test_q46_the_same_recipient_again_is_250_and_gets_one_copy(door, upstream):
    assert say(door, HELLO, SENDER, RECIPIENT, RECIPIENT, b"RCPT TO:<b@EXAMPLE.org>\r\n", b"RCPT TO:<B@example.org>\r\n", b"DATA\r\n",
               TEXT + b".\r\n") == [250] * 6 + [354, 250]
    assert "Q-46" in quirks(door)
    assert leaves(upstream) == ("<a@example.com>", ["<b@example.org>", "<B@example.org>"])


def test_q47_what_follows_a_refusal_is_refused_and_a_text_all_the_same_is_swallowed(door, upstream):
    smuggled = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nx\r\n"
    with door.client() as client:
        client.hello()
        client.send(b"MAIL FROM:<a@@>\r\n" + RECIPIENT + b"DATA\r\n" + TEXT + smuggled + b"\n.\n" + smuggled + b"RSET\r\n\r\n..\r\nlast\r\n.\r\nNOOP\r\n")
        replies = [client.reply()[0] for _ in range(5)]
        assert replies == [501, 503, 554, 554, 250]
        client.send(SENDER + RECIPIENT)
        assert [client.reply()[0] for _ in range(2)] == [250, 250]
        client.send(END)
        assert [client.reply()[0] for _ in range(2)] == [354, 250]
    assert leaves(upstream) == PLAIN
    assert door.metric('sluice_quirks_total{quirk="Q-47"}') >= 1


def test_q47_a_client_that_looks_goes_on_with_commands(door):
    assert say(door, HELLO, b"DATA\r\n", b"NOOP\r\n", b"DATA\r\n", b"QUIT\r\n") == [250, 554, 250, 554, 221]


def test_q47_q43_an_empty_line_behind_the_refusal_begins_no_text(door):
    assert say(door, HELLO, b"DATA\r\n", b"\r\nRSET\r\n", b"\n\nNOOP\r\n", b"QUIT\r\n") == [250, 554, 250, 250, 221]
    with door.client() as client:
        client.send(b"DATA\r\n\r\n\r\njust text, no header\r\nMAIL FROM:<evil@example.com>\r\n.\r\nNOOP\r\n")
        assert [client.reply()[0] for _ in range(3)] == [554, 554, 250]


def test_q47_quit_ends_a_swallowed_text(door):
    with door.client() as client:
        client.hello()
        client.command("DATA", 554)
        client.send(b"Subject: x\r\n\r\nnever ends\r\nQUIT\r\n")
        client.expect(221)


def test_q48_recipients_over_the_limit_are_taken_up_to_a_thousand(make_relay, upstream):
    upstream.busy("banner")
    relay = make_relay(upstream.port, profile="fragile", listen="max_recipients = 2")
    with relay.client() as client:
        client.hello()
        client.send(SENDER + b"".join(b"RCPT TO:<b%d@example.org>\r\n" % number for number in range(1001)))
        assert [client.reply()[0] for _ in range(1002)] == [250] * 1001 + [550]
        client.command("DATA", 354)
        client.send(TEXT + b".\r\n")
        client.expect(250)
    assert "Q-48" in quirks(relay)


def test_q48_many_wrong_recipients_do_not_lose_the_message_for_the_others(door, upstream):
    with door.client() as client:
        client.hello()
        client.send(SENDER + b"RCPT TO:<wrong@@>\r\n" * 50 + RECIPIENT + END)
        assert [client.reply()[0] for _ in range(54)] == [250] + [501] * 50 + [250, 354, 250]
    assert leaves(upstream) == PLAIN
    assert door.refusals() == {}


@pytest.mark.parametrize("recipient", [b"<b%evil.example@example.org>", b"<evil.example!b@example.org>", b"<@hop.example:b%evil@example.org>",
                                       b'<"b%evil.example"@example.org>', b'<"b@evil.example"@example.org>', b'<"evil.example!b"@example.org>'])
def test_q49_recipients_that_route_elsewhere_are_refused(door, recipient):
    assert say(door, HELLO, SENDER, b"RCPT TO:" + recipient + b"\r\n", b'RCPT TO:<"50%!"@example.org>\r\n') == [250, 250, 550, 250]


def test_q50_an_eightbit_local_part_is_refused_for_good(door):
    with door.client() as client:
        client.hello()
        assert "5.6.7" in client.command("MAIL FROM:<müller@example.com>", 553)
        assert "5.6.7" in client.command("MAIL FROM:<müller@example.com>".encode("latin-1"), 553)


@pytest.mark.parametrize("profile", ["fragile", "standard"])
def test_q50_smtputf8_is_taken_on_all_listeners(make_relay, upstream, profile):
    relay = make_relay(upstream.port, profile=profile)
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<müller@example.com> SMTPUTF8", 250)
        client.command("RCPT TO:<bäcker@bäckerei.example>", 250)
        client.command(b"RCPT TO:<b\xe4cker@example.org>", 553)
        client.command("RSET", 250)
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<bäcker@example.org>", 553)


@pytest.mark.parametrize("profile", ["fragile", "standard"])
def test_q50_a_domain_behind_smtputf8_goes_by_the_route_of_its_a_label(make_relay, upstream, profile):
    relay = make_relay(upstream.port, profile=profile, routes='route "xn--bckerei-5wa.example" { upstream = campus }')
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com> SMTPUTF8", 250)
        client.command("RCPT TO:<bäcker@bäckerei.example>", 250)
        client.command("RCPT TO:<bäcker@müller.example>", 550)


def test_q52_a_second_mail_begins_anew(door, upstream):
    assert say(door, HELLO, b"MAIL FROM:<old@example.com>\r\n", b"RCPT TO:<old@example.org>\r\n", SENDER, RECIPIENT, b"DATA\r\n", TEXT + b".\r\n") \
        == [250] * 5 + [354, 250]
    assert "Q-52" in quirks(door)
    assert leaves(upstream) == PLAIN


def test_q53_arguments_where_none_belong_are_passed_over(door):
    assert say(door, HELLO, b"RSET now\r\n", b"NOOP now\r\n", SENDER, RECIPIENT, b"DATA now\r\n", TEXT + b".\r\n", b"QUIT now\r\n") \
        == [250] * 5 + [354, 250, 221]
    assert "Q-53" in quirks(door)


def test_q54_lines_over_4096_are_refused_and_the_session_goes_on(door):
    assert say(door, HELLO, b"NOOP " + b"x" * 4085 + b"\r\n", b"NOOP " + b"x" * 4100 + b"\r\n", b"NOOP\r\n") == [250, 250, 500, 250]


@pytest.mark.parametrize("end", [b"\n", b"\0\0\r\n", b"\r\n\0\0\0\0", b"\r\r\n"], ids=["lf", "nul-before", "nul-behind", "crcrlf"])
def test_q55_odd_ends_of_commands_are_taken(door, upstream, end):
    with door.client() as client:
        for line, code in ((HELLO, 250), (SENDER, 250), (RECIPIENT, 250)):
            client.send(line.replace(b"\r\n", end))
            client.expect(code)
        client.send(b"DATA\r\n")
        client.expect(354)
        client.send(TEXT + b".\r\n")
        client.expect(250)
    assert "Q-55" in quirks(door)
    assert leaves(upstream) == PLAIN


def test_q55_a_cr_alone_ends_a_command_where_the_profile_says_so(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile", top='client "127.0.0.1" { profile = netcat-script }')
    with relay.client() as client:
        for line, code in ((HELLO, 250), (SENDER, 250), (RECIPIENT, 250)):
            client.send(line.replace(b"\r\n", b"\r"))
            client.expect(code)
        client.send(b"DATA\r")
        client.expect(354)
        client.send(b"\n" + TEXT + b".\r\n")
        client.expect(250)
        client.send(b"QUIT\r\n")
        client.expect(221)
    (text,) = upstream.wait_for(1)
    assert text.count(b"\r\n\r\n") == 1 and text.endswith(TEXT), "the LF behind DATA CR became a line of the text"


def test_q55_a_cr_alone_ends_none_else(door):
    assert say(door, HELLO, b"MAIL FROM:<a@example.com>\rRCPT TO:<b@example.org>\r\n", b"NOOP\r\n") == [250, 500, 250]


def test_q56_telnet_bytes_are_refused_and_counted(door):
    assert say(door, HELLO, b"\xff\xfb\x18\xff\xfd\x03\r\n", b"NOOP\r\n") == [250, 500, 250]
    assert door.metric('sluice_quirks_total{quirk="Q-56"}') == 1


def test_q56_more_than_twenty_binary_commands_in_a_row_end_the_session(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile", listen="max_bad_commands = 1000")
    with relay.client() as client:
        client.send(b"\xff\xfb\x18\r\n" * 20 + b"XYZZY\r\n" + b"\xff\xfb\x18\r\n" * 21 + b"NOOP\r\n")
        assert [client.reply()[0] for _ in range(41)] == [500] * 41
        assert client.is_closed()


def test_q57_commands_letter_by_letter_are_taken(door, upstream):
    with door.client() as client:
        for line in (HELLO, SENDER, RECIPIENT):
            for octet in line:
                client.send(bytes([octet]))
                time.sleep(0.002)
            client.expect(250)
        client.send(END)
        assert [client.reply()[0] for _ in range(2)] == [354, 250]
    assert leaves(upstream) == PLAIN


def test_q58_the_reply_to_the_dot_waits_for_nothing_behind_the_relay(door):
    began = time.monotonic()
    assert say(door, HELLO, SENDER, RECIPIENT, b"DATA\r\n", TEXT + b".\r\n") == [250, 250, 250, 354, 250]
    assert time.monotonic() - began < 5  # devices give up after 20 seconds, and the upstream is busy


def test_q60_a_refusal_is_never_4xx(door):
    lines = [b"MAIL FROM:<a@@>", b"RCPT TO:<b@example.org>", b"DATA", b"XYZZY", b"LHLO x", b"MAIL FROM:<m\xfc@x>", b"STARTTLS", b"RCPT"]
    codes = say(door, HELLO, *[line + b"\r\n" for line in lines if line != b"DATA"])
    assert codes[0] == 250 and all(500 <= code < 600 for code in codes[1:]), codes
    assert door.refusals() == {}

"""Nobody sends in the name of our domains who may not: hostile forms of From and Sender, in whole sessions, and what leaves instead."""
import pytest

EVIL = b"x@evil.example"
BOSS = b"boss@example.edu"


def word(charset, text):
    """An encoded-word that shows a name that is an address, in front of one that is not ours."""
    return b"From: =?" + charset + b"?q?" + b"".join(b"=%02X" % byte for byte in text) + b"?= <" + EVIL + b">"


def shown(name):
    return b"From: " + name.encode() + b" <" + EVIL + b">"


FROMS = {
    "plain": b"From: " + BOSS,
    "name": b"From: The Boss <" + BOSS + b">",
    "case and dot": b"fRoM: boss@EXAMPLE.edu.",
    "quoted": b'From: "boss"@example.edu',
    "folded": b"From: Boss\r\n <boss\r\n\t@example.edu>",
    "comments": b"From: boss(x)@(y)example.edu(z)",
    "blank before colon": b"From : " + BOSS,
    "second mailbox": b"From: " + EVIL + b", " + BOSS,
    "group": b"From: Staff: " + EVIL + b", Boss <" + BOSS + b">;",
    "route": b"From: <@relay.example:" + BOSS + b">",
    "second From": b"From: " + EVIL + b"\r\nSubject: x\r\nFrom: " + BOSS,
    "first From": b"From: " + BOSS + b"\r\nSubject: x\r\nFrom: " + EVIL,
    "name that is an address": b'From: "' + BOSS + b'" <' + EVIL + b">",
    "name of an encoded-word": b"From: =?utf-8?B?Ym9zc0BleGFtcGxlLmVkdQ==?= <" + EVIL + b">",
    "name of two encoded-words": b"From: =?utf-8?q?boss=40exam?=\r\n =?utf-8?q?ple.edu?= <" + EVIL + b">",
    "address of an encoded-word": b"From: =?utf-8?q?boss?=@example.edu",
    "nothing but an encoded-word": b"From: =?utf-8?q?boss=40example.edu?=",
    "U-label": "From: boss@müller.example".encode(),
    "A-label": b"From: boss@XN--mller-kva.example",
    "wide letters": "From: boss＠example.edu".encode(),
    "nothing seen": "From: boss@exam\u200bple.edu".encode(),
    "unreadable": b"From: " + BOSS + b"> " + EVIL,
    "unclosed": b'From: "' + BOSS,
    "below our domain": b"From: boss@mail.sub.example.edu",
    "Sender": b"From: " + EVIL + b"\r\nSender: " + BOSS,
    "UTF-7": b"From: =?utf-7?q?boss+AEA-example.edu?= <" + EVIL + b">",
    "UTF-7 by another name": word(b"u7", b"boss+AEA-example.edu"),
    "EBCDIC": word(b"cp037", BOSS.decode().encode("cp037")),
    "Punycode": word(b"punycode", BOSS + b"-"),
    "escapes": word(b"raw_unicode_escape", rb"boss\u0040example.edu"),
    "nobody's charset": word(b"x" * 70, BOSS),
    "ISO 2022 switches": word(b"iso-2022-jp", b"boss@exam\x1b(Bple.edu"),
    "ISO 2022, wide": word(b"iso-2022-jp", "boss＠example.edu".encode("iso-2022-jp")),
    "HZ switches": word(b"hz-gb-2312", b"boss@exam~{~}ple.edu"),
    "GB, wide": word(b"gb2312", "ｂｏｓｓ＠ｅｘａｍｐｌｅ．ｅｄｕ".encode("gb2312")),
    "Shift_JIS, wide": word(b"shift_jis", "ｂｏｓｓ＠ｅｘａｍｐｌｅ．ｅｄｕ".encode("shift_jis")),
    "Big5, wide": word(b"big5", "ｂｏｓｓ＠ｅｘａｍｐｌｅ．ｅｄｕ".encode("big5")),
    "soft hyphen of Latin-1": word(b"iso-8859-1", b"boss@exam\xadple.edu"),
    "control of Latin-1": word(b"iso-8859-1", b"boss@exam\x81ple.edu"),
    "raw soft hyphen": b"From: boss@exam\xadple.edu <" + EVIL + b">",
    "quotes of Windows": word(b"windows-1252", b"\x93boss@example.edu\x94x"),
    "base64 that ends twice": b"From: =?utf-8?b?Ym9zc0BleGFtcA==bGUuZWR1?= <" + EVIL + b">",
    "thin blank": shown("boss@exam\u200aple.edu"),
    "thin blank behind the mark": shown("boss@\u200aexample.edu"),
    "blank behind the mark": b'From: "boss@ example.edu" <' + EVIL + b">",
    "one dot leader": shown("boss@example\u2024edu"),
    "turned round": shown("\u202eude.elpmaxe@ssob\u202c"),
    "Hangul filler": shown("boss@exam\u3164ple.edu"),
    "Arabic letter mark": shown("boss@exam\u061cple.edu"),
    "too many": b"From: " + b", ".join(b"a%d@evil.example" % n for n in range(70)),
}

OURS = 'domains = {"example.edu", "*.sub.example.edu", "xn--mller-kva.example"}\n'


def text(*fields):
    return b"\r\n".join((*fields, b"Message-ID: <1@evil.example>", b"Subject: hello", b"", b"Hello.", b""))


def client_said(client, line):
    client.send(line.encode() + b"\r\n")
    return client.reply()[0]


def refusal(client, message, sender="x@evil.example"):
    """The reply to the final dot."""
    client.command(f"MAIL FROM:<{sender}>", 250)
    client.command("RCPT TO:<b@example.org>", 250)
    client.command("DATA", 354)
    client.send(message + b".\r\n")
    return client.reply()


@pytest.fixture(params=["standard", "fragile"])
def door(request, make_relay, upstream):
    return make_relay(upstream.port, profile=request.param, top=OURS)


def test_from_of_our_domains_is_refused(door):
    with door.client() as client:
        client.hello()
        for name, fields in FROMS.items():
            code, said = refusal(client, text(fields))
            assert code == 550 and said.startswith("550") and "5.7.1" in said, (name, said)
            assert all(len(line) <= 78 for line in said.split("\n")), said
            if name in ("plain", "group", "second From"):
                assert "boss@example.edu" in said, (name, said)
    assert door.messages() == []
    assert "event=rejected" in door.log() and "boss@example.edu" in door.log()


def test_reports_are_judged_too(door):
    with door.client() as client:
        client.hello()
        report = text(b"From: " + BOSS, b"Auto-Submitted: auto-replied",
                      b"Content-Type: multipart/report; boundary=x")
        assert refusal(client, report, sender="")[0] == 550


def test_reverse_path_of_our_domains_is_refused_at_rcpt(door):
    with door.client() as client:
        client.hello()
        for sender in ("boss@example.edu", "boss@EXAMPLE.EDU", '"boss"@example.edu', "boss@xn--mller-kva.example"):
            client.command(f"MAIL FROM:<{sender}>", 250)
            said = client.command("RCPT TO:<b@example.org>", 550)
            assert "5.7.1" in said and "may not send as" in said, said
            client.command("RSET", 250)


def test_others_are_left_alone(door, upstream):
    fine = text(b"From: =?utf-8?q?The_boss_of_example.edu?= <" + EVIL + b">", b"Reply-To: " + BOSS,
                b"Resent-From: " + BOSS, b"To: " + BOSS, b"Date: Mon, 23 Nov 2026 00:00:00 +0000")
    with door.client() as client:
        client.hello()
        assert refusal(client, fine)[0] == 250
    upstream.wait_for(1)
    (got,) = upstream.texts()
    assert got.endswith(fine)


def test_names_of_others_are_left_alone(door, upstream):
    names = (word(b"iso-2022-jp", "山田 太郎".encode("iso-2022-jp")), word(b"gb18030", "打印机".encode("gb18030")),
             word(b"iso-8859-1", "Bücherei (Süd) @ Müller".encode("iso-8859-1")), word(b"x-odd", b"Scanner 3"), shown("スキャナー・３"))
    with door.client() as client:
        client.hello()
        for name in names:
            assert refusal(client, text(name))[0] == 250, name
    upstream.wait_for(len(names))


@pytest.mark.parametrize("sender", ["", "boss"])
def test_what_we_write_into_a_missing_from_is_judged(make_relay, upstream, sender):
    """Our postmaster, or whoever at our name, is nobody's to be by leaving From out."""
    relay = make_relay(upstream.port, profile="fragile", top='domains = {"relay.example"}\n')
    with relay.client() as client:
        client.hello()
        client.command(f"MAIL FROM:<{sender}>", 250)
        if client_said(client, "RCPT TO:<b@example.org>") == 550:
            return
        client.command("DATA", 354)
        client.send(b"Subject: your mailbox is full\r\n\r\nHello.\r\n.\r\n")
        client.expect(250)
    (got,) = upstream.wait_for(1)
    assert b"\r\nFrom: <unknown@unknown.invalid>\r\n" in got and b"boss@relay.example" not in got


def test_header_that_runs_into_the_text_is_closed(door, upstream):
    """Some readers would pass over what is no field, and find the From behind it."""
    hidden = b"From: " + EVIL + b"\r\nno field at all\r\nFrom: " + BOSS + b"\r\n\r\nHello.\r\n"
    with door.client() as client:
        client.hello()
        assert refusal(client, hidden)[0] == 250
    upstream.wait_for(1)
    (got,) = upstream.texts()
    header = got.partition(b"\r\n\r\n")[0]
    assert BOSS not in header and b"\r\n\r\nno field at all\r\n" in got


def test_networks_may_where_it_is_said(make_relay, upstream):
    relay = make_relay(upstream.port, top=OURS, listen="networks_use_domains = yes")
    with relay.client() as client:
        client.hello()
        assert refusal(client, text(b"From: " + BOSS), sender="boss@example.edu")[0] == 250


# ---- rewriting ----

GRANT = ("grant", "add", "lab", "--network", "127.0.0.9", "--owner", "owner@example.edu", "--sender", "*@lab.example.edu",
         "--mailbox", "lab@example.edu")


def rewriting(make_relay, upstream, profile="standard"):
    relay = make_relay(upstream.port, profile=profile, top=OURS)
    relay.command(*GRANT, "--spoof", "rewrite")
    return relay


def sent(relay, upstream, message, sender="boss@example.edu"):
    """Hands it over from the grant's address, and returns its reverse-path, header and body as they leave."""
    count = upstream.count()["messages"]
    with relay.client(source="127.0.0.9") as client:
        client.hello()
        code, said = refusal(client, message, sender)
        assert code == 250, said
    upstream.wait_for(count + 1)
    header, _, body = upstream.texts()[-1].partition(b"\r\n\r\n")
    return upstream.envelopes()[-1][0].split()[0][5:], header.split(b"\r\n"), body


@pytest.mark.parametrize("profile", ["standard", "fragile"])
def test_sender_is_rewritten_to_the_mailbox(make_relay, upstream, profile):
    relay = rewriting(make_relay, upstream, profile)
    sender, header, body = sent(relay, upstream, text(b"From: The Boss <" + BOSS + b">, " + EVIL, b"Sender: " + BOSS))
    assert sender == "<lab@example.edu>"
    assert [line for line in header if line.lower().startswith((b"from:", b"sender:"))] == [
        b"From: <lab@example.edu>", b"Sender: <lab@example.edu>"]
    at = header.index(b"Reply-To: <boss@example.edu>,")
    assert header[at + 1] == b" <x@evil.example>"
    assert b"X-Original-From: The Boss <" + BOSS + b">, " + EVIL in header
    assert b"X-Original-Sender: " + BOSS in header
    assert body == b"Hello.\r\n"


def test_each_hostile_form_is_rewritten(make_relay, upstream):
    relay = rewriting(make_relay, upstream, "fragile")
    for name, fields in FROMS.items():
        sender, header, _ = sent(relay, upstream, text(fields))
        froms = [line for line in header if line.lower().partition(b":")[0].strip() in (b"from", b"sender")]
        assert froms == [b"From: <lab@example.edu>", b"Sender: <lab@example.edu>"], (name, froms)
        assert sender == "<lab@example.edu>", name


def test_reply_to_stays(make_relay, upstream):
    relay = rewriting(make_relay, upstream)
    _, header, _ = sent(relay, upstream, text(b"From: " + BOSS, b"Reply-To: desk@example.org"))
    assert [line for line in header if line.startswith(b"Reply-To")] == [b"Reply-To: desk@example.org"]


def test_signed_message_changes_in_these_fields_only(make_relay, upstream):
    relay = rewriting(make_relay, upstream, "fragile")
    message = text(b"DKIM-Signature: v=1; d=example.edu; b=x", b"from: " + BOSS, b"Odd:no blank", b"Bcc: secret@example.org")
    _, header, body = sent(relay, upstream, message)
    at = header.index(b"DKIM-Signature: v=1; d=example.edu; b=x")
    assert header[at:] == [b"DKIM-Signature: v=1; d=example.edu; b=x", b"X-Original-from: " + BOSS, b"Odd:no blank",
                           b"Bcc: secret@example.org", b"Message-ID: <1@evil.example>", b"Subject: hello"]
    assert b"From: <lab@example.edu>" in header[:at]
    assert body == b"Hello.\r\n"


def test_signed_message_with_nuls_is_rewritten(make_relay, upstream):
    relay = rewriting(make_relay, upstream, "fragile")
    message = text(b"DKIM-Signature: v=1; b=x", b"From: " + BOSS, b"X: a\0b").replace(b"Hello", b"Hel\0lo")
    _, header, body = sent(relay, upstream, message)
    assert b"X-Original-From: " + BOSS in header and b"X: ab" in header and body == b"Hello.\r\n"


def test_what_is_allowed_is_not_rewritten(make_relay, upstream):
    relay = rewriting(make_relay, upstream)
    sender, header, _ = sent(relay, upstream, text(b"From: Door 3 <door@lab.example.edu>"), "door@lab.example.edu")
    assert sender == "<door@lab.example.edu>"
    assert b"From: Door 3 <door@lab.example.edu>" in header
    assert not any(line.startswith((b"Sender", b"X-Original")) for line in header)


def test_grant_without_rewriting_refuses_and_names_itself(make_relay, upstream):
    relay = make_relay(upstream.port, top=OURS)
    relay.command(*GRANT)
    with relay.client(source="127.0.0.9") as client:
        client.hello()
        _, said = refusal(client, text(b"From: " + BOSS), sender="door@lab.example.edu")
        assert said.replace("\n550 5.7.1", "").replace("550-5.7.1", "550 5.7.1").startswith(
            "550 5.7.1 Grant lab may not send with boss@example.edu in From or Sender"), said

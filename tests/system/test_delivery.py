"""One message from a client to upstream, by every client we have."""
import smtplib
import subprocess

from conftest import BUILD, TEXT


def body_of(message):
    return message.split(b"\r\n\r\n", 1)[1]


def test_a_message_by_hand_arrives_with_one_received_field(relay, upstream):
    with relay.client() as client:
        client.hello()
        identity = client.message(TEXT)
    (text,) = upstream.wait_for(1)
    received, rest = text.split(b"\r\nFrom:", 1)
    assert b"From:" + rest == TEXT
    assert received.startswith(b"Received: from client.example ([127.0.0.1])"), received
    assert b"by relay.example" in received and b"with ESMTP id " + identity.encode() in received
    assert b"for <b@example.org>" in received
    (envelope,) = upstream.envelopes()
    assert envelope[0].startswith("FROM:<a@example.com>") and envelope[1] == "TO:<b@example.org>"
    relay.wait_empty()


def test_smtplib_delivers_to_three_recipients_in_one_transaction(relay, upstream):
    with smtplib.SMTP("127.0.0.1", relay.port) as client:
        client.sendmail("a@example.com", ["b@example.org", "c@example.org", "d@example.net"], TEXT)
    (text,) = upstream.wait_for(1)
    assert body_of(text) == b"Hello.\r\n"
    assert b"for <" not in text.split(b"\r\nFrom:")[0], "no recipient is named when there are several"
    assert upstream.envelopes()[0][1:] == ["TO:<b@example.org>", "TO:<c@example.org>", "TO:<d@example.net>"]


def test_curl_delivers(relay, upstream, folder):
    (folder / "mail.eml").write_bytes(TEXT)
    subprocess.run(["curl", "-sS", "--url", f"smtp://127.0.0.1:{relay.port}", "--mail-from", "a@example.com",
                    "--mail-rcpt", "b@example.org", "--upload-file", folder / "mail.eml"], check=True, timeout=30)
    assert body_of(upstream.wait_for(1)[0]) == b"Hello.\r\n"


def test_swaks_delivers(relay, upstream):
    subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(relay.port), "--from", "a@example.com", "--to", "b@example.org",
                    "--body", "From swaks", "--pipeline"], check=True, timeout=30, stdout=subprocess.DEVNULL)
    assert b"From swaks" in upstream.wait_for(1)[0]


def test_smtp_source_hands_over_a_thousand(relay, upstream, postfix_tools):
    postfix_tools("smtp-source", "-d", "-s", "20", "-m", "1000", "-l", "4096", "-f", "a@example.com", "-t", "b@example.org",
                  f"127.0.0.1:{relay.port}")
    assert len(upstream.wait_for(1000)) == 1000
    relay.wait_empty()
    assert upstream.count()["messages"] == 1000


def test_lines_with_dots_arrive_as_they_were(relay, upstream):
    text = TEXT + b".\r\n..\r\n...dots\r\n.hidden\r\nend.\r\n"
    with relay.client() as client:
        client.hello()
        client.message(text)
    assert upstream.wait_for(1)[0].endswith(text)


def test_an_empty_message_and_one_without_body_are_accepted(relay, upstream):
    with relay.client() as client:
        client.hello()
        client.message(b"")
        client.message(b"Subject: only a header\r\n")
    texts = upstream.wait_for(2)
    assert any(text.endswith(b"Subject: only a header\r\n") for text in texts)
    assert any(text.count(b"Received:") == 1 and b"Subject" not in text for text in texts)


def test_a_large_message_arrives_byte_identical(relay, upstream):
    line = bytes(33 + i % 90 for i in range(76)) + b"\r\n"
    text = TEXT + line * 120_000  # 9 MB in many pieces
    with relay.client() as client:
        client.hello()
        client.message(text)
    assert upstream.wait_for(1)[0].endswith(text)


def test_eight_bit_content_is_announced_as_such(relay, upstream):
    text = b"Subject: x\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com> BODY=8BITMIME", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(text + b".\r\n")
        client.expect(250)
        client.message(TEXT)
    upstream.wait_for(2)
    by_body = {envelope[0].count("BODY=8BITMIME"): text for envelope, text in zip(upstream.envelopes(), upstream.texts())}
    assert by_body[1].endswith(text) and by_body[0].endswith(TEXT)


def test_mail_goes_by_the_most_exact_route(make_relay, upstream, folder):
    from conftest import Upstream
    other = Upstream(folder)
    try:
        relay = make_relay(upstream.port, upstreams=f'upstream lab {{ hosts = {{"127.0.0.1:{other.port}"}}  tls = off }}',
                           routes='route "*.lab.example" { upstream = lab }\nroute "*" { upstream = campus }')
        with relay.client() as client:
            client.hello()
            client.message(TEXT, recipients=("x@deep.lab.example", "y@example.org"))
        upstream.wait_for(1)
        other.wait_for(1)
        assert upstream.envelopes()[0][1:] == ["TO:<y@example.org>"]
        assert other.envelopes()[0][1:] == ["TO:<x@deep.lab.example>"]
        relay.wait_empty()
    finally:
        other.close()


def test_the_second_host_takes_over_when_the_first_refuses(make_relay, upstream):
    from conftest import free_port
    relay = make_relay(free_port(), upstream.port)  # nobody listens on the first
    with relay.client() as client:
        client.hello()
        for _ in range(5):
            client.message(TEXT)
    upstream.wait_for(5)
    relay.wait_empty()


def test_the_daemon_says_its_version_and_refuses_wrong_arguments():
    assert subprocess.run([BUILD / "sluiced", "-V"], capture_output=True, check=True).stdout.startswith(b"sluiced ")
    assert subprocess.run([BUILD / "sluiced"], capture_output=True, check=False).returncode == 64
    assert subprocess.run([BUILD / "sluiced", "-x"], capture_output=True, check=False).returncode == 64


def test_each_event_is_one_line_of_the_log(make_relay, upstream):
    relay = make_relay(upstream.port)
    upstream.busy("banner")
    with relay.client() as client:
        client.hello()
        number = client.message(TEXT, recipients=("b@example.org", "c@example.org"))
    relay.wait_log("event=host_resting")
    upstream.open()
    relay.wait_empty()
    relay.wait_log("to=<c@example.org>.*event=delivered|event=delivered to=<c@example.org>")
    lines = relay.log().splitlines()
    assert len([line for line in lines if f"id={number}" in line and "event=delivered" in line]) == 2, lines
    assert not [line for line in lines if "421" in line and "event=host_resting" not in line], lines

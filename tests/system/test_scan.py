"""Scanning happens after the 250; what it found survives a restart, per recipient."""
import base64
import time

from conftest import TEXT, wait_until

EICAR = ("X5O!P%@AP[4\\PZX54(P^)7CC)7}" + "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*").encode()


def test_eicar_is_accepted_discarded_and_counted(relay, upstream):
    with relay.client() as client:
        client.hello()
        identity = client.message(b"Subject: virus\r\n\r\n" + EICAR + b"\r\n")
        client.message(TEXT)
    upstream.wait_for(1)
    relay.wait_empty()
    assert upstream.count()["messages"] == 1
    wait_until(lambda: relay.metric("sluice_discarded_recipients_total") == 1, what="the count")
    assert relay.wait_log(rf"id={identity} event=(scanned|discarded) .*EICAR")


def test_eicar_in_a_base64_part_is_found(relay, upstream):
    part = base64.encodebytes(b"padding " * 20 + EICAR).replace(b"\n", b"\r\n")
    text = (b"Subject: virus\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + part + b"--b--\r\n")
    with relay.client() as client:
        client.hello()
        client.message(text)
    wait_until(lambda: "EICAR" in relay.log(), what="the verdict")
    relay.wait_empty()
    assert upstream.count()["messages"] == 0


def test_a_verdict_survives_a_restart(make_relay, upstream):
    relay = make_relay(upstream.port)
    upstream.busy("banner")
    with relay.client() as client:
        client.hello()
        identities = [client.message(TEXT) for _ in range(20)]
    wait_until(lambda: relay.api("/v1/queue")["states"]["scanning"] == 0, what="all scanned")
    assert relay.log().count("event=scanned") == 20
    relay.kill()
    relay.start()
    upstream.open()
    relay.wait_empty()
    assert relay.log().count("event=scanned") == 20, "what has a verdict is not scanned again"
    assert upstream.count()["messages"] == 20
    assert len(set(identities)) == 20


def test_mail_without_a_verdict_is_scanned_after_a_restart(make_relay, upstream):
    relay = make_relay(upstream.port)
    upstream.busy("banner")
    with relay.client() as client:
        client.hello()
        for _ in range(30):
            client.message(b"Subject: virus\r\n\r\n" + EICAR + b"\r\n")
        relay.kill()  # some have a verdict, some have not
    relay.start()
    upstream.open()
    relay.wait_empty()
    time.sleep(0.2)
    assert upstream.count()["messages"] == 0, "none slipped through unscanned"

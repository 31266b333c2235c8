"""Fragile clients and TLS (Q-02, Q-03, Q-27, Q-31, Q-102 to Q-110)."""
import json
import socket
import ssl
import subprocess
import time

import pytest

import certificates
from conftest import PATIENCE, TEXT, Smtp, wait_until
from test_quirks_door import counted, quirks, transact
from test_tls import Secure, any_context, make_implicit, make_tls  # noqa: F401 (fixtures)


@pytest.fixture
def door(make_tls, upstream):  # noqa: F811
    upstream.busy("banner")
    return make_tls(profile="fragile")


def s_client(port, *arguments, say=b"QUIT\r\n", code=0):
    """openssl s_client; what it heard."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments], input=say,
                          capture_output=True, timeout=PATIENCE, check=False)
    text = (done.stdout + done.stderr).decode(errors="replace")
    assert code is None or done.returncode == code, text
    return text


def noted(relay, number):
    """What the ledger says of the one client's quirk; it comes a second later."""
    def find():
        status, body = relay.request("GET", "/v1/clients/127.0.0.1")
        return [quirk for quirk in json.loads(body)["quirks"] if quirk["quirk"] == number] if status == 200 else []
    return wait_until(find, what="the client's entry")[0]


def refuse_certificate(port, name="picky.example", code=None):
    """A device that trusts nobody: STARTTLS, and an alert for our certificate."""
    with Smtp(port) as client:
        client.command(f"EHLO {name}", 250)
        client.command("STARTTLS", 220)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(client.sock)


def offers(port, name="picky.example"):
    with Smtp(port) as client:
        return client.command(f"EHLO {name}", 250)


def test_q02_a_tls_greeting_before_the_banner_begins_tls(make_implicit):  # noqa: F811
    """The second connection is waited for, as the first had to be ended."""
    relay, _ = make_implicit(profile="fragile")
    with socket.create_connection(("127.0.0.1", relay.port), PATIENCE) as first:
        assert first.recv(100).startswith(b"220 ")
        first.sendall(b"\x16\x03\x01\x00\x05hello")
        assert first.recv(100) == b""
    with Secure(relay.port, implicit=True) as client:
        client.hello()
        client.message(TEXT)
    with Smtp(relay.port) as plain:  # who shares the address waits a moment, and then has the banner
        plain.hello()
    assert counted(relay, "Q-02") == 1


def test_q03_who_says_nothing_on_a_tls_port_gets_a_banner(make_implicit, upstream):  # noqa: F811
    upstream.busy("banner")
    relay, port = make_implicit(profile="fragile")
    with Smtp(port) as client:
        assert "STARTTLS" in client.hello()
        transact(client)
    assert "Q-03" in quirks(relay)


def test_q03_who_says_something_else_than_tls_is_answered_at_once(make_implicit):  # noqa: F811
    relay, port = make_implicit(profile="fragile")
    begin = time.monotonic()
    with Smtp(port, banner=False) as client:
        client.send("EHLO early.example\r\n")
        client.expect(220)
        client.expect(250)
        assert time.monotonic() - begin < 2.5  # before silence would have counted
        client.send("STARTTLS\r\n")
        client.expect(220)
        with any_context().wrap_socket(client.sock) as secure:
            secure.sendall(b"EHLO early.example\r\n")
            assert secure.recv(1000).startswith(b"250")
    assert counted(relay, "Q-03") == 1


def test_q03_a_standard_listener_says_nothing_in_clear(make_implicit):  # noqa: F811
    relay, port = make_implicit()
    with Smtp(port, banner=False) as client:
        client.send("EHLO early.example\r\n")
        assert client.is_closed()
    relay.wait_log("event=tls_failed .*no TLS to a TLS port")


def test_q27_no_ehlo_after_starttls(door):
    with Secure(door.port) as client:
        client.starttls()
        transact(client)
    assert "Q-27" in quirks(door) and not {"Q-21", "Q-26"} & set(quirks(door))
    text = door.request("GET", f"/v1/queue/messages/{door.messages()[0]['id']}/content")[1]
    assert text.startswith(b"Received: from client.example ")


def test_q27_a_standard_client_greets_again(make_tls):  # noqa: F811
    relay = make_tls()
    with Secure(relay.port) as client:
        client.starttls()
        client.command("MAIL FROM:<a@example.com>", 503)
        client.hello()
        client.message(TEXT)


@pytest.mark.parametrize("listen", ["tls = off", "tls = starttls"])
def test_q31_starttls_unasked_or_with_an_argument(make_tls, upstream, listen):  # noqa: F811
    upstream.busy("banner")
    relay = make_tls(profile="fragile", listen=listen)
    with Secure(relay.port) as client:
        assert ("STARTTLS" in client.hello()) == (listen != "tls = off")
        client.command("STARTTLS please", 220)
        client.wrap()
        client.hello()
        transact(client)
    assert "Q-31" in quirks(relay) and "Q-26" not in quirks(relay)


def test_q31_a_standard_listener_wants_it_as_it_is(make_tls):  # noqa: F811
    with make_tls().client() as client:
        client.hello()
        client.command("STARTTLS please", 501)
    with make_tls(listen="tls = off").client() as client:
        client.hello()
        client.command("STARTTLS", 502)


def test_q102_two_failures_in_a_row_hide_starttls(door, make_tls):  # noqa: F811
    refuse_certificate(door.port)
    assert "STARTTLS" in offers(door.port)
    refuse_certificate(door.port)
    wait_until(lambda: "STARTTLS" not in offers(door.port), what="STARTTLS to be hidden")
    door.wait_log("event=starttls_hidden .*unknown ca")
    assert "STARTTLS" in offers(door.port, "another.example"), "another device at that address"
    assert "unknown ca" in noted(door, "Q-102")["example"]
    # who says it all the same and succeeds has changed
    with Secure(door.port) as client:
        client.command("EHLO picky.example", 250)
        client.command("STARTTLS", 220)
        client.wrap()
        transact(client)
    assert "STARTTLS" in offers(door.port)


def test_q102_a_success_between_two_failures(door):
    refuse_certificate(door.port, "client.example")
    with Secure(door.port) as client:
        client.starttls().hello()
    refuse_certificate(door.port, "client.example")
    door.wait_log("(?s)event=tls_failed.*event=tls_failed")
    assert "STARTTLS" in offers(door.port, "client.example")


def test_q102_a_reload_forgets_it(door):
    refuse_certificate(door.port)
    refuse_certificate(door.port)
    wait_until(lambda: "STARTTLS" not in offers(door.port), what="STARTTLS to be hidden")
    door.command("reload")
    wait_until(lambda: "STARTTLS" in offers(door.port), what="STARTTLS to be offered")


def test_q102_a_standard_listener_goes_on_offering(make_tls):  # noqa: F811
    relay = make_tls()
    refuse_certificate(relay.port)
    refuse_certificate(relay.port)
    relay.wait_log("(?s)event=tls_failed.*event=tls_failed")
    assert "STARTTLS" in offers(relay.port)


OLD = ["-starttls", "smtp", "-quiet", "-cipher", "ALL:@SECLEVEL=0"]


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1", "-tls1_2", "-tls1_3"])
def test_q103_old_tls_on_a_listener_for_it(make_tls, version):  # noqa: F811
    relay = make_tls(certificates.shared("rsa"), profile="fragile", listen='tls = starttls min_tls = "1.0"')
    assert "221 2.0.0" in s_client(relay.port, *OLD, version)


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_q103_and_on_no_other(make_tls, version):  # noqa: F811
    relay = make_tls(certificates.shared("rsa"), profile="fragile")
    s_client(relay.port, *OLD, version, code=1)
    relay.wait_log("event=tls_failed .*unsupported protocol")


def test_q103_a_weak_key_for_old_devices_alone(make_implicit, folder):  # noqa: F811
    """Its listener has a certificate of its own, with 1024 bits, and the others keep theirs."""
    weak = certificates.make(folder, "weak", "weak")
    relay, port = make_implicit(implicit=f'min_tls = "1.0" certificate = "{weak[0]}" key = "{weak[1]}"')
    assert "CN = weak" in s_client(port, "-tls1", "-cipher", "AES128-SHA:@SECLEVEL=0", "-ign_eof")
    assert "CN = weak" not in s_client(relay.port, "-starttls", "smtp", "-ign_eof")


def test_q104_rsa_and_ecdsa_side_by_side(make_tls):  # noqa: F811
    relay = make_tls(certificates.shared("ecdsa"), certificates.shared("rsa"))
    for algorithm in ("RSA", "ECDSA"):
        text = s_client(relay.port, "-starttls", "smtp", "-ign_eof", "-tls1_2", "-cipher", f"ECDHE-{algorithm}-AES128-GCM-SHA256")
        assert f"CN = {algorithm.lower()}" in text


def test_q105_the_address_stands_in_the_certificate(make_tls):  # noqa: F811
    pair = certificates.shared()
    relay = make_tls(pair)
    context = ssl.create_default_context(cafile=pair[0])
    with Secure(relay.port, context=context, name="127.0.0.1") as client:
        client.starttls().hello()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_q106_no_tickets_for_old_devices(make_implicit, folder, version):  # noqa: F811
    relay, port = make_implicit(certificates.shared("rsa"), implicit='min_tls = "1.0"')
    session = folder / "session"
    assert "TLS session ticket:" not in s_client(port, version, "-ign_eof", "-sess_out", session)
    if session.exists():
        assert "Reused" not in s_client(port, version, "-ign_eof", "-sess_in", session)
    s_client(relay.port, "-starttls", "smtp", version, "-ign_eof", "-sess_out", session)
    assert "Reused" in s_client(relay.port, "-starttls", "smtp", version, "-ign_eof", "-sess_in", session)


def test_q107_the_end_without_close_notify(door):
    for end in ("close", "reset"):
        with Secure(door.port) as client:
            client.starttls()
            client.hello()
            transact(client)
            client.command("QUIT", 221)
            raw = socket.socket(fileno=client.sock.detach())
            if end == "reset":
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raw.close()
    wait_until(lambda: door.metric("sluice_smtpd_connections") == 0, what="the sessions' end")
    assert "tls_failed" not in door.log() and len(door.messages()) == 2


@pytest.mark.parametrize("profile", ["standard", "fragile"])
def test_q108_what_comes_in_clear_behind_starttls_is_dropped(make_tls, upstream, profile):  # noqa: F811
    upstream.busy("banner")
    relay = make_tls(profile=profile)
    injected = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nevil\r\n.\r\nNO"
    with Secure(relay.port) as client:
        client.hello()
        client.send(b"STARTTLS\r\n" + injected)
        client.expect(220)
        client.wrap()
        client.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.sock.recv(1)
        client.sock.settimeout(PATIENCE)
        client.file = client.sock.makefile("rb")
        client.send(b"OP\r\n")
        assert client.reply()[0] == 500
        client.command("RCPT TO:<b@example.org>", 503)
        client.hello()
        transact(client)
    relay.wait_log(f"event=starttls_injection .*bytes={len(injected)} ")
    assert [message["from"] for message in relay.messages()] == ["a@example.com"]
    assert counted(relay, "Q-108") == 1


def test_q108_a_transaction_that_was_begun_in_clear_is_forgotten(door):
    with Secure(door.port) as client:
        client.hello()
        client.command("MAIL FROM:<evil@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.send(b"BDAT 4\r\nevil")
        client.expect(250)
        client.command("STARTTLS", 220)
        client.wrap()
        client.command("RCPT TO:<c@example.org>", 503)
        client.command("BDAT 0 LAST", 503)
        transact(client)
    assert [message["from"] for message in door.messages()] == ["a@example.com"]


def test_q110_an_outdated_certificate_of_a_client_is_known_by_its_fingerprint(make_tls, folder):  # noqa: F811
    device = certificates.make(folder, "device", days=-1)
    relay = make_tls()
    with Secure(relay.port, context=any_context(*device)) as client:
        client.starttls().hello()
    out = subprocess.run(["openssl", "x509", "-in", device[0], "-noout", "-fingerprint", "-sha256"], capture_output=True,
                         text=True, check=True).stdout
    relay.wait_log("certificate=" + out.split("=")[1].strip().replace(":", "").lower())

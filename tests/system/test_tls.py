"""TLS of clients: STARTTLS and implicit, with Python's ssl, openssl s_client, swaks, curl and sslscan."""
import contextlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import certificates
from conftest import BUILD, PATIENCE, TEXT, Smtp, free_port, wait_until


class Secure(Smtp):
    """A client that can begin TLS; what its certificate check says is the test's affair."""

    def __init__(self, port, context=None, implicit=False, name=None, **options):
        self.context = context or any_context()
        self.name = name
        super().__init__(port, banner=not implicit, **options)
        if implicit:
            self.wrap()
            self.banner = self.expect(220)

    def wrap(self):
        self.file.close()
        self.sock = self.context.wrap_socket(self.sock, server_hostname=self.name)
        self.file = self.sock.makefile("rb")

    def starttls(self):
        self.hello()
        self.command("STARTTLS", 220)
        self.wrap()
        return self


def any_context(*chain):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if chain:
        context.load_cert_chain(*chain)
    return context


def common_name(client):
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"], input=client.sock.getpeercert(True),
                          capture_output=True, check=True).stdout.decode()
    return re.search(r"CN = (\S+)", text)[1]


@pytest.fixture
def make_tls(make_relay, upstream):
    """make_tls(pair, …, option=…): a relay with STARTTLS, or what listen= says."""
    def make(*pairs, listen="tls = starttls", top="", **options):
        pairs = pairs or (certificates.shared(),)
        return make_relay(upstream.port, top=certificates.section(*pairs) + top, listen=listen, **options)
    return make


@pytest.fixture
def make_implicit(make_tls):
    """The same with implicit TLS on another port, as wait_ready wants a banner in clear: (relay, port)."""
    def make(*pairs, profile="standard", **options):
        port = free_port()
        relay = make_tls(*pairs, profile=profile, listeners=f"""listen implicit {{ address = {{"127.0.0.1:{port}"}} networks = {{"127.0.0.0/8"}}
            profile = {profile} tls = implicit {options.pop("implicit", "")} }}""", **options)
        return relay, port
    return make


@pytest.mark.parametrize("profile", ["standard", "fragile"])
def test_starttls_and_a_message(make_tls, upstream, profile):
    relay = make_tls(profile=profile)
    with Secure(relay.port) as client:
        assert "STARTTLS" in client.hello()
        client.starttls()
        assert "STARTTLS" not in client.hello()
        client.command("STARTTLS", 503)
        client.message(TEXT)
        client.command("QUIT", 221)
    text, = upstream.wait_for(1)
    assert re.match(rb"Received: from client.example \(\[127.0.0.1\]\)\r\n\t\(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 \(256 bits\)\)\r\n"
                    rb"\tby relay.example with ESMTPS id ", text)
    assert text.endswith(b"Hello.\r\n")


@pytest.mark.parametrize("profile", ["standard", "fragile"])
def test_implicit_tls_and_a_message(make_implicit, upstream, profile):
    _, port = make_implicit(profile=profile)
    with Secure(port, implicit=True) as client:
        assert "STARTTLS" not in client.hello()
        client.message(TEXT)
        client.command("QUIT", 221)
    assert b"Hello." in upstream.wait_for(1)[0]


def test_without_a_certificate_starttls_is_not_offered(relay):
    with relay.client() as client:
        assert "STARTTLS" not in client.hello()
        client.command("STARTTLS", 502)
        client.message(TEXT)


# ---- the configuration ----

def refused(relay, exit_code=78):
    """What `sluiced` says of its configuration, with -t and when it starts."""
    said = set()
    for arguments in (["-t"], []):
        done = subprocess.run([BUILD / "sluiced", "-c", relay.config, *arguments], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        assert done.returncode == exit_code, (done.returncode, done.stderr)
        said.add(done.stderr)
    assert len(said) == 1
    return said.pop()


WRONG = {
    "no key": ('tls {{ certificate = "{cert}" }}', "tls = starttls", r":\d+: section tls, option 'certificate': expected a key for each"),
    "no certificate": ('tls {{ key = "{key}" }}', "tls = starttls", r":\d+: section tls, option 'key': expected a key for each"),
    "another's key": ('tls {{ certificate = "{cert}" key = "{other}" }}', "tls = starttls",
                      r":\d+: section tls, option 'key': '.*' is the key of another certificate than '.*'"),
    "missing": ('tls {{ certificate = "/nonexistent" key = "{key}" }}', "tls = starttls",
                r":\d+: section tls, option 'certificate': '/nonexistent' cannot be read: No such file"),
    "a folder": ('tls {{ certificate = "{cert}" key = "/tmp" }}', "tls = starttls", r"option 'key': '/tmp' is not a file of PEM"),
    "no PEM": ('tls {{ certificate = "{config}" key = "{key}" }}', "tls = starttls", r"option 'certificate': '.*' holds no certificate in PEM"),
    "a key with a passphrase": ('tls {{ certificate = "{cert}" key = "{locked}" }}', "tls = starttls",
                                r"option 'key': '.*' holds no private key in PEM without a passphrase"),
    "nothing": ("", "tls = starttls", r":\d+: section listen 'door', option 'tls': expected a certificate and its key"),
    "a weak key": ('tls {{ certificate = "{weak}" key = "{weak_key}" }}', "tls = starttls",
                   r":\d+: section listen 'door', option 'tls': '.*' cannot be used: ee key too small"),
    "no such version": ('tls {{ certificate = "{cert}" key = "{key}" }}', 'tls = starttls min_tls = "0.9"',
                        r"option 'min_tls': expected one of 1.0, 1.1, 1.2, 1.3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_certificate_is_an_error_of_the_configuration(make_relay, folder, name):
    top, listen, said = WRONG[name]
    cert, key = certificates.shared()
    relay = make_relay(1, start=False)
    relay.log_path.touch()  # it never starts
    places = {"cert": cert, "key": key, "other": certificates.shared("rsa")[1], "config": relay.config}
    if "weak" in top:
        places["weak"], places["weak_key"] = certificates.make(folder, "weak", "weak")
    if "locked" in top:
        places["locked"] = folder / "locked.key"
        subprocess.run(["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:x", "-out", places["locked"]], check=True)
    relay.write_config(top=top.format(**places), listen=listen)
    assert re.search(said, refused(relay))


def test_an_outdated_certificate_is_told_and_used(make_tls, folder):
    pair = certificates.make(folder, "old", days=-1)
    relay = make_tls(pair)
    relay.wait_log(r"error event=certificate_expired certificate=\"\S+old.pem\" days_ago=[01]")
    with Secure(relay.port) as client:
        client.starttls().hello()
    done = subprocess.run([BUILD / "sluiced", "-t", "-c", relay.config], capture_output=True, text=True, check=True)
    assert "certificate_expired" in done.stderr and done.stdout == "configuration ok\n"
    assert abs(relay.metric("sluice_tls_certificate_expiry_timestamp_seconds") - (time.time() - 86400)) < 7200


# ---- certificates ----

def shown(relay, name=None, **options):
    with Secure(relay.port, name=name, **options) as client:
        return common_name(client.starttls())


def test_the_name_that_the_client_gives_chooses(make_tls, folder):
    relay = make_tls(certificates.make(folder, "first", names=("first.example",)),
                     certificates.make(folder, "second", names=("second.example", "*.wild.example")),
                     certificates.make(folder, "third", "rsa", names=("first.example",)))
    assert shown(relay, "first.example") == "first"
    assert shown(relay, "SECOND.example") == "second"
    assert shown(relay, "printer.wild.example") == "second"
    assert shown(relay, "a.b.wild.example") == shown(relay, "unknown.example") == shown(relay) == "first"
    rsa = any_context()
    rsa.maximum_version = ssl.TLSVersion.TLSv1_2
    rsa.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")
    assert shown(relay, "first.example", context=rsa) == shown(relay, context=rsa) == "third"


def test_the_chain_is_shown(make_tls, folder):
    pair, authority = certificates.make(folder, "leaf"), certificates.shared("rsa")[0]
    pair[0].write_bytes(pair[0].read_bytes() + authority.read_bytes())
    relay = make_tls(pair)
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{relay.port}", "-starttls", "smtp", "-showcerts"],
                          input=b"", capture_output=True, timeout=PATIENCE, check=False)
    assert done.stdout.count(b"BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize("how", ["look", "SIGHUP"])
def test_a_renewed_certificate_is_for_new_connections(make_tls, folder, upstream, how):
    """The open session keeps its own, and sends its message on it."""
    pair = certificates.make(folder, "before")
    relay = make_tls(pair)
    with Secure(relay.port) as client:
        client.starttls().hello()
        after = certificates.make(folder, "after")
        for old, new in zip(pair, after):
            new.replace(old)
        if how == "SIGHUP":
            relay.process.send_signal(signal.SIGHUP)
        wait_until(lambda: shown(relay) == "after", what="the new certificate")
        assert common_name(client) == "before"
        client.message(TEXT)
    upstream.wait_for(1)
    assert ("event=certificate_renewed" in relay.log()) == (how == "look")
    assert "event=reload_failed" not in relay.log()


def test_a_bad_renewal_is_refused_and_the_old_certificate_stays(make_tls, folder):
    pair = certificates.make(folder, "good")
    relay = make_tls(pair)
    key = pair[1].read_bytes()
    pair[1].write_bytes(certificates.shared("rsa")[1].read_bytes())
    relay.wait_log("event=certificate_refused .*is the key of another certificate")
    assert shown(relay) == "good"
    assert "is the key of another certificate" in relay.command("reload", code=78)
    assert shown(relay) == "good"
    pair[1].write_bytes(key)
    relay.wait_log("event=certificate_renewed")
    assert shown(relay) == "good" and relay.log().count("event=certificate_refused") == 1


# ---- clients there are ----

def test_sslscan_finds_nothing_weak(make_tls):
    relay = make_tls(certificates.shared("rsa"), certificates.shared("ecdsa"))
    done = subprocess.run(["sslscan", "--starttls-smtp", "--no-colour", "--no-check-certificate", f"127.0.0.1:{relay.port}"],
                          capture_output=True, text=True, timeout=3 * PATIENCE, check=True)
    text = done.stdout
    for version in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
        assert re.search(rf"(?m)^{re.escape(version)} +disabled", text), text
    for version in ("TLSv1.2", "TLSv1.3"):
        assert re.search(rf"(?m)^{re.escape(version)} +enabled", text), text
    ciphers = re.findall(r"(?m)^(?:Preferred|Accepted) +(\S+) +(\d+) bits +(\S+)", text)
    assert len(ciphers) >= 5 and {version for version, _, _ in ciphers} == {"TLSv1.2", "TLSv1.3"}
    for _, bits, name in ciphers:
        assert int(bits) >= 128 and re.match("TLS_|ECDHE-", name) and re.search("GCM|POLY1305", name), name
    assert re.search("renegotiation (not|NOT) supported", text), text
    assert "Compression enabled" not in text


@pytest.mark.parametrize("arguments", [("--tls",), ("--tls", "--tls-protocol", "tlsv1_2"), ("--pipeline", "--tls")], ids=" ".join)
def test_swaks(make_tls, upstream, arguments):
    relay = make_tls(profile="fragile")
    done = subprocess.run(["swaks", "--server", f"127.0.0.1:{relay.port}", "--from", "a@example.com", "--to", "b@example.org",
                           *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout
    upstream.wait_for(1)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_curl_with_the_certificate_checked(make_implicit, upstream, scheme):
    pair = certificates.shared()
    relay, port = make_implicit(pair)
    port = relay.port if scheme == "smtp" else port
    done = subprocess.run(["curl", "-sS", "--ssl-reqd", "--cacert", pair[0], "--url", f"{scheme}://127.0.0.1:{port}", "--mail-from",
                           "a@example.com", "--mail-rcpt", "b@example.org", "-T", "-"], input=TEXT, capture_output=True,
                          timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    upstream.wait_for(1)


# ---- what is said inside ----

def test_large_messages_pipelined_and_in_chunks(make_tls, upstream):
    """More than any buffer, in one go, both ways of sending text; byte for byte."""
    relay = make_tls()
    body = b"".join(b"%07d %s\r\n" % (i, b"x" * 60) for i in range(60000))
    text = TEXT + body
    envelope = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n"
    with Secure(relay.port) as client:
        client.starttls().hello()
        client.send(envelope + b"DATA\r\n")
        for code in (250, 250, 354):
            client.expect(code)
        client.send(text + b".\r\n" + envelope + b"BDAT %d\r\n" % len(text) + text + b"BDAT 0 LAST\r\nNOOP\r\nQUIT\r\n")
        for code in (250, 250, 250, 250, 250, 250, 221):
            client.expect(code)
        assert client.is_closed()
    for taken in upstream.wait_for(2, 3 * PATIENCE):
        assert taken.endswith(text)


def test_many_small_records_at_once(make_tls, upstream):
    """Bytes that wait within OpenSSL bring no edge of their own: nothing may be left there."""
    relay = make_tls()
    with Secure(relay.port) as client:
        client.starttls().hello()
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        for byte in b"NOOP\r\n" * 50 + b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" + TEXT + b".\r\nQUIT\r\n":
            client.sock.sendall(bytes([byte]))
        for code in [250] * 52 + [354, 250, 221]:
            client.expect(code)
    upstream.wait_for(1)


def test_replies_that_nobody_reads_come_when_they_are_read(make_tls):
    """Partial writes: the socket fills up, and what OpenSSL could not send is sent again as it was."""
    relay = make_tls(profile="fragile")  # where NOOP costs nothing
    with Secure(relay.port) as client:
        client.starttls().hello()
        client.sock.setblocking(False)
        line, said = b"NOOP\r\n" * 2000, 0
        with contextlib.suppress(ssl.SSLWantWriteError):
            while said < 8_000_000:
                said += client.sock.send(line)
        client.sock.settimeout(PATIENCE)
        heard = bytearray()
        while len(heard) < said // 6 * len(b"250 2.0.0 Ok\r\n"):
            part = client.sock.recv(1 << 20)
            assert part, "closed"
            heard += part
    assert set(bytes(heard).splitlines()) == {b"250 2.0.0 Ok"} and said > 100_000


def test_killed_in_the_middle_and_started_again(make_tls, upstream):
    upstream.busy("banner")
    relay = make_tls()
    with Secure(relay.port) as client:
        client.starttls().hello()
        kept = client.message(TEXT)
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(TEXT)
        relay.kill()
    relay.start()
    assert [message["id"] for message in relay.messages()] == [kept]
    assert shown(relay)


# ---- hostile ----

def test_a_stalled_handshake_holds_nobody_up_and_ends(make_tls):
    relay = make_tls(listen="tls = starttls command_timeout = 2s")
    with contextlib.ExitStack() as stack:
        stalled = [stack.enter_context(relay.client()) for _ in range(50)]
        for client in stalled:
            client.hello()
            client.command("STARTTLS", 220)
            client.send(b"\x16\x03\x01")
        assert shown(relay)
        for client in stalled:
            assert client.is_closed()
    wait_until(lambda: relay.metric('sluice_smtpd_tls_failures_total{reason="timed_out"}') == 50, what="50 time-outs")
    wait_until(lambda: relay.metric("sluice_smtpd_connections") == 0, what="their end")


GARBAGE = {"text": b"EHLO again\r\n", "zeros": b"\0" * 64, "a record too long": b"\x16\x03\x01\xff\xff" + b"x" * 65535,
           "an alert": b"\x15\x03\x01\x00\x02\x02\x28", "half a hello": b"\x16\x03\x01\x00\x10\x01\x00\x00\x0c" + b"\x03" * 12}


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_for_a_handshake(make_implicit, name, implicit):
    relay, port = make_implicit()
    with Smtp(port if implicit else relay.port, banner=not implicit) as client:
        if not implicit:
            client.hello()
            client.command("STARTTLS", 220)
        with contextlib.suppress(OSError):
            client.send(GARBAGE[name])
        with contextlib.suppress(OSError):
            client.sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while client.sock.recv(1000):
                pass
    relay.wait_log("event=tls_failed")
    assert shown(relay)


def test_renegotiation_is_refused(make_tls):
    relay = make_tls(certificates.shared("rsa"))
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{relay.port}", "-starttls", "smtp", "-tls1_2"], input=b"R\n",
                          capture_output=True, timeout=PATIENCE, check=False)
    assert b"RENEGOTIATING" in done.stdout + done.stderr and b"no renegotiation" in done.stdout + done.stderr
    assert shown(relay)


def test_a_flood_of_handshakes_leaves_others_their_turn(make_tls):
    """Eight clients begin TLS again and again while another one speaks: each of its replies comes in bounded time."""
    relay = make_tls(certificates.shared("rsa"), workers=1)
    stop, made = threading.Event(), []

    def flood():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                made.append(shown(relay))
    threads = [threading.Thread(target=flood) for _ in range(8)]
    with Smtp(relay.port) as client:
        client.hello()
        for thread in threads:
            thread.start()
        slowest = 0
        while len(made) < 40:
            begin = time.monotonic()
            client.command("NOOP", 250)
            slowest = max(slowest, time.monotonic() - begin)
        stop.set()
        for thread in threads:
            thread.join()
    assert slowest < 2

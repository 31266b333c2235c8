"""AUTH over TLS with a users file: Python's smtplib, swaks, curl, and what is wrong (RFC 4954). Profile submission (RFC 6409)."""
import base64
import re
import smtplib
import ssl
import subprocess

import pytest

import certificates
from conftest import PATIENCE, TEXT, free_port, wait_until
from test_tls import Secure, any_context, make_implicit, make_tls  # noqa: F401 (fixtures)

SECRET = "Vogelbeere-7-Kirschkuchen"  # nothing else holds such words


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def plain(name, password=SECRET):
    return b64(f"\0{name}\0{password}")


def hash_of(password):
    return subprocess.run(["openssl", "passwd", "-5", password], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def section(folder):
    """section(options): an auth section with the accounts anna and device."""
    def make(options="delay = 0ms"):
        users = folder / "users"
        users.write_text(f"anna:{hash_of(SECRET)}\ndevice:{hash_of(SECRET)}\n")
        return f"auth {{ users = \"{users}\"\n{options} }}\n"
    return make


@pytest.fixture
def make_login(make_tls, section):  # noqa: F811
    """make_login(auth="…", option=…): a relay with STARTTLS and accounts."""
    def make(auth="delay = 0ms", **options):
        return make_tls(top=section(auth), **options)
    return make


@pytest.fixture
def make_submission(make_relay, upstream, section):
    """A relay with a submission listener beside the door: (relay, port)."""
    def make(tls="starttls", more=""):
        port = free_port()
        relay = make_relay(upstream.port, top=certificates.section(certificates.shared()) + section(), listeners=f"""listen submission {{
            address = {{"127.0.0.1:{port}"}} profile = submission tls = {tls} {more} }}""")
        return relay, port
    return make


def secured(relay_or_port, **options):
    client = Secure(getattr(relay_or_port, "port", relay_or_port), **options)
    if not options.get("implicit"):
        client.starttls()
    client.hello()
    return client


def counted(relay, mechanism, result):
    _, body = relay.request("GET", "/metrics")
    return int(re.search(rf'sluice_smtpd_auth_total{{mechanism="{mechanism}",result="{result}"}} (\d+)', body.decode())[1])


# ---- who may ----

@pytest.mark.parametrize("profile", ["standard", "fragile"])
def test_smtplib_logs_in_and_its_account_is_known(make_login, upstream, profile):
    relay = make_login(profile=profile)
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=PATIENCE) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        client.starttls(context=any_context())
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
        client.login("anna", SECRET)
        client.sendmail("a@example.com", ["b@example.org"], TEXT)
    (text,) = upstream.wait_for(1)
    assert b"with ESMTPSA id" in text and b"anna" not in text
    log = relay.log()
    assert re.search(r'event=auth client=127\.0\.0\.1 listener=door account="anna" mechanism=PLAIN tls=yes result=right', log)
    assert re.search(r'event=accepted .* account="anna" ', log)
    entry = wait_until(lambda: [found for found in relay.api("/v1/clients")["clients"] if found["account"] == "anna"],
                       what="the account in the ledger")
    assert entry[0]["address"] == "127.0.0.1"
    assert counted(relay, "PLAIN", "right") == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_swaks_submits(make_submission, upstream, mechanism, tls):
    relay, port = make_submission(tls)
    done = subprocess.run(["swaks", "--server", f"127.0.0.1:{port}", "--tls" if tls == "starttls" else "--tls-on-connect",
                           "--auth", mechanism, "--auth-user", "anna", "--auth-password", SECRET,
                           "--from", "a@example.com", "--to", "b@example.org"],
                          capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "235 2.7.0" in done.stdout
    upstream.wait_for(1)
    assert counted(relay, mechanism, "right") == 1


@pytest.mark.parametrize("options", ["AUTH=PLAIN", "AUTH=LOGIN", "AUTH=*"])
def test_curl_submits(make_submission, upstream, folder, options):
    _, port = make_submission("implicit")
    (folder / "mail").write_bytes(TEXT)
    done = subprocess.run(["curl", "-sS", "--insecure", f"smtps://127.0.0.1:{port}", "--user", f"anna:{SECRET}", "--login-options", options,
                           "--mail-from", "a@example.com", "--mail-rcpt", "b@example.org", "--upload-file", folder / "mail"],
                          capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    upstream.wait_for(1)


def test_submission_wants_a_login_and_fills_in_what_is_missing(make_submission, upstream):
    _, port = make_submission()
    with Secure(port) as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 530)
        client.command(f"AUTH PLAIN {plain('anna')}", 538)
        client.starttls()
        client.hello()
        assert "5.7.0" in client.command("MAIL FROM:<a@example.com>", 530)
        client.command("RCPT TO:<b@example.org>", 503)
        client.command(f"AUTH PLAIN {plain('anna')}", 235)
        client.command("MAIL FROM: <a@example.com>", 501)  # a space: as strict as RFC 5321
        client.message(b"Subject: x\r\n\r\nx\r\n")
    (text,) = upstream.wait_for(1)
    assert re.search(rb"(?mi)^Date: .*\+0000", text) and re.search(rb"(?mi)^Message-ID: <.*>\r$", text)
    assert re.search(rb"(?mi)^From: .*a@example\.com", text)


def test_login_lets_in_who_is_in_no_network(make_login, upstream):
    relay = make_login(networks='"192.0.2.0/24"')
    with secured(relay) as client:
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 550)
        client.command("RSET", 250)
        client.command(f"AUTH PLAIN {plain('anna')}", 235)
        client.message(TEXT)
    upstream.wait_for(1)


def test_listener_may_refuse_or_need_logins(make_login):
    relay = make_login(listen="tls = starttls auth = off")
    with secured(relay) as client:
        assert "AUTH" not in client.hello()
        client.command(f"AUTH PLAIN {plain('anna')}", 502)
        client.command("MAIL FROM:<a@example.com> AUTH=<>", 555)
    relay = make_login(listen="tls = starttls auth = required")
    with secured(relay) as client:
        client.command("MAIL FROM:<a@example.com>", 530)
        client.command(f"AUTH PLAIN {plain('anna')}", 235)
        client.command("MAIL FROM:<a@example.com> AUTH=<>", 250)


def test_account_stays_over_ehlo_and_rset(make_login):
    relay = make_login(networks='"192.0.2.0/24"')
    with secured(relay) as client:
        client.command(f"AUTH PLAIN {plain('anna')}", 235)
        client.hello()
        client.command("RSET", 250)
        client.command(f"AUTH PLAIN {plain('anna')}", 503)
        client.message(TEXT)


# ---- what is wrong ----

DIALOGUES = [
    (["AUTH PLAIN AGFubmE"], ["501 5.5.2"]),
    (["AUTH PLAIN !!!!"], ["501 5.5.2"]),
    (["AUTH PLAIN", "not base64"], ["334", "501 5.5.2"]),
    (["AUTH PLAIN", "*"], ["334", "501 5.7.0"]),
    (["AUTH LOGIN", "*"], ["334 VXNlcm5hbWU6", "501 5.7.0"]),
    (["AUTH LOGIN", b64("anna"), "*"], ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "501 5.7.0"]),
    (["AUTH LOGIN", b64("an\0na")], ["334", "501 5.5.2"]),
    (["AUTH PLAIN " + b64("\0an\0na\0" + SECRET)], ["501 5.5.2"]),
    (["AUTH PLAIN " + b64("root\0anna\0" + SECRET)], ["535 5.7.8"]),
    (["AUTH PLAIN " + plain("an\x01na")], ["535 5.7.8"]),
    (["AUTH PLAIN " + plain("anna", "x" * 1000)], ["535 5.7.8"]),
    (["AUTH PLAIN " + plain("a" * 1000)], ["535 5.7.8"]),
    (["AUTH PLAIN", "A" * 12288], ["334", "500 5.5.6"]),
    (["AUTH PLAIN", "A" * 100000], ["334", "500 5.5.6"]),
    (["AUTH PLAIN " + "A" * 12288], ["500 5.5.6"]),
    (["AUTH CRAM-MD5"], ["504 5.5.4"]),
    (["AUTH GSSAPI YII="], ["504 5.5.4"]),
    (["AUTH"], ["501 5.5.4"]),
    (["MAIL FROM:<a@example.com>", "AUTH PLAIN " + plain("anna")], ["250 ", "503 5.5.1"]),
    (["AUTH PLAIN " + plain("anna"), "AUTH PLAIN " + plain("anna")], ["235 ", "503 5.5.1"]),
    (["AUTH PLAIN " + plain("anna", SECRET + "x")], ["535 5.7.8"]),
    (["AUTH PLAIN " + plain("nobody")], ["535 5.7.8"]),
    (["AUTH PLAIN " + plain("Anna")], ["535 5.7.8"]),
]


def test_bad_input_has_its_answer(make_login):
    relay = make_login("delay = 0ms tries = 100")
    for lines, codes in DIALOGUES:
        with secured(relay) as client:
            for line, code in zip(lines, codes):
                assert client.command(line, int(code[:3])).startswith(code), line[:40]
            client.command("NOOP", 250)


def test_auth_before_ehlo(make_login):
    with Secure(make_login().port) as client:
        client.starttls()
        client.command(f"AUTH PLAIN {plain('anna')}", 503)


def test_unknown_and_wrong_are_answered_alike_and_late(make_login):
    relay = make_login("delay = 300ms tries = 100")
    with secured(relay) as client:
        unknown = client.command(f"AUTH PLAIN {plain('nobody')}", 535)
        assert client.command(f"AUTH PLAIN {plain('anna', 'x')}", 535) == unknown
        client.command(f"AUTH PLAIN {plain('anna', 'y')}", 535)
        client.expect(421)
        assert client.is_closed()
    assert counted(relay, "PLAIN", "wrong") == 3
    log = relay.log()
    assert re.search(r'event=auth .*account="nobody" mechanism=PLAIN tls=yes result=wrong', log)


def test_others_are_served_while_a_reply_is_held(make_login):
    relay = make_login("delay = 20s delay_max = 20s")
    with secured(relay) as client, secured(relay) as other:
        client.send(f"AUTH PLAIN {plain('anna', 'x')}\r\n".encode())
        relay.wait_log("result=wrong")
        other.command("NOOP", 250)
        other.command(f"AUTH LOGIN {b64('device')}", 334)
        assert relay.stop() == 0  # and a held reply holds no stop


def test_clients_that_go_leave_nothing(make_login):
    """Before the answer, in the dialogue, in a line; then all is as before."""
    relay = make_login()
    for tail in (f"AUTH PLAIN {plain('anna')}\r\n", "AUTH LOGIN\r\n", f"AUTH LOGIN {b64('anna')}\r\nVm9n"):
        for _ in range(8):
            client = secured(relay)
            client.send(tail.encode())
            client.sock.close()
            client.file.close()
    wait_until(lambda: relay.metric("sluice_smtpd_connections") == 0, what="the end of all sessions")
    with secured(relay) as client:
        client.command(f"AUTH PLAIN {plain('anna')}", 235)


# ---- secrets ----

def memory_of(pid):
    """What the process has in memory that it may write to."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            begin, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            size = int(end, 16) - int(begin, 16)
            if not rights.startswith("rw") or "[v" in line or size > 1 << 32:  # a sanitizer's own map of the memory
                continue
            memory.seek(int(begin, 16))
            try:
                yield memory.read(size)
            except OSError:
                continue


@pytest.mark.parametrize("result", ["right", "wrong"])
def test_password_is_nowhere_behind_its_login(make_login, result):
    """Not in the log, not in the ledger, not in the process's memory: as it is, in base64, or in PLAIN's."""
    relay = make_login(profile="fragile", workers=1)
    secret = SECRET if result == "right" else SECRET[::-1]
    code = 235 if result == "right" else 535
    marks = [secret.encode(), b64(secret).encode(), plain("anna", secret).encode()]
    with secured(relay) as client:
        client.command("AUTH PLAIN", 334)
        client.command(plain("anna", secret), code)
    with secured(relay) as client:
        client.send(f"AUTH LOGIN {b64('anna')}\r\n".encode())
        client.expect(334)
        client.send(b64(secret)[:10].encode())
        client.send(b64(secret)[10:].encode() + b"\r\n")
        client.expect(code)
        # one that does not know that it is logged in, or failed
        client.send(b64(secret).encode() + b"\r\n")
        client.expect(500)
    with secured(relay) as client:
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command(f"AUTH PLAIN {plain('anna', secret)}", 503)
    wait_until(lambda: relay.api("/v1/clients")["clients"], what="the ledger")
    report = relay.request("GET", "/v1/clients/127.0.0.1")[1]
    found = [mark for part in memory_of(relay.process.pid) for mark in marks if mark in part]
    assert found == []
    assert not any(mark in report or mark in relay.log().encode() for mark in marks)

"""TLS and AUTH towards upstream: what is required is never done without, what is opportunistic never stops mail."""
import base64
import ssl
import subprocess
import time

import pytest

from conftest import TEXT, wait_until
from scripted import ScriptedUpstream


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that is its own authority: (certificate, key)."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=upstream.test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, stderr=subprocess.DEVNULL)
    return cert, key


class TlsScript:
    """An upstream that knows STARTTLS (or implicit TLS) and AUTH, and writes down what came in clear and what did not."""

    def __init__(self, certificate, implicit=False, offer=True, auth=None, injected=b"", handshake=True):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.implicit, self.offer, self.auth = implicit, offer, auth
        self.injected, self.handshake = injected, handshake
        self.clear, self.encrypted, self.logins = [], [], []

    def wrap(self, session):
        session.file.close()
        session.sock = self.context.wrap_socket(session.sock, server_side=True)
        session.file = session.sock.makefile("rb")

    def __call__(self, session):
        secure = self.implicit
        try:
            if self.implicit:
                self.wrap(session)
            session.say("220 tls.example ESMTP")
            while (line := session.line()) is not None:
                (self.encrypted if secure else self.clear).append(line)
                if line.startswith("EHLO"):
                    offers = ["tls.example", "PIPELINING", "8BITMIME"]
                    if self.offer and not secure:
                        offers.append("STARTTLS")
                    if self.auth and secure:
                        offers.append(f"AUTH {self.auth}")
                    session.say(*(f"250{'-' if i < len(offers) - 1 else ' '}{o}" for i, o in enumerate(offers)))
                elif line == "STARTTLS":
                    session.raw(b"220 2.0.0 go\r\n" + self.injected)
                    if not self.handshake:
                        return
                    self.wrap(session)
                    secure = True
                elif line.startswith("AUTH"):
                    if not self.login(session, line):
                        session.say("535 5.7.8 no")
                        return
                    session.say("235 2.7.0 welcome")
                else:
                    session.answer(line)
        except ssl.SSLError:
            pass

    def login(self, session, line):
        words = line.split()
        if words[1] == "PLAIN":
            given = words[2] if len(words) > 2 else (session.say("334 ") or session.line())
            _, user, password = base64.b64decode(given).split(b"\0")
        else:
            session.say("334 VXNlcm5hbWU6")
            user = base64.b64decode(session.line())
            session.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(session.line())
        self.logins.append((user, password))
        return password == b"secret word"


def hand_over(relay):
    with relay.client() as client:
        client.hello()
        client.message(TEXT)


@pytest.mark.parametrize("mode", ["opportunistic", "required", "implicit"])
def test_mail_goes_encrypted(make_relay, certificate, mode):
    script = TlsScript(certificate, implicit=mode == "implicit")
    with ScriptedUpstream(script) as server:
        trust = "" if mode == "opportunistic" else f'ca_file = "{certificate[0]}"'
        relay = make_relay(server.port, tls=mode, upstream=trust)
        hand_over(relay)
        relay.wait_empty()
        assert len(server.messages) == 1
        assert not any(line.startswith(("MAIL", "RCPT", "DATA")) for line in script.clear)
        assert any(line.startswith("MAIL") for line in script.encrypted)


@pytest.mark.parametrize("mode", ["required", "implicit"])
def test_an_untrusted_certificate_stops_mail_and_alarms(make_relay, certificate, mode):
    script = TlsScript(certificate, implicit=mode == "implicit")
    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, tls=mode)
        hand_over(relay)
        relay.wait_log("event=host_resting .*(certificate|TLS|SSL)")
        time.sleep(1)
        assert server.messages == [] and relay.api("/v1/queue")["messages"] == 1
        assert not any(line.startswith("MAIL") for line in script.clear + script.encrypted)


def test_required_tls_that_is_not_offered_stops_mail(make_relay, certificate):
    script = TlsScript(certificate, offer=False)
    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, tls="required", upstream=f'ca_file = "{certificate[0]}"')
        hand_over(relay)
        relay.wait_log("event=host_resting")
        time.sleep(1)
        assert server.messages == [] and not any(line.startswith("MAIL") for line in script.clear)
        assert relay.api("/v1/queue")["messages"] == 1


def test_opportunistic_goes_in_clear_where_tls_is_not_offered_or_fails(make_relay, certificate):
    for script in (TlsScript(certificate, offer=False), TlsScript(certificate, handshake=False)):
        with ScriptedUpstream(script) as server:
            relay = make_relay(server.port, tls="opportunistic")
            hand_over(relay)
            relay.wait_empty()
            assert len(server.messages) == 1


def test_bytes_injected_before_the_handshake_are_not_believed(make_relay, certificate):
    script = TlsScript(certificate, injected=b"250 fake.example\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")
    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, tls="required", upstream=f'ca_file = "{certificate[0]}"')
        hand_over(relay)
        relay.wait_log("event=host_resting|event=delivered")
        time.sleep(0.5)
        assert "event=delivered" not in relay.log() or len(server.messages) == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_auth_with_the_configured_password(make_relay, certificate, folder, mechanism):
    script = TlsScript(certificate, auth=mechanism)
    (folder / "password").write_text("secret word\n")
    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, tls="required",
                           upstream=f'ca_file = "{certificate[0]}"  user = relay  password_file = "{folder}/password"')
        hand_over(relay)
        relay.wait_empty()
        assert len(server.messages) == 1 and script.logins == [(b"relay", b"secret word")]
        assert "secret word" not in relay.log() and base64.b64encode(b"secret word").decode() not in relay.log()


def test_a_wrong_password_rests_the_host_and_bounces_nothing(make_relay, certificate, folder):
    script = TlsScript(certificate, auth="PLAIN")
    (folder / "password").write_text("wrong\n")
    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, tls="required",
                           upstream=f'ca_file = "{certificate[0]}"  user = relay  password_file = "{folder}/password"')
        hand_over(relay)
        relay.wait_log("event=host_resting .*535")
        wait_until(lambda: len(script.logins) >= 1)
        assert relay.api("/v1/queue")["messages"] == 1 and server.messages == []
        (message,) = relay.messages()
        assert message["recipients"][0]["attempts"] == 0


def test_a_handshake_that_stalls_has_a_deadline(make_relay, certificate):
    def script(session):
        session.say("220 tls.example ESMTP")
        session.line()
        session.say("250-tls.example", "250 STARTTLS")
        session.line()
        session.say("220 go")
        session.sock.settimeout(30)
        while session.sock.recv(1000):
            pass

    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, tls="required", upstream=f'ca_file = "{certificate[0]}"  connect_timeout = 1s')
        hand_over(relay)
        relay.wait_log("event=host_resting", 15)

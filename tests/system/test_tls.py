"""TLS of clients: STARTTLS and implicit, with Python's ssl, openssl s_client, swaks, curl and sslscan."""
import contextlib
import re
import socket
import ssl
import subprocess
import time

import pytest

import certificates
from conftest import PATIENCE, TEXT, Smtp, free_port, wait_until


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

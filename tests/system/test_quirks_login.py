"""What fragile clients get wrong when they log in (Q-89 to Q-101)."""
import pytest

from conftest import TEXT
from test_login import b64, hash_of, make_login, plain, secured, section, SECRET  # noqa: F401 (fixtures)
from test_quirks_door import quirks, transact
from test_tls import Secure, make_tls  # noqa: F401 (fixtures)


@pytest.fixture
def door(make_login, upstream):  # noqa: F811
    upstream.busy("banner")
    return make_login(profile="fragile")


def ask(client, line):
    """The reply's bytes."""
    client.send(line.encode() + b"\r\n")
    return client.file.readline()


def offers(client):
    return [line[4:] for line in client.hello().splitlines()]


def of_login(relay):
    """The one message's quirks, without those of its text."""
    return [number for number in quirks(relay) if int(number[2:]) >= 89]


def test_q89_auth_stands_in_both_ways_for_those_who_want_it(make_login, upstream):  # noqa: F811
    upstream.busy("banner")
    relay = make_login('delay = 0ms }\nclient "127.0.0.0/8" { profile = auth-equals', profile="fragile")
    with secured(relay) as client:
        lines = offers(client)
        assert "AUTH PLAIN LOGIN" in lines and "AUTH=PLAIN LOGIN" in lines
        transact(client)
    assert of_login(relay) == ["Q-89"]


def test_q89_and_not_for_others(door):
    with secured(door) as client:
        assert "AUTH=" not in client.hello()


def test_q90_q91_login_speaks_the_very_bytes_and_takes_a_name_at_once(door):
    with secured(door) as client:
        assert ask(client, "AUTH LOGIN") == b"334 VXNlcm5hbWU6\r\n"
        assert ask(client, b64("anna")) == b"334 UGFzc3dvcmQ6\r\n"
        assert ask(client, b64(SECRET)).startswith(b"235 ")
    with secured(door) as client:
        assert ask(client, "auth Login " + b64("anna")) == b"334 UGFzc3dvcmQ6\r\n"
        assert ask(client, b64(SECRET)).startswith(b"235 ")


def test_q92_plain_is_asked_by_334_and_a_space(door):
    with secured(door) as client:
        assert ask(client, "AUTH PLAIN") == b"334 \r\n"
        assert ask(client, plain("anna")).startswith(b"235 ")


@pytest.mark.parametrize("message", ["anna\0{}", "\0anna\0{}\0", "anna\0{}\0", "anna\0anna\0{}"],
                         ids=["first NUL missing", "a NUL behind", "both", "name said twice"])
def test_q93_fields_of_plain_may_be_odd(door, message):
    with secured(door) as client:
        client.command("AUTH PLAIN " + b64(message.format(SECRET)), 235)
        transact(client)
    assert of_login(door) == ["Q-93"]
    (message,) = door.messages()
    assert message["account"] == "anna"


def test_q93_but_not_for_another(door):
    with secured(door) as client:
        client.command("AUTH PLAIN " + b64(f"root\0anna\0{SECRET}"), 535)


@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "NTLM TlRMTVNTUAABAAAA", "GSSAPI", "DIGEST-MD5", "SCRAM-SHA-256", "XOAUTH2"])
def test_q94_q95_nothing_else_is_offered_nor_taken(door, mechanism):
    with secured(door) as client:
        assert "AUTH PLAIN LOGIN" in offers(client)
        client.command(f"AUTH {mechanism}", 504)
        client.command(f"AUTH PLAIN {plain('anna')}", 235)


@pytest.mark.parametrize("hello", ["HELO client.example", None], ids=["behind HELO", "without a greeting"])
def test_q96_over_tls_it_is_taken_without_an_offer(door, hello):
    with Secure(door.port) as client:
        client.command("STARTTLS", 220)
        client.wrap()
        if hello:
            client.command(hello, 250)
        client.command(f"AUTH PLAIN {plain('anna')}", 235)
        transact(client)
    assert of_login(door) == ["Q-96"]


def test_q96_in_clear_it_is_refused_and_the_mail_taken(door):
    with door.client() as client:
        client.hello()
        client.command(f"AUTH PLAIN {plain('anna')}", 538)
        transact(client)
    assert of_login(door) == ["Q-96"]
    (message,) = door.messages()
    assert message["account"] is None


def test_q98_three_tries_are_looked_at_and_then_the_network_decides(door):
    with secured(door) as client:
        for _ in range(30):
            client.command(f"AUTH PLAIN {plain('anna', 'wrong')}", 535)
        client.command(f"AUTH PLAIN {plain('anna')}", 535)
        transact(client)
    assert of_login(door) == ["Q-98"]
    (message,) = door.messages()
    assert message["account"] is None
    assert door.log().count("result=wrong") == 3
    assert not door.refusals()


def test_q100_a_password_may_be_short(make_tls, folder):  # noqa: F811
    users = folder / "users"
    users.write_text(f"scan12:{hash_of('k3')}\n")
    relay = make_tls(profile="fragile", top=f"auth {{ users = \"{users}\" }}")
    with secured(relay) as client:
        client.command(f"AUTH PLAIN {plain('scan12', 'k3')}", 235)
        client.message(TEXT)


def test_q101_auth_is_hidden_from_those_who_insist_on_it(make_login, upstream):  # noqa: F811
    upstream.busy("banner")
    relay = make_login('delay = 0ms }\nclient "127.0.0.0/8" { profile = no-auth', profile="fragile")
    with secured(relay) as client:
        assert "AUTH" not in client.hello()
        transact(client)
    with secured(relay) as client:  # and is taken all the same
        client.command(f"AUTH PLAIN {plain('anna')}", 235)

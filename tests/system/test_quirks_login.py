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


@pytest.fixture
def clear_door(make_login, upstream):  # noqa: F811
    upstream.busy("banner")
    relay = make_login(profile="fragile", listen="tls = starttls auth_in_clear = devices")
    relay.command("grant", "add", "scanner", "--owner", "owner@example.edu", "--account", "device", "--auth-in-clear", "yes")
    return relay


def test_q97_a_device_may_log_in_in_clear_where_listener_and_grant_say_so(clear_door):
    with clear_door.client() as client:
        assert "AUTH PLAIN LOGIN" in offers(client)
        client.command(f"AUTH PLAIN {plain('device')}", 235)
        transact(client)
    assert of_login(clear_door) == ["Q-97"]
    (message,) = clear_door.messages()
    assert message["account"] == "device"


def test_q97_but_never_a_person(clear_door):
    """The right password is no better than a wrong one, and the operator is told; over TLS it is taken."""
    with clear_door.client() as client:
        client.hello()
        right = client.command(f"AUTH PLAIN {plain('anna')}", 535)
        assert client.command(f"AUTH PLAIN {plain('device', 'wrong')}", 535) == right
    assert 'event=auth_in_clear client=127.0.0.1 listener=door account="anna"' in clear_door.log()
    with secured(clear_door) as client:
        client.command(f"AUTH PLAIN {plain('anna')}", 235)


def test_q97_nor_when_the_grant_is_over(clear_door):
    clear_door.command("grant", "suspend", "scanner", "--reason", "lost")
    with clear_door.client() as client:
        client.hello()
        client.command(f"AUTH PLAIN {plain('device')}", 535)


def test_q97_what_was_logged_in_is_forgotten_by_starttls(clear_door):
    with Secure(clear_door.port) as client:
        client.hello()
        client.command(f"AUTH PLAIN {plain('device')}", 235)
        client.starttls()
        client.hello()
        transact(client)
    (message,) = clear_door.messages()
    assert message["account"] is None


def test_q97_only_on_fragile_listeners(make_login):  # noqa: F811
    with pytest.raises(AssertionError, match="expected profile = fragile with it"):
        make_login(listen="tls = starttls auth_in_clear = devices")


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


@pytest.mark.parametrize("tls", [False, True], ids=["in clear", "TLS"])
def test_q99_any_login_of_a_granted_network_is_taken_and_means_nothing(make_login, upstream, tls):  # noqa: F811
    upstream.busy("banner")
    relay = make_login(profile="fragile")
    relay.command("grant", "add", "copier", "--owner", "owner@example.edu", "--network", "127.0.0.1", "--takes-any-auth", "yes")
    for dialogue in ([f"AUTH PLAIN {plain('anna', 'whatever')}"], ["AUTH LOGIN", b64("x"), b64("y")], ["AUTH PLAIN", "no base64"],
                     ["AUTH LOGIN " + b64("anna"), ""]):
        with secured(relay) if tls else relay.client() as client:
            assert "AUTH PLAIN LOGIN" in offers(client)
            for line in dialogue[:-1]:
                client.command(line, 334)
            client.command(dialogue[-1], 235)
            client.command("MAIL FROM:<a@example.com>", 250)
    with secured(relay) if tls else relay.client() as client:
        client.hello()
        client.command(f"AUTH PLAIN {plain('anna')}", 235)
        client.command(f"AUTH PLAIN {plain('anna')}", 235)
        transact(client)
    (message,) = relay.messages()
    assert message["account"] is None and message["grant"] == "copier"
    assert "Q-99" in of_login(relay)
    relay.command("grant", "revoke", "copier", "--reason", "gone")
    with secured(relay) as client:
        client.command(f"AUTH PLAIN {plain('anna', 'whatever')}", 535)


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

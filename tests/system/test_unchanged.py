"""A well-formed message arrives byte for byte as it was sent, but for our Received field; whatever the profile repairs."""
import re

import pytest

from conftest import PATIENCE, ROOT

CORPUS = sorted((ROOT / "tests" / "fuzz" / "seeds" / "wellformed").glob("*.eml"))


def without_our_trace(text):
    """The text behind its first field, which has to be our Received."""
    field = re.match(rb"Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", text)
    assert field and b"by relay.example" in field[0], text[:200]
    return text[field.end():]


@pytest.mark.parametrize("profile", ["fragile", "standard"])
def test_wellformed_unchanged(make_relay, upstream, profile):
    relay = make_relay(upstream.port, profile=profile)
    sent = {path.stem: path.read_bytes() for path in CORPUS}
    assert len(sent) >= 40
    with relay.client() as client:
        client.hello()
        for name, text in sent.items():
            body = " BODY=8BITMIME" if max(text) > 127 else ""
            client.command(f"MAIL FROM:<{name}@example.com>{body}", 250)
            client.command("RCPT TO:<b@example.org>", 250)
            client.command("DATA", 354)
            client.send(re.sub(rb"(?m)^\.", b"..", text) + b".\r\n")
            client.expect(250)
    upstream.wait_for(len(sent), 2 * PATIENCE)
    arrived = {lines[0].split("<")[1].split("@")[0]: text for lines, text in zip(upstream.envelopes(), upstream.texts())}
    changed = [name for name, text in sent.items() if without_our_trace(arrived[name]) != text]
    for name in changed:
        print(f"{name} came as:\n{arrived[name].decode('latin-1')[:2000]}")
    assert not changed
    relay.wait_empty()
    assert upstream.count()["messages"] == len(sent)

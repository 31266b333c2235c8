"""Operators: the admin socket and the command on top of it."""
import json
import os
import re
import socket
import subprocess
import time

import pytest

from conftest import BUILD, TEXT, UnixConnection, wait_until
from scripted import ScriptedUpstream


@pytest.fixture
def waiting(make_relay, upstream):
    """A relay with five messages that wait for a busy upstream."""
    upstream.busy("banner")
    relay = make_relay(upstream.port)
    with relay.client() as client:
        client.hello()
        relay.ids = [client.message(TEXT, sender=f"s{i}@example.com") for i in range(5)]
    wait_until(lambda: relay.api("/v1/queue")["states"]["scanning"] == 0 and
               relay.api("/v1/hosts")["hosts"][0]["state"] in ("resting", "probing"), what="a resting host")
    return relay


def test_status_and_queue_have_what_the_contract_says(waiting):
    queue = waiting.api("/v1/queue")
    assert queue["messages"] == 5 and queue["recipients"] == 5 and queue["bytes"] > 500
    assert set(queue["states"]) == {"receiving", "scanning", "waiting", "delivering", "deferred", "held", "quarantined"}
    assert queue["oldest_seconds"] >= 0
    status = waiting.api("/v1/status")
    assert status["version"] and status["uptime_seconds"] >= 0


def test_a_message_has_the_contracts_members(waiting):
    (message,) = [m for m in waiting.messages() if m["id"] == waiting.ids[2]]
    assert {"id", "state", "reason", "received", "size", "client", "account", "listener", "lane", "from", "quirks", "recipients"} <= set(message)
    assert message["from"] == "s2@example.com" and message["client"] == "127.0.0.1" and message["listener"] == "door"
    assert message["received"].endswith("Z")
    (recipient,) = message["recipients"]
    assert {"address", "state", "upstream", "host", "attempts", "next_attempt", "last_reply"} <= set(recipient)


def test_listing_is_paged_and_filtered(waiting):
    first = waiting.api("/v1/queue/messages?limit=2")
    assert [m["id"] for m in first["messages"]] == waiting.ids[:2]
    second = waiting.api(f"/v1/queue/messages?limit=2&after={waiting.ids[1]}")
    assert [m["id"] for m in second["messages"]] == waiting.ids[2:4]
    assert [m["id"] for m in waiting.messages("?from=s3@example.com")] == waiting.ids[3:4]
    assert waiting.messages("?to=nobody@example.org") == []
    assert len(waiting.messages("?client=127.0.0.1&to=b@example.org")) == 5
    waiting.api("/v1/queue/messages?limit=nonsense", status=400)
    waiting.api("/v1/queue/messages?state=nonsense", status=400)


def test_content_is_the_stored_message(waiting):
    status, body = waiting.request("GET", f"/v1/queue/messages/{waiting.ids[0]}/content")
    assert status == 200 and body.endswith(TEXT) and body.startswith(b"Received:")


def test_hold_release_delete(waiting, upstream):
    held, deleted = waiting.ids[0], waiting.ids[1]
    def act(identity, what, status=200):
        wait_until(lambda: waiting.request("POST" if what else "DELETE", f"/v1/queue/messages/{identity}{what}")[0] == status,
                   5, f"{what or 'delete'} answering {status}")
    act(held, "/hold")
    assert waiting.api(f"/v1/queue/messages/{held}")["state"] == "held"
    act(deleted, "")
    waiting.api(f"/v1/queue/messages/{deleted}", status=404)
    upstream.open()
    upstream.wait_for(4 - 1)
    wait_until(lambda: waiting.api("/v1/queue")["messages"] == 1, what="only the held one left")
    act(held, "/release")
    waiting.wait_empty()
    assert upstream.count()["messages"] == 4
    waiting.api("/v1/queue/messages/0123456789ABCD", status=404)
    waiting.api("/v1/queue/messages/nonsense", status=404)


def test_retry_makes_a_deferred_message_due_now(make_relay):
    def script(session):
        session.greet()
        while (line := session.line()) is not None:
            if line.startswith("RCPT") and not relaxed:
                session.say("450 4.2.1 later")
            else:
                session.answer(line)
    relaxed = []
    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, retry_first="10m", retry_max="1h")
        with relay.client() as client:
            client.hello()
            identity = client.message(TEXT)
        wait_until(lambda: relay.api("/v1/queue")["states"]["deferred"] == 1, what="the deferral")
        message = relay.api(f"/v1/queue/messages/{identity}")
        assert message["recipients"][0]["last_reply"].startswith("450 4.2.1")
        assert message["recipients"][0]["attempts"] == 1
        relaxed.append(True)
        relay.api(f"/v1/queue/messages/{identity}/retry", "POST")
        relay.wait_empty(10)


def test_pause_and_resume_a_host(relay, upstream):
    host = f"127.0.0.1:{upstream.port}"
    relay.api(f"/v1/hosts/{host}/pause", "POST")
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
    time.sleep(1)
    assert upstream.count()["messages"] == 0
    assert relay.api("/v1/hosts")["hosts"][0]["state"] == "paused"
    relay.api(f"/v1/hosts/{host}/resume", "POST")
    relay.wait_empty()
    relay.api("/v1/hosts/nowhere:25/pause", "POST", status=404)


def test_the_command_shows_and_acts(waiting, upstream):
    assert "5" in waiting.command("queue")
    listing = waiting.command("queue", "list")
    for identity in waiting.ids:
        assert identity in listing
    assert "s1@example.com" in waiting.command("queue", "show", waiting.ids[1])
    assert json.loads(waiting.command("--json", "queue"))["messages"] == 5
    assert "campus" in waiting.command("host", "list")
    assert "421" in waiting.command("host", "list") or "421" in waiting.command("queue")
    waiting.command("status")
    wait_until(lambda: subprocess.run([BUILD / "sluice", "--socket", waiting.socket, "queue", "delete", waiting.ids[0]],
                                      capture_output=True, check=False).returncode == 0, what="the deletion")
    waiting.command("queue", "show", waiting.ids[0], code=1)
    upstream.open()
    waiting.wait_empty()


def test_the_reply_shown_is_the_hosts_own(make_relay, upstream):
    """Five are handed out at once: the first is told 421, the others are put off untried and say nothing of the host."""
    host = f"127.0.0.1:{upstream.port}"
    relay = make_relay(upstream.port, busy_first="1m", busy_max="1m")
    upstream.busy("banner")
    relay.api(f"/v1/hosts/{host}/pause", "POST")
    with relay.client() as client:
        client.hello()
        for _ in range(5):
            client.message(TEXT)
    wait_until(lambda: relay.api("/v1/queue")["states"]["waiting"] == 5, what="five that wait for the host")
    relay.api(f"/v1/hosts/{host}/resume", "POST")

    def resting():
        (shown,) = relay.api("/v1/hosts")["hosts"]
        return shown if shown["state"] == "resting" and shown["in_flight"] == 0 else None
    assert wait_until(resting, what="a resting host")["last_reply"].startswith("421")


def test_the_commands_exit_codes(waiting, folder):
    waiting.command("nonsense", code=64)
    waiting.command("queue", "lisst", code=64)
    done = subprocess.run([BUILD / "sluice", "--socket", folder / "none", "status"], capture_output=True, text=True, check=False)
    assert done.returncode == 69 and str(folder / "none") in done.stderr
    done = subprocess.run([BUILD / "sluice", "status"], env={**os.environ, "SLUICE_SOCKET": str(waiting.socket)}, check=False,
                          stdout=subprocess.DEVNULL)
    assert done.returncode == 0


def test_a_foreign_user_is_refused(waiting):
    if os.geteuid() != 0:
        pytest.skip("needs another user")
    assert os.stat(waiting.socket).st_mode & 0o777 == 0o660
    os.chmod(waiting.socket, 0o666)  # what the credentials must still refuse
    parent = waiting.socket.parent
    modes = []
    while parent != parent.parent:
        modes.append((parent, parent.stat().st_mode))
        parent.chmod(parent.stat().st_mode | 0o011)
        parent = parent.parent
    try:
        program = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
                   "s.sendall(b'GET /v1/status HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n'); print(s.recv(200).split()[1].decode())")
        done = subprocess.run(["/usr/bin/python3", "-c", program, waiting.socket], user="nobody", group="nogroup", extra_groups=[],
                              capture_output=True, text=True, check=False)
        assert done.stdout.strip() in ("403", ""), done
        assert done.stdout.strip() == "403" or "Error" in done.stderr
    finally:
        for path, mode in modes:
            path.chmod(mode & 0o7777)


@pytest.mark.parametrize("data", [b"\0\xff\x16\x03garbage\r\n\r\n", b"GET /" + b"x" * 10_000_000 + b" HTTP/1.1\r\n\r\n",
                                  b"GET /v1/status HTTP/1.1\r\nX: " + b"y" * 1_000_000, b"POST /v1/queue HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
                         ids=["garbage", "10 MB line", "endless header", "negative length"])
def test_garbage_on_the_socket_hurts_nobody(relay, data):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(relay.socket))
        sock.settimeout(5)
        try:
            sock.sendall(data)
            sock.recv(1000)
        except OSError:
            pass
    relay.api("/v1/status")


def test_a_client_that_does_not_read_delays_nobody(waiting):
    slow = []
    for _ in range(20):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(waiting.socket))
        sock.sendall(b"GET /v1/queue/messages HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        slow.append(sock)
    began = time.monotonic()
    waiting.api("/v1/status")
    assert time.monotonic() - began < 5
    for sock in slow:
        sock.close()


def test_twenty_thousand_are_listed_page_by_page(make_relay, upstream, postfix_tools):
    upstream.busy("banner")
    relay = make_relay(upstream.port, max_size="2GB", scan="")
    total = 20_000
    postfix_tools("smtp-source", "-d", "-s", "50", "-m", str(total), "-l", "512", "-f", "a@example.com", "-t", "b@example.org",
                  f"127.0.0.1:{relay.port}")
    connection = UnixConnection(relay.socket)
    seen, after, longest = 0, "", 0.0
    while True:
        began = time.monotonic()
        connection.request("GET", f"/v1/queue/messages?limit=500&after={after}")
        page = json.loads(connection.getresponse().read())
        longest = max(longest, time.monotonic() - began)
        if not page["messages"]:
            break
        seen += len(page["messages"])
        after = page["messages"][-1]["id"]
    assert seen == total
    assert longest < 5
    upstream.open()
    relay.wait_empty(120)


def test_metrics_are_prometheus_text(waiting):
    status, body = waiting.request("GET", "/metrics")
    assert status == 200
    names = set()
    for line in body.decode().splitlines():
        if line.startswith("#"):
            assert line.split()[1] in ("HELP", "TYPE")
            continue
        name, value = line.rsplit(" ", 1)
        float(value)
        assert name.startswith(("sluice_", "process_")), name
        names.add(name)
    assert len(names) > 20
    assert waiting.metric("sluice_messages_received_total") == 5


def test_acts_on_messages_being_delivered_are_told_the_truth(make_relay):
    """F-40: deleted is never delivered, held is not delivered before its release, and what is refused with 409 goes on."""
    def script(session):
        session.greet()
        while (line := session.line()) is not None:
            if line == "DATA":
                session.say("354 go on")
                session.keep()
                time.sleep(0.005)  # the window in which an act comes too late
                session.say("250 2.0.0 taken")
            else:
                session.answer(line)

    def numbers():
        return [int(re.search(rb"Subject: (\d+)", text).group(1)) for _, _, text in server.messages]
    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port, upstream="max_connections = 4")
        count = 200
        relay.api(f"/v1/hosts/127.0.0.1:{server.port}/pause", "POST")
        with relay.client() as client:
            client.hello()
            ids = [client.message(b"Subject: %d\r\n\r\nx\r\n" % number) for number in range(count)]
        relay.api(f"/v1/hosts/127.0.0.1:{server.port}/resume", "POST")
        answers = {}
        for number, identity in reversed(list(enumerate(ids))):
            if number % 3 != 2:
                method, act = ("DELETE", "") if number % 3 == 0 else ("POST", "/hold")
                answers[number] = relay.request(method, f"/v1/queue/messages/{identity}{act}")[0]
        assert set(answers.values()) <= {200, 404, 409}
        held = {number for number, answer in answers.items() if answer == 200 and number % 3 == 1}
        deleted = {number for number, answer in answers.items() if answer == 200 and number % 3 == 0}
        assert held and deleted and len(held | deleted) < len(answers), "nothing met: the test proves nothing"
        wait_until(lambda: relay.api("/v1/queue")["messages"] == len(held), what="only held ones left")
        assert sorted(numbers()) == sorted(set(range(count)) - held - deleted)
        for number in held:
            relay.api(f"/v1/queue/messages/{ids[number]}/release", "POST")
        relay.wait_empty()
        assert sorted(numbers()) == sorted(set(range(count)) - deleted), "each once, and none that was deleted"

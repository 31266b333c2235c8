"""Suspension: nothing more is taken from somebody, and what is queued from them is held or deleted, also what is being worked on."""
import contextlib
import http.client
import threading

import pytest

from conftest import TEXT, wait_until
from scripted import ScriptedUpstream
from test_login import make_login, plain, section, secured  # noqa: F401 (fixtures)
from test_tls import make_tls  # noqa: F401

BAD = "127.0.0.9"
GOOD = "127.0.0.8"


def hand_over(relay, source=BAD, text=TEXT, count=1, sender="a@example.com"):
    with relay.client(source=source) as client:
        client.hello()
        return [client.message(text, sender) for _ in range(count)]


def suspend(relay, who=BAD, how="--hold", why="sends viruses"):
    return relay.command("client", "suspend", who, how, "--reason", why)


def resume(relay, who=BAD):
    return relay.command("client", "resume", who)


def states(relay, source=BAD):
    """{state: messages} of a client, held ones with their kind."""
    found = {}
    for message in relay.messages(f"?client={source}&limit=1000"):
        state = f"{message['state']} {message['hold']}" if message["state"] == "held" else message["state"]
        found[state] = found.get(state, 0) + 1
    return found


def delivered(relay):
    return relay.log().count("event=delivered")


def settled(relay):
    """Nothing is scanned any more."""
    wait_until(lambda: relay.api("/v1/queue")["states"]["scanning"] == 0, what="all scanned")


@pytest.fixture
def waiting(relay, upstream):
    """A relay whose upstream takes nothing, with mail of the bad and the good client."""
    upstream.busy("banner")
    hand_over(relay, BAD, count=5)
    hand_over(relay, GOOD, count=2)
    settled(relay)
    return relay


# ---- nothing more is taken ----

@pytest.fixture(params=["standard", "fragile"])
def door(request, make_relay, upstream):
    return make_relay(upstream.port, profile=request.param)


def refused(client):
    client.command("MAIL FROM:<a@example.com>", 250)
    said = client.command("RCPT TO:<b@example.org>", 550)
    assert "5.7.1" in said and "was suspended on" in said, said
    return said


@pytest.mark.parametrize("who", [BAD, "127.0.0.8/31"])
def test_open_session_is_refused_with_the_reason_until_resume(door, upstream, who):
    with door.client(source=BAD) as client, door.client(source="127.0.0.77") as other:
        client.hello()
        client.message(TEXT)
        suspend(door, who)
        said = refused(client)
        assert "sends viruses" in said.replace("\n550 5.7.1 ", " ") and who in said
        other.hello()
        other.message(TEXT)
        with door.client(source=BAD) as fresh:
            fresh.hello()
            refused(fresh)
        resume(door, who)
        client.command("RSET", 250)
        client.message(TEXT)
    assert len(upstream.wait_for(3)) == 3


def test_session_in_the_middle_of_data_is_refused_at_the_final_dot(door):
    with door.client(source=BAD) as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(TEXT)
        suspend(door)
        client.send(b".\r\n")
        code, said = client.reply()
        assert code == 550 and "was suspended on" in said, said
        client.command("NOOP", 250)
    assert states(door) == {}


def test_session_in_the_middle_of_large_data_leaves_nothing(door):
    """Pieces of it are stored already."""
    with door.client(source=BAD) as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send(TEXT + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 8000)
        suspend(door)
        client.send(b".\r\n")
        assert client.reply()[0] == 550
    assert states(door) == {}


def test_session_in_the_middle_of_bdat_is_refused(door):
    with door.client(source=BAD) as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.send(b"BDAT %d\r\n" % len(TEXT) + TEXT)
        assert client.reply()[0] == 250
        suspend(door)
        client.send(b"BDAT 6 LAST\r\nlast\r\n")
        code, said = client.reply()
        assert code == 550 and "was suspended on" in said, said
    assert states(door) == {}


def test_account_is_suspended_wherever_it_logs_in_from(make_login):
    relay = make_login()
    with secured(relay) as client:
        client.command(f"AUTH PLAIN {plain('anna')}", 235)
        client.message(TEXT)
        suspend(relay, "account:anna", why="stolen password")
        said = refused(client)
        assert "account:anna" in said
        client.command("RSET", 250)
        with secured(relay) as other:
            other.message(TEXT)  # the same address, not logged in
        resume(relay, "account:anna")
        client.message(TEXT)


def test_grant_is_suspended_by_its_state(make_relay, upstream):
    relay = make_relay(upstream.port, networks='"192.0.2.0/24"')
    relay.command("grant", "add", "lab", "--network", BAD, "--owner", "o@example.edu")
    upstream.busy("banner")
    hand_over(relay, count=3)
    settled(relay)
    assert "3 messages held." in suspend(relay, "grant:lab")
    assert relay.api("/v1/grants/lab")["life"] == "suspended"
    with relay.client(source=BAD) as client:
        client.hello()
        refused(client)
    assert states(relay) == {"held suspended": 3}
    assert [s["who"] for s in relay.api("/v1/suspensions")["suspensions"]] == ["grant:lab"]
    upstream.open()
    assert "3 messages released." in resume(relay, "grant:lab")
    upstream.wait_for(3)
    assert relay.api("/v1/grants/lab")["life"] == "approved"


# ---- what is queued ----

def test_hold_keeps_what_is_queued_and_resume_gives_it_back(waiting, upstream):
    assert "5 messages held." in suspend(waiting)
    assert states(waiting) == {"held suspended": 5}
    message = waiting.messages(f"?client={BAD}")[0]
    shown = waiting.command("queue", "show", message["id"])
    assert f"{BAD} is suspended: sends viruses" in shown
    upstream.open()
    upstream.wait_for(2)
    wait_until(lambda: states(waiting, GOOD) == {}, what="the others' delivery")
    assert states(waiting) == {"held suspended": 5} and delivered(waiting) == 2
    assert "5 messages released." in resume(waiting)
    upstream.wait_for(7)
    waiting.wait_empty()


def test_purge_deletes_what_is_queued_of_all_clients_of_a_network(waiting, upstream):
    hand_over(waiting, "127.0.0.77")
    assert "7 messages deleted." in suspend(waiting, "127.0.0.8/31", "--purge")
    assert states(waiting) == {} and states(waiting, GOOD) == {}
    upstream.open()
    upstream.wait_for(1)
    waiting.wait_empty()
    assert upstream.count()["messages"] == 1


def test_purge_after_hold_deletes_what_was_held(waiting):
    suspend(waiting)
    assert "5 messages deleted." in suspend(waiting, how="--purge")
    assert states(waiting) == {} and states(waiting, GOOD) != {}
    assert waiting.api("/v1/suspensions")["suspensions"][0]["queue"] == "purge"


def test_what_two_suspensions_hold_waits_for_both(waiting, upstream):
    suspend(waiting)
    suspend(waiting, "127.0.0.8/30", why="the whole room")
    resume(waiting)
    assert states(waiting) == {"held suspended": 5}
    upstream.open()
    resume(waiting, "127.0.0.8/30")
    upstream.wait_for(7)


def test_what_an_operator_holds_or_releases_is_not_delivered_before_resume(waiting, upstream):
    held, released = [m["id"] for m in waiting.messages(f"?client={BAD}")][:2]
    waiting.command("queue", "hold", held)
    suspend(waiting)
    waiting.command("queue", "release", held, released)
    upstream.open()
    upstream.wait_for(2)
    wait_until(lambda: states(waiting) == {"held suspended": 5}, what="all held again")
    assert delivered(waiting) == 2
    resume(waiting)
    upstream.wait_for(7)


def test_kill_in_the_middle_goes_on_with_the_next_start(make_relay, upstream):
    relay = make_relay(upstream.port)
    upstream.busy("banner")
    hand_over(relay, count=300)
    hand_over(relay, GOOD, count=3)

    def ask():
        with contextlib.suppress(OSError, http.client.HTTPException):
            relay.request("POST", f"/v1/clients/{BAD}/suspend?queue=purge&reason=x")
    threading.Thread(target=ask, daemon=True).start()
    relay.wait_log("event=suspended_deleted")
    relay.kill()
    upstream.open()
    relay.start()
    relay.wait_empty()
    assert upstream.count()["messages"] == 3, "what was not deleted yet was not delivered instead"
    with relay.client(source=BAD) as client:
        client.hello()
        refused(client)


# ---- what is being worked on ----

class Stalls:
    """An upstream that waits at one point until it is told to go on; then it goes on as told."""

    def __init__(self, at, then="250 2.0.0 taken"):
        self.at, self.then = at, then
        self.reached, self.go = threading.Event(), threading.Event()
        self.whole, self.cut = [], 0

    def wait(self, point):
        if self.at == point and not self.go.is_set():
            self.reached.set()
            self.go.wait(30)

    def __call__(self, session):
        session.greet("8BITMIME")
        while (line := session.line()) is not None:
            if not line.startswith("DATA"):
                session.answer(line)
                continue
            self.wait("data")
            session.say("354 go on")
            lines = []
            while (got := session.file.readline()) not in (b".\r\n", b""):
                lines.append(got)
            if got == b"":
                self.cut += 1
                return
            self.wait("dot")
            self.whole.append(b"".join(lines))
            session.say(self.then if len(self.whole) == 1 else "250 2.0.0 taken")


@pytest.mark.parametrize("how", ["--hold", "--purge"])
def test_delivery_is_stopped_before_its_final_dot(make_relay, how):
    script = Stalls("data")
    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port)
        hand_over(relay)
        assert script.reached.wait(20)
        said = suspend(relay, how=how)
        assert "1 message with upstream" in said, said
        script.go.set()
        wait_until(lambda: script.cut == 1, what="the end of the connection")
        wait_until(lambda: states(relay) == ({"held suspended": 1} if how == "--hold" else {}), what="the queue")
        assert script.whole == [] and delivered(relay) == 0
        resume(relay)
        if how == "--hold":
            wait_until(lambda: len(script.whole) == 1, what="the delivery")
        relay.wait_empty()
        assert delivered(relay) == (how == "--hold")


@pytest.mark.parametrize("then, held", [("250 2.0.0 taken", False), ("450 4.3.0 not now", True)])
def test_what_upstream_has_whole_is_told_as_it_ends(make_relay, then, held):
    script = Stalls("dot", then)
    with ScriptedUpstream(script) as server:
        relay = make_relay(server.port)
        hand_over(relay)
        assert script.reached.wait(20)
        said = suspend(relay)
        assert "1 message with upstream" in said and "held." not in said, said
        script.go.set()
        if held:
            wait_until(lambda: states(relay) == {"held suspended": 1}, what="the hold")
            assert delivered(relay) == 0 and len(script.whole) == 1
        else:
            relay.wait_empty()
            assert delivered(relay) == 1 and len(script.whole) == 1


# ---- operators ----

def test_who_is_suspended_is_listed_counted_and_kept(door):
    assert door.command("client", "suspended", code=1) == "Nobody is suspended.\n"
    suspend(door, "2001:DB8:0:0::/64", why="a room")
    suspend(door, "account:anna", "--purge", "stolen")
    assert door.metric("sluice_suspensions") == 2
    door.stop()
    door.start()
    rows = {s["who"]: s for s in door.api("/v1/suspensions")["suspensions"]}
    assert set(rows) == {"2001:db8::/64", "account:anna"}
    assert rows["account:anna"]["queue"] == "purge" and not rows["account:anna"]["automatic"]
    assert rows["2001:db8::/64"]["reason"] == "a room" and rows["2001:db8::/64"]["by"]
    assert door.metric("sluice_suspensions") == 2
    assert "account:anna" in door.command("client", "suspended")
    first = door.api("/v1/suspensions?limit=1")
    assert [s["who"] for s in door.api(f"/v1/suspensions?limit=1&after={first['next']}")["suspensions"]] == ["account:anna"]
    resume(door, "2001:db8::/64")
    acts = [(e.get("client"), e["act"], e["why"]) for e in door.api("/v1/grants/log")["entries"]]
    assert acts[0][:2] == ("2001:db8::/64", "resume") and ("account:anna", "suspend", "stolen") in acts
    assert "account:anna" in door.command("grant", "log")


@pytest.mark.parametrize("words, hint, code", [
    (["suspend", BAD, "--reason", "x"], "--hold or --purge", 64),
    (["suspend", BAD, "--hold"], "--reason", 64),
    (["suspend", BAD, "--hold", "--purge", "--reason", "x"], "not both", 64),
    (["suspend", "printer", "--hold", "--reason", "x"], "account:NAME", 64),
    (["suspend", "10.0.0.1/8", "--hold", "--reason", "x"], "did you mean 10.0.0.0/8", 64),
    (["suspend", "grant:nobody", "--hold", "--reason", "x"], "no grant nobody", 1),
    (["suspend", "--hold", "--reason", "x"], "say who", 64),
    (["resume", BAD], "not suspended", 1)])
def test_mistakes_are_explained(relay, words, hint, code):
    assert hint in relay.command("client", *words, code=code)
    assert relay.api("/v1/suspensions")["suspensions"] == []

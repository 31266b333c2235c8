"""kill -9 at each stage of a message's way (F-1): what was acknowledged arrives, and nothing arrives in part."""
import email
import email.policy
import random
import re
import signal
import threading
import time

import pytest

import devices
from conftest import SANITIZED, wait_until
from scripted import ScriptedUpstream
from test_fragile_faults import check_canonical
from traced import Tracer, options

BODY = b"".join(b"line %d of a text that must arrive whole\r\n" % i for i in range(400))
BROKEN_BODY = b"".join(b"Z\xe4hler %d\nvon\r \0Haus\r\n" % i for i in range(400))


class Scene:
    """A relay between one client and an upstream that springs a trap at a stage."""

    def __init__(self, make_relay, body=BODY, **options):
        self.body = body
        self.acknowledged, self.unanswered = {}, {}
        self.trap_stage, self.trap, self.sprung = None, None, threading.Event()
        self.replies = {}  # stage → what is said there once
        self.server = ScriptedUpstream(self._serve)
        self.relay = make_relay(self.server.port, workers=1, **options)
        self.client = None

    def _reach(self, stage):
        if stage == self.trap_stage:
            self.trap_stage = None
            self.trap()
            self.sprung.set()

    def _serve(self, session):
        self._reach("connect")
        session.greet()
        while (line := session.line()) is not None:
            stage = line[:4].lower()
            self._reach(stage)
            if stage in self.replies and (stage != "rcpt" or "<b@" in line):
                session.say(self.replies.pop(stage))
            elif stage == "data" and session.recipients:
                session.say("354 go on")
                if (text := self._read_text(session)) is None:
                    return
                self._reach("dot")
                self.server.messages.append((session.sender, list(session.recipients), text))
                session.say("250 2.0.0 taken")
            else:
                session.answer(line)

    @staticmethod
    def _read_text(session):
        lines = []
        while (line := session.file.readline()) != b".\r\n":
            if not line.endswith(b"\n"):
                return None  # cut off: not a message
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def at(self, stage, trap):
        self.trap_stage, self.trap = stage, trap

    def wait_sprung(self):
        assert self.sprung.wait(20), "the trap was not reached"

    def transaction(self, upto, key="one"):
        """A client's transaction as far as it says; returns the text that is left to send."""
        text = f"Subject: {key}\r\n\r\n".encode() + self.body
        self.client = self.relay.client()
        self.client.hello()
        for verb, line, code in (("mail", "MAIL FROM:<a@example.com>", 250), ("rcpt", "RCPT TO:<b@example.org>", 250), ("data", "DATA", 354)):
            self.client.command(line, code)
            if verb == upto:
                break
        return text + b".\r\n"

    def accept(self, key="one"):
        """A message that is acknowledged."""
        text = self.transaction("data", key)
        self.client.send(text)
        self.client.expect(250)
        self.acknowledged[key] = text[:-3]

    def send_unanswered(self, text):
        self.unanswered["one"] = text[:-3]
        self.client.send(text)

    def wait_killed(self):
        assert self.relay.process.wait(20) == -signal.SIGKILL

    def kill_at_commit(self, number=1):
        """The next commit but number - 1 does not reach the disk."""
        return lambda: Tracer(self.relay, "fdatasync", "KILL", number)

    def stop_behind_commit(self):
        """The next commit is on the disk, and nobody has been told."""
        def trap():
            self.tracer = Tracer(self.relay, "pwrite64", "STOP")
        return trap

    def kill_stopped(self):
        self.tracer.wait_stopped()
        self.relay.kill()

    def texts(self, sender="<a@example.com>"):
        found = {}
        for mail, _, text in self.server.messages:
            if sender in mail:
                body = text[text.index(b"Subject: "):]
                found.setdefault(re.match(rb"Subject: (\S+)", body).group(1).decode(), []).append(body)
        return found


# ---- the stages: each brings the relay there, ends it, and returns how often "one" arrives then (None: 0 or 1 times) ----

def idle(scene):
    scene.accept()
    wait_until(lambda: scene.texts(), what="its delivery")
    scene.relay.wait_empty()
    scene.relay.kill()
    return 1


def after_mail(scene):
    scene.transaction("mail")
    scene.relay.kill()
    return 0


def after_rcpt(scene):
    scene.transaction("rcpt")
    scene.relay.kill()
    return 0


def in_data(scene):
    text = scene.transaction("data")
    scene.client.send(text[:len(text) // 2])
    wait_until(lambda: scene.relay.metric("sluice_smtpd_receiving") == 1, what="the text under way")
    scene.relay.kill()
    return 0


def after_dot_before_commit(scene):
    text = scene.transaction("data")
    scene.kill_at_commit()()
    scene.send_unanswered(text)
    scene.wait_killed()
    return 0


def between_commit_and_250(scene):
    text = scene.transaction("data")
    scene.stop_behind_commit()()
    scene.send_unanswered(text)
    scene.kill_stopped()
    return 1


def at_the_250(scene):
    text = scene.transaction("data")
    Tracer(scene.relay, "sendmsg", "KILL")
    scene.send_unanswered(text)
    scene.wait_killed()
    assert scene.client.is_closed()
    return 1


def in_scan(scene):
    text = scene.transaction("data")
    scene.kill_at_commit(2)()  # the first is the message's, the second its verdict's
    scene.client.send(text)
    scene.client.expect(250)
    scene.acknowledged["one"] = text[:-3]
    scene.wait_killed()
    return 1


def at_upstream(stage, times):
    def run(scene):
        scene.at(stage, scene.relay.kill)
        scene.accept()
        scene.wait_sprung()
        return times
    run.__name__ = f"upstream_{stage}"
    return run


def after_upstreams_250_before_the_outcome(scene):
    scene.at("dot", scene.kill_at_commit())
    scene.accept()
    scene.wait_killed()
    return 2  # law 7: here a second copy cannot be helped


def after_the_outcome(scene):
    scene.at("dot", scene.stop_behind_commit())
    scene.accept()
    scene.wait_sprung()
    scene.kill_stopped()
    return 1


def in_deferral(scene):
    scene.replies["rcpt"] = "450 4.2.0 later"
    scene.at("rcpt", scene.kill_at_commit())
    scene.accept()
    scene.wait_killed()
    return 1


def in_bounce_creation(scene):
    scene.replies["rcpt"] = "550 5.1.1 nobody here"
    scene.at("rcpt", scene.kill_at_commit())
    scene.accept()
    scene.wait_killed()
    scene.replies["rcpt"] = "550 5.1.1 nobody here"
    return "bounce"


def after_bounce_creation(scene):
    scene.replies["rcpt"] = "550 5.1.1 nobody here"
    scene.at("rcpt", scene.stop_behind_commit())
    scene.accept()
    scene.wait_sprung()
    scene.kill_stopped()
    return "bounce"


def in_startup_recovery(scene):
    text = scene.transaction("data")
    scene.client.send(text[:-3] * 300)  # in pieces to the store, and never ended
    wait_until(lambda: scene.relay.api("/v1/status")["store"]["used_bytes"] > 2_000_000, what="a text in the store")
    scene.relay.kill()
    out = scene.relay.folder / "trace"
    for number in (1, 2):  # a kill in the sweep of the kill before
        scene.relay.start(wait=False, wrapper=["strace", "-D", *options(out, "fdatasync", "KILL", number)[1:]])
        scene.wait_killed()
    return 0


def in_the_drain_after_sigterm(scene):
    scene.accept("before")
    text = scene.transaction("data")
    scene.client.send(text[:-3])
    scene.relay.process.send_signal(signal.SIGTERM)
    scene.relay.wait_log("event=stopping")
    scene.relay.kill()
    return 0


STAGES = [idle, after_mail, after_rcpt, in_data, after_dot_before_commit, between_commit_and_250, at_the_250, in_scan,
          at_upstream("connect", 1), at_upstream("mail", 1), at_upstream("rcpt", 1), at_upstream("data", 1), at_upstream("dot", 2),
          after_upstreams_250_before_the_outcome, after_the_outcome, in_deferral, in_bounce_creation, after_bounce_creation,
          in_startup_recovery, in_the_drain_after_sigterm]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_kill_9(make_relay, stage):
    scene = Scene(make_relay)
    with scene.server:
        expected = stage(scene)
        assert scene.relay.process.poll() == -signal.SIGKILL
        scene.relay.start()
        wait_until(lambda: all(key in scene.texts() for key in scene.acknowledged) or expected == "bounce", what="acknowledged mail")
        scene.relay.wait_empty()
        if stage is in_startup_recovery:
            scene.relay.wait_log("event=swept texts=1")
    for key, bodies in scene.texts().items():
        assert all(body == {**scene.acknowledged, **scene.unanswered}[key] for body in bodies), f"{key} arrived changed"
    bounces = [text for mail, to, text in scene.server.messages if mail.startswith("MAIL FROM:<>") and "<a@example.com>" in to[0]]
    if expected == "bounce":
        assert len(bounces) == 1 and b"550 5.1.1" in bounces[0] and not scene.texts()
    else:
        assert not bounces and len(scene.texts().get("one", [])) == expected


# ---- what devices get wrong: the plan that repairs it is as durable as the text ----

BROKEN_STAGES = [after_dot_before_commit, between_commit_and_250, in_scan, at_upstream("data", 1), after_upstreams_250_before_the_outcome,
                 after_the_outcome]


def repaired(text):
    message = email.message_from_bytes(text, policy=email.policy.default)
    return message["Subject"], message.get_content().replace("\r\n", "\n")


@pytest.mark.parametrize("stage", BROKEN_STAGES, ids=lambda stage: stage.__name__)
def test_kill_9_leaves_repairs_whole(make_relay, stage):
    scene = Scene(make_relay, BROKEN_BODY, profile="fragile")
    with scene.server:
        expected = stage(scene)
        assert scene.relay.process.poll() == -signal.SIGKILL
        scene.relay.start()
        wait_until(lambda: all(key in scene.texts() for key in scene.acknowledged), what="acknowledged mail")
        scene.relay.wait_empty()
    bodies = scene.texts().get("one", [])
    assert len(bodies) == expected
    for _, _, text in scene.server.messages:
        check_canonical(stage.__name__, text)
    for body in bodies:
        assert repaired(body) == ("one", "".join(f"Z\xe4hler {i}\nvon\n Haus\n" for i in range(400)))


def test_kill_9_again_and_again_under_devices(make_relay, upstream):
    """What a device was told 250 for arrives, repaired, and each copy of it alike; also where it had not heard the first 250."""
    relay = make_relay(upstream.port, profile="fragile", upstream="max_messages = 20")
    kinds = [devices.no_header, devices.odd_bytes, devices.endless_lines, devices.bad_header, devices.large_scan, devices.chunks,
             devices.lone_line_feeds, devices.gone_after_the_dot]
    crowd = [devices.Device(number, kind, relay.port, 0.01) for number, kind in enumerate(kinds)]
    chance = random.Random(5)
    try:
        for _ in range(6 if SANITIZED else 12):
            time.sleep(chance.uniform(0.05, 0.5))
            relay.kill()
            relay.start()
    finally:
        for device in crowd:
            device.stopping = True
        for device in crowd:
            device.join(2 * devices.PATIENCE)
    assert not {device.kind.__name__: device.failures for device in crowd if device.failures}
    relay.wait_empty(60)
    copies = {}
    for text in upstream.texts():
        check_canonical("a copy", text)
        for mark in devices.marks_in(text):
            copies.setdefault(mark, set()).add(without_what_is_its_own(text))
    for device in crowd:
        assert len(device.acknowledged) > 3, device.kind.__name__
        assert not [mark for mark in device.acknowledged if mark not in copies], device.kind.__name__
        for mark in device.acknowledged:
            assert len(copies[mark]) == 1, copies[mark]


def without_what_is_its_own(text):
    """Ids and times: a copy that was handed over twice has others; and a scan is as long as it is."""
    text = text.replace(b"A" * 76 + b"\r\n", b"")
    header, body = text.split(b"\r\n\r\n", 1)
    fields = re.sub(rb"\r\n[ \t]+", b" ", header).split(b"\r\n")
    return b"\r\n".join(field for field in fields if not re.match(rb"(?i)(Received|Date|Message-ID):", field)), body

"""Law 5, all at once: whatever happens behind the relay or to it, twenty fragile devices that send all the while see no 4xx.

The short form goes through every fault once; SLUICE_LONG=1 takes ten minutes more of them (SLUICE_LONG=90 so
many seconds), in any order, the upstream's beside the relay's own.
There are no scanners outside of the daemon in this version: that they are missing is its scan threads standing still.
"""
import concurrent.futures
import contextlib
import os
import random
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

import devices
from conftest import BUILD, PATIENCE, SANITIZED, wait_until

LONG_SECONDS = int(os.environ.get("SLUICE_LONG") or 0)
LONG_SECONDS = 600 if LONG_SECONDS == 1 else LONG_SECONDS
DWELL = 3.0 if SANITIZED else 1.3  # seconds that a fault lasts
STAGES = ["banner", "ehlo", "mail", "rcpt", "data", "dot"]
JOB_RING = 1024  # core/daemon.c
FAST = "connect_timeout = 700ms  command_timeout = 700ms  data_timeout = 2s  dot_timeout = 1s  max_messages = 20  max_connections = 12"


class Stage:
    """The relay behind a listening socket that outlives it, the upstream, and the faults."""

    def __init__(self, relay, upstream):
        self.relay, self.upstream = relay, upstream
        self.listener = socket.create_server(("127.0.0.1", relay.port), backlog=4096)
        self.launch()
        self.done = []

    def launch(self):
        """systemd's protocol: the socket is descriptor 3."""
        fd = self.listener.fileno()
        script = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); "
                  "os.execv(sys.argv[2], sys.argv[2:])")
        with self.relay.log_path.open("ab") as log:
            self.relay.process = subprocess.Popen(
                ["/usr/bin/python3", "-c", script, str(fd), BUILD / "sluiced", "-c", self.relay.config], pass_fds=[fd],
                stdin=subprocess.DEVNULL, stderr=log)
        wait_until(self.answers, what="the relay's start")

    def answers(self):
        with contextlib.suppress(OSError):
            return self.relay.request("GET", "/v1/status")[0] == 200
        return False

    # ---- faults of the upstream: each lasts a while, and is taken back ----

    def _upstream(self, order):
        before = self.upstream.count()["refusals"]
        self.upstream.order(order)
        time.sleep(DWELL)
        if order != "refuse" and order != "drop":  # what goes through may rest just then
            wait_until(lambda: self.upstream.count()["refusals"] > before, what=f"a delivery that meets {order!r}")
        self.upstream.open()

    def busy(self):
        for stage in STAGES:
            yield lambda stage=stage: self._upstream(f"busy {stage}")

    def hanging(self):
        for stage in ("banner", "rcpt", "dot"):
            yield lambda stage=stage: self._upstream(f"hang {stage}")

    def refused(self):
        yield lambda: self._upstream("refuse")

    def dropping(self):
        def drop():
            seen = len(self.upstream.events)
            self.upstream.order("drop")
            wait_until(lambda: any(" dropped " in event for event in self.upstream.events[seen:]), what="a lost connection behind the dot")
            self.upstream.open()
        yield drop

    # ---- faults of the relay's own ----

    def threads(self, wanted):
        return [task for task in os.listdir(f"/proc/{self.relay.process.pid}/task") if wanted(task)]

    def is_scanner(self, task):
        """They are the ones at nice 5 (docs/architecture.md)."""
        stat = open(f"/proc/{self.relay.process.pid}/task/{task}/stat", encoding="ascii").read()
        return stat.rsplit(") ", 1)[1].split()[16] == "5"

    def workers(self):
        """The threads that write banners."""
        out = self.relay.folder / "workers"
        tracer = self.trace(["-f", "-p", str(self.relay.process.pid), "-o", str(out), "-e", "trace=sendto,write,sendmsg"])
        wait_until(lambda: len(set(re.findall(r'(?m)^(\d+) +\w+\(\d+, [^"]*"220 ', out.read_text(errors="replace")))) == 2, what="both workers")
        self.release([tracer])
        return sorted(set(re.findall(r'(?m)^(\d+) +\w+\(\d+, [^"]*"220 ', out.read_text(errors="replace"))))

    def trace(self, arguments):
        errors = self.relay.folder / "strace.err"
        errors.write_text("")
        with errors.open("ab") as file:
            process = subprocess.Popen(["strace", *arguments], stderr=file, stdin=subprocess.DEVNULL)
        wait_until(lambda: "attached" in errors.read_text(), what="strace at work")
        return process

    def hold(self, tasks, call):
        """These threads stand still at the next such call of theirs."""
        return [self.trace(["-p", task, "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:delay_enter=60s"]) for task in tasks]

    @staticmethod
    def release(tracers):
        for tracer in tracers:
            tracer.send_signal(signal.SIGINT)
        for tracer in tracers:
            tracer.wait(20)

    def scanners_missing(self):
        def hold():
            tracers = self.hold(self.threads(self.is_scanner), "futex")
            assert len(tracers) == 2
            wait_until(lambda: self.relay.api("/v1/queue")["states"]["scanning"] > 100, what="mail that waits for the scanners")
            self.release(tracers)
        yield hold

    def full_ring(self):
        """The workers stand still while more clients come than the job ring holds; then all of them are served."""
        def hold():
            tracers = self.hold(self.workers(), "epoll_wait,epoll_pwait,epoll_pwait2")
            crowd = []
            try:
                for number in range(JOB_RING + 200):
                    crowd.append(socket.create_connection(("127.0.0.1", self.relay.port), PATIENCE,
                                                          source_address=(f"127.0.6.{1 + number % 50}", 0)))
                time.sleep(DWELL)
                self.release(tracers)
                for sock in crowd:
                    assert sock.recv(4) == b"220 "
            finally:
                for sock in crowd:
                    sock.close()
        yield hold

    def reload(self, **changes):
        before = self.relay.log().count("event=reloaded")
        self.relay.write_config(**changes)
        self.relay.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.relay.log().count("event=reloaded") > before, what="the reload")

    def reloads(self):
        for listen in ("max_bad_commands = 30", ""):
            yield lambda listen=listen: self.reload(listen=listen)

    def limits(self):
        """Fewer places than devices: they wait in the backlog, or before the banner."""
        def narrow(limit):
            self.reload(listen=limit)
            time.sleep(DWELL)
            self.reload(listen="")
        yield lambda: narrow("max_connections = 12")
        yield lambda: narrow("max_connections_per_address = 1")

    def restart(self):
        def again():
            self.check_metrics()
            assert self.relay.stop() == 0
            time.sleep(1)  # while the devices wait in the backlog
            self.launch()
        yield again

    # ---- all of them ----

    def check_metrics(self):
        assert self.relay.metric('sluice_smtpd_replies_total{code_class="4xx"}') == 0
        assert set(self.relay.refusals()) <= {"stopping"}

    def run_all(self):
        for fault in [fault for kind in (self.busy, self.refused, self.hanging, self.dropping, self.scanners_missing, self.reloads,
                                         self.full_ring, self.limits, self.restart) for fault in kind()]:
            fault()

    def run_long(self, seconds):
        """What happens to the upstream, and beside it what happens to the relay, each in any order."""
        end = time.monotonic() + seconds

        def run(seed, kinds):
            chance = random.Random(seed)
            while time.monotonic() < end:
                faults = [fault for kind in kinds for fault in kind()]
                chance.shuffle(faults)
                for fault in faults:
                    fault()
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            behind = beside.submit(run, 1, [self.busy, self.refused, self.hanging, self.dropping])
            run(2, [self.scanners_missing, self.reloads, self.limits, self.restart, self.full_ring])
            behind.result()

    def close(self):
        self.listener.close()


@pytest.fixture
def stage(make_relay, upstream):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit[0], min(4096, limit[1])), limit[1]))
    relay = make_relay(upstream.port, start=False, profile="fragile", upstream=FAST, max_size="2GB")
    stage = Stage(relay, upstream)
    yield stage
    stage.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def test_no_device_ever_sees_4xx(stage):
    crowd = [devices.Device(number, kind, stage.relay.port, 0.2 if LONG_SECONDS else 0.03) for number, kind in enumerate(devices.KINDS)]
    assert len(crowd) >= 20
    try:
        wait_until(lambda: all(len(device.acknowledged) >= 1 or device.failures for device in crowd), what="each device's first message")
        stage.run_all()
        if LONG_SECONDS:
            stage.run_long(LONG_SECONDS)
        stage.upstream.open()
    finally:
        for device in crowd:
            device.stopping = True
        for device in crowd:
            device.join(2 * devices.PATIENCE)
    failures = {device.kind.__name__: sorted(set(device.failures)) for device in crowd if device.failures}
    assert not failures
    stage.relay.wait_empty(180)
    stage.check_metrics()
    check_arrived(stage.upstream, crowd)
    waits = sorted(wait for device in crowd for wait in device.banners)
    assert waits[-1] > 0.9, "devices waited in the backlog"
    print(f"{sum(len(device.acknowledged) for device in crowd)} acknowledged, {sum(device.closes for device in crowd)} closed without a word, "
          f"longest wait for a banner {waits[-1]:.1f} s")


def check_arrived(upstream, crowd):
    """What was acknowledged is there; twice only what the upstream took and did not say so."""
    dropped = {int(event.split("n=")[1]) for event in upstream.events if " dropped n=" in event}
    assert dropped
    copies = {}
    for path in upstream.keep.glob("*.eml"):
        text = path.read_bytes()
        check_canonical(path.name, text)
        for mark in devices.marks_in(text):
            copies.setdefault(mark, []).append(int(path.stem))
    for device in crowd:
        assert len(device.acknowledged) >= 3, device.kind.__name__
        lost = [mark for mark in device.acknowledged if mark not in copies]
        assert not lost, f"{len(lost)} of {device.kind.__name__} are lost: {lost[:5]}"
    twice = {mark: numbers for mark, numbers in copies.items() if len([n for n in numbers if n not in dropped]) > 1}
    assert not twice, f"{len(twice)} came twice: {list(twice.items())[:5]}"


def check_canonical(name, text):
    """What devices get wrong ends here."""
    header, body = text.split(b"\r\n\r\n", 1)
    assert b"\0" not in text, name
    assert b"\n" not in text.replace(b"\r\n", b"") and b"\r" not in text.replace(b"\r\n", b""), name
    assert max(len(line) for line in text.split(b"\r\n")) <= 998, name
    names = [match.lower() for match in re.findall(rb"(?m)^([!-9;-~]+):", header)]
    for wanted in (b"from", b"date", b"message-id"):
        assert names.count(wanted) == 1, (name, wanted, header)
    assert b"bcc" not in names, name
    assert max(header) < 128, (name, header)
    assert max(body, default=0) < 128 or b"mime-version" in names, (name, header)

"""250 means durable: kill -9 at any moment, a full disk, a failing disk; nothing acknowledged is lost, nothing refused appears."""
import contextlib
import mmap
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import threading
import time

import pytest

import lmdb_edit
import traced
from conftest import BUILD, SANITIZED, TEXT, Smtp, Upstream, free_port, wait_until

SHORT, EINTR = 4, 5  # tests/faults/faults.h
KILLS = 6 if SANITIZED else 20


class Load:
    """Clients that hand over numbered messages for ever, reconnect when the relay dies, and remember every 250."""

    def __init__(self, port, clients=8):
        self.port, self.acknowledged, self.sent, self.refused = port, {}, 0, []
        self.stopping, self.lock = False, threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def _run(self, number):
        chance = random.Random(number)
        serial = 0
        while not self.stopping:
            with contextlib.suppress(OSError, EOFError), Smtp(self.port) as client:
                client.sock.settimeout(10)
                client.hello()
                while not self.stopping:
                    serial += 1
                    key = f"{number}-{serial}"
                    size = chance.choice([10, 500, 4000, 60_000, 300_000]) if chance.random() < 0.2 else 800
                    text = f"Subject: {key}\r\n\r\n".encode() + (b"%d" % serial * 20 + b"\r\n") * (size // 40 + 1)
                    try:
                        client.message(text)
                    except AssertionError as refusal:
                        self.refused.append(str(refusal))
                        break
                    with self.lock:
                        self.acknowledged[key] = text
            time.sleep(0.02)

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(30)


def check_all_arrived(load, texts):
    """Every acknowledged message is at the upstream, byte-identical behind its trace field."""
    arrived = {}
    for text in texts:
        body = text[text.index(b"Subject: "):]
        key = re.match(rb"Subject: (\S+)", body).group(1).decode()
        arrived.setdefault(key, []).append(body)
    missing = [key for key in load.acknowledged if key not in arrived]
    assert not missing, f"{len(missing)} of {len(load.acknowledged)} acknowledged messages are lost: {missing[:5]}"
    for key, text in load.acknowledged.items():
        assert all(body == text for body in arrived[key]), f"{key} arrived changed"
    return arrived


def test_kill_9_under_load_loses_nothing(make_relay, upstream):
    relay = make_relay(upstream.port)
    load = Load(relay.port)
    chance = random.Random(2)
    restarts = []
    for _ in range(KILLS):
        time.sleep(0.2 + chance.random() * 0.4)
        relay.kill()
        began = time.monotonic()
        relay.start()
        restarts.append(time.monotonic() - began)
    time.sleep(0.5)
    load.stop()
    relay.wait_empty(120)
    assert not load.refused, load.refused[:3]
    assert len(load.acknowledged) > 10 * KILLS
    check_all_arrived(load, upstream.texts())
    quick = sorted(restarts)[len(restarts) // 4]  # the others may have met a machine that was busy
    print(f"{KILLS} kills, {len(load.acknowledged)} acknowledged, a quarter of the restarts to banner within {quick:.3f} s")
    if not SANITIZED:
        assert quick < 0.3


def test_kill_9_while_upstream_is_busy_keeps_the_queue(make_relay, upstream):
    relay = make_relay(upstream.port)
    upstream.busy("rcpt")
    load = Load(relay.port, 4)
    for _ in range(4):
        time.sleep(0.4)
        relay.kill()
        relay.start()
    load.stop()
    queued = relay.api("/v1/queue")["messages"]
    assert queued >= len(load.acknowledged)
    upstream.open()
    relay.wait_empty(120)
    check_all_arrived(load, upstream.texts())


def test_kill_twice_in_a_row_right_after_start(make_relay, upstream):
    relay = make_relay(upstream.port)
    upstream.busy("banner")
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
    for pause in (0.0, 0.01, 0.03, 0.1):
        relay.kill()
        relay.start(wait=False)
        time.sleep(pause)
    relay.kill()
    upstream.open()
    relay.start()
    upstream.wait_for(1)
    relay.wait_empty()


def test_texts_without_an_envelope_are_swept_after_a_crash(make_relay, upstream):
    relay = make_relay(upstream.port)
    clients = []
    for _ in range(5):
        client = relay.client()
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        client.send((b"x" * 70 + b"\r\n") * 40_000)
        clients.append(client)
    used = wait_until(lambda: relay.api("/v1/status")["store"]["used_bytes"] > 5_000_000, what="the texts in the store")
    relay.kill()
    relay.start()
    with relay.client() as client:
        client.hello()
        client.message(TEXT)  # intake works while the sweep goes on
    wait_until(lambda: re.search(r"event=swept texts=5", relay.log()), what="the sweep")
    assert used
    upstream.wait_for(1)


@pytest.mark.parametrize("differs", ["nothing", "sockets"])
def test_a_second_daemon_on_the_same_data_is_refused(make_relay, upstream, differs):
    relay = make_relay(upstream.port)
    second = relay.folder / "second.conf"
    text = relay.config.read_text()
    if differs == "sockets":
        text = text.replace(str(relay.port), str(free_port())).replace("admin.sock", "second.sock")
    second.write_text(text)
    relay.process.send_signal(signal.SIGSTOP)  # what changes now, the second one changes
    before = (relay.folder / "data" / "data.mdb").read_bytes()
    done = subprocess.run([BUILD / "sluiced", "-c", second], capture_output=True, text=True, timeout=20, check=False)
    after = (relay.folder / "data" / "data.mdb").read_bytes()
    relay.process.send_signal(signal.SIGCONT)
    assert done.returncode == 73
    assert f"in use by another Sluice, process {relay.process.pid}" in done.stderr, done.stderr
    assert after == before
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
    upstream.wait_for(1)
    relay.wait_empty()  # its admin socket is its own still


def test_a_newer_schema_is_refused_and_left_alone(make_relay, upstream):
    relay = make_relay(upstream.port)
    upstream.busy("banner")
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
    assert relay.stop() == 0
    data = relay.folder / "data"
    lmdb_edit.put(data, "state", b"schema", (2).to_bytes(4, "big"))
    before = (data / "data.mdb").read_bytes()
    relay.start(wait=False)
    assert relay.process.wait(20) == 73
    assert "the store has schema 2, and this version of Sluice reads schema 1" in relay.log().splitlines()[-1]
    assert (data / "data.mdb").read_bytes() == before
    lmdb_edit.put(data, "state", b"schema", (1).to_bytes(4, "big"))
    relay.start()
    upstream.open()
    upstream.wait_for(1)


def test_every_start_syncs_the_directories_of_the_store(make_relay, upstream):
    """A first start may have been killed between the rename that shows the store and the sync that keeps it."""
    relay = make_relay(upstream.port, start=False)
    out = relay.folder / "trace"
    relay.start(wait=False, wrapper=["strace", "-D", *traced.options(out, "fsync", "KILL", 2)[1:]])
    relay.process.wait(20)
    assert (relay.folder / "data" / "data.mdb").exists(), "killed behind the rename"
    relay.start(wrapper=["strace", "-D", "-f", "-y", "-o", out, "-e", "trace=fsync"])
    assert re.findall(r"fsync\(\d+<(.*?)>\) += 0", out.read_text()) == [str(relay.folder), str(relay.folder / "data")]
    relay.kill()  # a leak checker cannot run under strace


@pytest.mark.parametrize("profile", ["standard", "fragile"])
def test_a_full_store_is_answered_and_recovers(make_relay, upstream, profile):
    """The map is full: no false 250, deliveries go on, and mail is taken again once there is room."""
    relay = make_relay(upstream.port, profile=profile, max_size="16MB", listen="full_store_patience = 3s")
    upstream.busy("banner")
    text = TEXT + (b"x" * 70 + b"\r\n") * 10_000
    stored = 0
    refusal = None
    with relay.client() as client:
        client.sock.settimeout(30)
        client.hello()
        for _ in range(60):
            client.send("MAIL FROM:<a@example.com>\r\n")
            code, reply = client.reply()
            if code == 250:
                client.command("RCPT TO:<b@example.org>", 250)
                client.command("DATA", 354)
                client.send(text + b".\r\n")
                code, reply = client.reply()
            if code != 250:
                refusal = reply
                break
            stored += 1
    assert refusal and refusal.startswith("452"), refusal
    assert "4.3.1" in refusal and stored >= 5
    upstream.open()
    assert len(upstream.wait_for(stored)) == stored
    relay.wait_empty()

    def taken():
        with relay.client() as again:
            again.hello()
            again.send("MAIL FROM:<a@example.com>\r\n")
            return again.reply()[0] == 250
    wait_until(taken, what="room again")
    assert upstream.count()["messages"] == stored


def test_a_fragile_client_waits_for_room_and_gets_its_250(make_relay, upstream):
    relay = make_relay(upstream.port, profile="fragile", max_size="16MB", listen="full_store_patience = 60s")
    upstream.busy("banner")
    text = TEXT + (b"x" * 70 + b"\r\n") * 10_000
    results = []

    def send_all():
        with relay.client() as client:
            client.sock.settimeout(90)
            client.hello()
            for _ in range(40):
                client.message(text)
                results.append(250)

    thread = threading.Thread(target=send_all, daemon=True)
    thread.start()
    wait_until(lambda: "event=store_full" in relay.log(), what="a full store")
    time.sleep(1.5)
    before = len(results)
    assert before < 40
    upstream.open()
    thread.join(90)
    assert len(results) == 40, "every one got 250, none a 4xx"
    upstream.wait_for(40, 60)


@pytest.mark.parametrize("fault", ["fdatasync:EIO", "pwrite:ENOSPC", "pwrite:EIO"])
def test_a_failing_disk_never_gives_a_false_250(make_relay, upstream, fault):
    """strace makes some of the daemon's disk writes fail; what was acknowledged is there, what was refused is not."""
    call, error = fault.split(":")
    names = {"fdatasync": "fdatasync,msync", "pwrite": "pwrite64,pwritev,writev"}[call]
    relay = make_relay(upstream.port, start=False)
    relay.start()
    relay.stop()  # the store exists
    upstream.busy("banner")
    out = relay.folder / "strace.out"
    relay.start(wrapper=("strace", "-f", "-qq", "-o", out, "-e", f"trace={names}", "-e",
                         f"inject={names}:error={error}:when=40..400+9"))
    load = Load(relay.port, 4)
    time.sleep(6)
    load.stop()
    assert "INJECTED" in out.read_text(errors="replace"), "the fault was really there"
    tracer = relay.process
    children = pathlib_children(tracer.pid)
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, 9)
    tracer.wait(20)
    upstream.open()
    relay.start()
    relay.wait_empty(60)
    arrived = check_all_arrived(load, upstream.texts())
    assert len(load.acknowledged) > 20
    assert len(arrived) <= len(load.acknowledged) + 4 * 8, "only what was cut off unanswered may be there beside"


def pathlib_children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


@pytest.mark.parametrize("kind", [EINTR, SHORT], ids=["interrupted", "short"])
def test_interrupted_and_short_writes_lose_nothing(make_relay, upstream, folder, kind):
    """A library before libc makes calls on the store's file end early, a few in each burst (F-12)."""
    control = folder / "faults"
    control.write_bytes(bytes(40))
    library = BUILD / "tests" / "faults" / "libfaults.so"
    if SANITIZED:  # the sanitizer's own library must come first
        first = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
        library = f"{first} {library}"
    relay = make_relay(upstream.port, environment={"LD_PRELOAD": str(library), "FAULTS_CONTROL": str(control)})
    load = Load(relay.port, 4)
    with control.open("r+b") as file, mmap.mmap(file.fileno(), 40) as faults:
        def seen_and_hit():
            return struct.unpack_from("II", faults, 12)
        for burst in range(12):
            acknowledged, struck_before, first = len(load.acknowledged), seen_and_hit()[1], 0

            def struck():
                """Armed a few calls ahead, and again where the relay was past them before they were armed."""
                nonlocal first
                seen, hit = seen_and_hit()
                if hit == struck_before and seen >= first + 4:
                    first = seen + 1 + burst % 5
                    struct.pack_into("III", faults, 0, first, 1 + burst % 4, kind)
                return hit > struck_before

            wait_until(struck, what="the fault")
            wait_until(lambda: len(load.acknowledged) > acknowledged + 5, what="mail behind the fault")
        assert seen_and_hit()[1] >= 12
    load.stop()
    assert not load.refused, load.refused[:3]
    relay.wait_empty()
    check_all_arrived(load, upstream.texts())


def test_a_file_size_limit_is_a_full_disk(make_relay, upstream):
    """ulimit -f: the write behind the limit fails, and its signal does not end the relay (F-6)."""
    relay = make_relay(upstream.port, start=False, listen="full_store_patience = 1s")
    relay.start(wrapper=["/bin/bash", "-c", 'ulimit -f 8192; exec "$0" "$@"'])
    upstream.busy("banner")
    load = Load(relay.port, 4)
    wait_until(lambda: load.refused, what="the limit")
    load.stop()
    assert all(refusal.startswith("452 4.3.1") for refusal in load.refused), load.refused[:3]
    assert relay.process.poll() is None
    upstream.open()
    relay.wait_empty()
    arrived = check_all_arrived(load, upstream.texts())
    assert len(arrived) == len(load.acknowledged), "what was refused is not there"


def test_a_backup_of_the_running_store_holds_what_was_acknowledged(make_relay, upstream, folder):
    """mdb_copy while mail comes in (F-41): the copy opens, and brings everything that is older than itself."""
    relay = make_relay(upstream.port)
    upstream.busy("banner")
    load = Load(relay.port, 4)
    wait_until(lambda: len(load.acknowledged) > 200, what="acknowledged messages")
    with load.lock:
        older = dict(load.acknowledged)
    restored = make_relay(upstream.port, start=False)
    (restored.folder / "data").mkdir(mode=0o700)
    subprocess.run(["mdb_copy", relay.folder / "data", restored.folder / "data"], check=True)
    wait_until(lambda: len(load.acknowledged) > len(older) + 100, what="mail behind the backup")
    load.stop()
    relay.kill()
    restored.start()
    upstream.open()
    restored.wait_empty(60)
    load.acknowledged = older
    check_all_arrived(load, upstream.texts())


def test_a_disk_that_is_really_full(make_relay, upstream, folder):
    """The store on a small file system of its own, filled by somebody else; as root only, since it is mounted."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    image, mount = folder / "image", folder / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    try:
        relay = make_relay(upstream.port, start=False, max_size="1GB", listen="full_store_patience = 1s")
        relay.config.write_text(relay.config.read_text().replace(f'"{relay.folder}/data"', f'"{mount}/data"'))
        relay.start()
        upstream.busy("banner")
        text = TEXT + (b"x" * 70 + b"\r\n") * 5000
        stored, refusal = 0, None
        with relay.client() as client:
            client.sock.settimeout(30)
            client.hello()
            while refusal is None and stored < 400:
                client.send("MAIL FROM:<a@example.com>\r\n")
                code, reply = client.reply()
                if code == 250:
                    client.command("RCPT TO:<b@example.org>", 250)
                    client.command("DATA", 354)
                    client.send(text + b".\r\n")
                    code, reply = client.reply()
                if code != 250:
                    refusal = reply
                else:
                    stored += 1
        assert refusal.startswith("452") or refusal.startswith("451"), refusal
        with contextlib.suppress(OSError), (mount / "other").open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 65536)
        relay.kill()
        relay.start()  # on a full disk
        upstream.open()
        upstream.wait_for(stored, 60)
        relay.wait_empty(60)
        assert "event=settle_waits" not in relay.log(), "no room for an outcome"
        (mount / "other").unlink()

        def taken():
            with relay.client() as again:
                again.hello()
                again.send("MAIL FROM:<a@example.com>\r\n")
                return again.reply()[0] == 250
        wait_until(taken, what="room again")
        assert relay.stop() == 0
    finally:
        if relay.process.poll() is None:
            relay.kill()
        subprocess.run(["umount", mount], check=False)
        shutil.rmtree(mount, ignore_errors=True)

"""The store is taken away under a running relay (F-13): deleted, closed to it, read-only. No false 250, no crash, no loop."""
import contextlib
import os
import pathlib
import shutil
import tempfile
import time

import pytest

from conftest import SANITIZED, TEXT, wait_until
from disk import Disk
from test_durability import Load, check_all_arrived


def answer(relay, text=TEXT):
    """The last reply to a transaction as far as it goes, or 0 when the relay closes without a word."""
    with contextlib.suppress(EOFError, OSError), relay.client() as client:
        client.hello()
        for data in (b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<b@example.org>\r\n", b"DATA\r\n", text + b".\r\n"):
            client.send(data)
            code, _ = client.reply()
            if code not in (250, 354):
                return code
        return code
    return 0


def cpu_seconds(relay):
    fields = pathlib.Path(f"/proc/{relay.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check_no_loop(relay):
    """It is alive, and neither burns the processor nor fills the log."""
    before, lines = cpu_seconds(relay), relay.log().count("\n")
    time.sleep(1.5)
    assert relay.process.poll() is None
    assert cpu_seconds(relay) - before < (1.0 if SANITIZED else 0.2), "it spins"
    assert relay.log().count("\n") - lines < 30, relay.log()[-2000:]


@pytest.mark.parametrize("what", ["the directory", "the file", "another in its place"])
def test_a_deleted_store_takes_no_mail_and_hands_out_what_it_has(make_relay, upstream, what):
    relay = make_relay(upstream.port, listen="full_store_patience = 1s")
    upstream.busy("banner")
    data = relay.folder / "data"
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
    if what == "the directory":
        shutil.rmtree(data)
    else:
        os.unlink(data / "data.mdb")
        if what == "another in its place":
            (data / "data.mdb").write_bytes(b"\0" * 65536)
    assert answer(relay) == 452
    relay.wait_log("event=store_full cause=gone")
    assert relay.metric("sluice_spool_full") == 1
    check_no_loop(relay)
    upstream.open()  # what was accepted before is not lost as long as the relay runs
    upstream.wait_for(1)
    relay.wait_empty()
    assert answer(relay) == 452
    assert upstream.count()["messages"] == 1


def test_a_store_closed_to_the_relay_takes_no_mail_until_it_is_open_again(make_relay, upstream):
    with tempfile.TemporaryDirectory() as place:  # where another user can get at it
        os.chmod(place, 0o755)
        data = pathlib.Path(place) / "data"
        data.mkdir(mode=0o700)
        shutil.chown(data, "nobody")
        relay = make_relay(upstream.port, data_dir=data, top="user = nobody", listen="full_store_patience = 1s")
        try:
            assert answer(relay) == 250
            data.chmod(0)
            assert answer(relay) == 452
            relay.wait_log("event=store_full cause=gone")
            check_no_loop(relay)
            data.chmod(0o700)
            relay.wait_log("event=store_room_again")
            assert answer(relay) == 250
            assert len(upstream.wait_for(2)) == 2
        finally:
            relay.close()


def test_a_read_only_disk_gives_no_false_250(make_relay, upstream, folder):
    """The kernel makes an ill file system read-only; here it is told to."""
    disk = Disk(folder)
    relay = make_relay(upstream.port, data_dir=disk.path / "data", max_size="40MB", listen="full_store_patience = 1s")
    load = Load(relay.port, 4)
    try:
        wait_until(lambda: len(load.acknowledged) > 50, what="acknowledged messages")
        disk.remount("abort")
        wait_until(lambda: relay.metric("sluice_spool_full") == 1, what="the alarm")
        acknowledged = len(load.acknowledged)
        load.stop()
        check_no_loop(relay)
        assert answer(relay) in (0, 451, 452)
        assert len(load.acknowledged) == acknowledged
        relay.kill()
        disk.power_on()
        upstream.open()
        relay.start()
        relay.wait_empty()
    finally:
        load.stop()
        relay.close()
        disk.close()
    check_all_arrived(load, upstream.texts())


def test_a_start_on_a_read_only_disk_says_so(make_relay, upstream, folder):
    disk = Disk(folder)
    relay = make_relay(upstream.port, data_dir=disk.path / "data", max_size="40MB")
    try:
        assert relay.stop() == 0
        before = (disk.path / "data" / "data.mdb").read_bytes()
        disk.remount("ro")
        relay.start(wait=False)
        assert relay.process.wait(20) == 73
        assert "Read-only file system" in relay.log().splitlines()[-1] and str(disk.path) in relay.log().splitlines()[-1]
        assert (disk.path / "data" / "data.mdb").read_bytes() == before
    finally:
        disk.close()
        relay.process = None

"""A power cut: 250 means durable, whatever was in memory when the power went; on ext4 and on XFS."""
import os
import random
import time

import pytest

from conftest import SANITIZED, TEXT, wait_until
from disk import Disk
from test_durability import Load, check_all_arrived
from traced import options

CUTS = 3 if SANITIZED else 6


@pytest.fixture(params=["ext4", "xfs"])
def disk(request, folder):
    made = Disk(folder, request.param)
    yield made
    made.close()


def cut_off(relay, disk):
    """The power goes, for the relay too; then it comes back."""
    disk.cut()
    relay.kill()
    disk.power_on()


def test_power_cuts_under_load_lose_nothing(make_relay, upstream, disk):
    relay = make_relay(upstream.port, data_dir=disk.path / "data", max_size="400MB")
    load = Load(relay.port)
    chance = random.Random(3)
    try:
        for number in range(CUTS):
            if number % 2 == 0:
                upstream.busy("banner")  # what is acknowledged stays in the queue
            else:
                upstream.open()  # messages are removed while new ones come
            before = len(load.acknowledged)
            wait_until(lambda: len(load.acknowledged) > before + 20, what="acknowledged messages")
            time.sleep(chance.random() * 0.2)  # any moment
            cut_off(relay, disk)
            relay.start()
        load.stop()
        upstream.open()
        relay.wait_empty(60)
    finally:
        load.stop()
        relay.close()
    assert not load.refused, (load.refused[:3], [l for l in relay.log().splitlines() if "store" in l])
    check_all_arrived(load, upstream.texts())


@pytest.mark.parametrize("forgets", [True, False])
def test_a_program_that_forgets_fsync_loses_data_in_the_same_cut(disk, forgets):
    """Proves the tests above: with a cut that loses nothing they would prove nothing."""
    for number in range(50):
        with (disk.path / f"{number}").open("wb") as file:
            file.write(TEXT)
            file.flush()
            if not forgets:
                os.fsync(file.fileno())
    disk.cut()
    disk.power_on()
    kept = sum((disk.path / f"{number}").exists() and (disk.path / f"{number}").read_bytes() == TEXT for number in range(50))
    assert kept == (0 if forgets else 50)


# The calls by which a store is made at the first start; the power goes while the relay stands behind one of them.
FIRST_START = [("mkdir", 1), ("fsync", 1), ("mkdir", 2), ("pwrite64", 2), ("writev", 1), ("fdatasync", 1), ("pwrite64", 3),
               ("rename", 1), ("fsync", 2), ("rmdir", 2), ("fdatasync", 2)]


@pytest.mark.parametrize("call, number", FIRST_START)
def test_a_power_cut_in_the_first_start_leaves_a_store_that_opens(make_relay, upstream, disk, call, number):
    relay = make_relay(upstream.port, start=False, data_dir=disk.path / "data", max_size="400MB")
    out = relay.folder / "trace"
    try:
        relay.start(wait=False, wrapper=["strace", "-D", *options(out, call, "STOP", number)[1:]])
        wait_until(lambda: out.exists() and "stopped by SIGSTOP" in out.read_text(errors="replace"), what="the stop")
        cut_off(relay, disk)
        relay.start()
        with relay.client() as client:
            client.hello()
            client.message(TEXT)
        upstream.wait_for(1)
    finally:
        relay.close()

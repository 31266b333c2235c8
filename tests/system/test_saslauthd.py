"""Accounts kept by saslauthd: Debian's, which asks an IMAP server of ours (-a rimap), and one that lies."""
import contextlib
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

import pytest

from conftest import PATIENCE, wait_until
from test_pam import login
from test_tls import make_tls  # noqa: F401 (fixtures)


class Imap:
    """Takes LOGIN of anna and bert@example.edu with the password "apple"."""

    def __init__(self):
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.logins = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                self._talk(self.door.accept()[0])

    def _talk(self, connection):
        with connection, connection.makefile("rb") as lines, contextlib.suppress(ConnectionError):
            connection.sendall(b"* OK IMAP4rev1 ready\r\n")
            for line in lines:
                found = re.match(rb'(\S+) LOGIN "?([^" ]*)"? "?([^"\r]*)"?\r', line)
                if found is None:
                    connection.sendall(b"* BYE\r\n" + line.split()[0] + b" OK bye\r\n")
                    return
                self.logins.append(found[2].decode())
                right = found[2] in (b"anna", b"bert@example.edu") and found[3] == b"apple"
                connection.sendall(found[1] + (b" OK in\r\n" if right else b" NO wrong\r\n"))

    def close(self):
        with contextlib.suppress(OSError):
            self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()


@pytest.fixture
def place():
    """A folder with a short name: a socket's path is."""
    path = tempfile.mkdtemp(prefix="sluice-")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def imap():
    server = Imap()
    yield server
    server.close()


@pytest.fixture
def start_saslauthd(place, imap):
    processes = []

    def start():
        process = subprocess.Popen(["/usr/sbin/saslauthd", "-d", "-a", "rimap", "-r", "-O", f"127.0.0.1/{imap.port}", "-m", place, "-n", "1"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        processes.append(process)
        wait_until(lambda: answers(f"{place}/mux"), what="saslauthd")
        return process
    yield start
    for process in processes:
        process.kill()
        process.wait()


def answers(path):
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.connect(path)
        return True
    return False


@pytest.fixture
def make_relay_of(make_tls, place):  # noqa: F811
    def make(auth="delay = 0ms", **options):
        return make_tls(top=f'auth {{ saslauthd = "{place}/mux"\n{auth}\n}}\n', **options)
    return make


def test_saslauthd_knows(make_relay_of, start_saslauthd, imap):
    start_saslauthd()
    relay = make_relay_of()
    login(relay, "anna")
    login(relay, "bert@example.edu")
    login(relay, "anna", "plum", 535)
    login(relay, "carl", "apple", 535)
    login(relay, "anna", "x" * 300, 535)  # longer than saslauthd takes
    assert imap.logins == ["anna", "bert@example.edu", "anna", "carl"]
    login(relay, "anna")
    assert relay.metric("sluice_auth_cache_hits_total") == 1
    assert "apple" not in relay.log()


def test_testsaslauthd_agrees(make_relay_of, start_saslauthd, place):
    start_saslauthd()
    relay = make_relay_of(auth="delay = 0ms cache = 0ms")
    for password, code in (("apple", 235), ("plum", 535)):
        said = subprocess.run(["/usr/sbin/testsaslauthd", "-f", f"{place}/mux", "-s", "smtp", "-u", "anna", "-p", password],
                              timeout=PATIENCE, capture_output=True, check=False)
        assert (said.returncode == 0) == (code == 235), said
        login(relay, "anna", password, code)


def test_away_and_back(make_relay_of, start_saslauthd, place):
    relay = make_relay_of()
    login(relay, "anna", code=454)
    relay.wait_log("event=saslauthd_unavailable .*No such file")
    process = start_saslauthd()
    login(relay, "anna")
    process.kill()
    process.wait()
    login(relay, "bert@example.edu", code=454)
    os.unlink(f"{place}/mux")
    start_saslauthd()
    login(relay, "bert@example.edu")


def test_who_it_asks_is_away(make_relay_of, start_saslauthd, imap):
    start_saslauthd()
    relay = make_relay_of(auth="delay = 0ms tries = 1")
    imap.close()
    login(relay, "anna", code=454)
    login(relay, "anna", code=454)  # counts for nothing


class Liar:
    """Takes each connection, reads the four texts, and says what it is told to."""

    def __init__(self, path, answer, hang=False):
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(path)
        self.door.listen(64)
        self.answer, self.hang = answer, hang
        self.asked = []
        self.open = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.door.accept()[0]
                with connection.makefile("rb") as stream:
                    self.asked.append([stream.read(struct.unpack(">H", stream.read(2))[0]) for _ in range(4)])
                for byte in self.answer:
                    connection.send(bytes([byte]))
                if self.hang:
                    self.open.append(connection)
                else:
                    connection.close()

    def close(self):
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        for connection in self.open:
            connection.close()


@pytest.mark.parametrize("answer, code", [
    (b"\0\2OK", 235), (b"\0\2NO", 535), (b"\0\17NO [ALERT] away", 454), (b"", 454), (b"\0", 454), (b"\0\5OK", 454),
    (b"\0\0", 454), (b"\xff\xffOK", 454), (b"\0\3YES", 454), (b"HTTP/1.0 200 OK\r\n", 454)])
def test_answers_whole_broken_and_hostile(make_relay_of, place, answer, code):
    liar = Liar(f"{place}/mux", answer)
    with contextlib.closing(liar):
        login(make_relay_of(), "anna@example.edu", "ap ple", code)
    assert liar.asked == [[b"anna", b"ap ple", b"smtp", b"example.edu"]]


def test_no_answer_in_time(make_relay_of, place):
    with contextlib.closing(Liar(f"{place}/mux", b"\0", hang=True)):
        relay = make_relay_of(auth="delay = 0ms timeout = 1s")
        login(relay, "anna", code=454)
        relay.wait_log('event=saslauthd_unavailable .*why="no answer in time"')

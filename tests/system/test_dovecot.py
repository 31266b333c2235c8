"""Accounts kept by Dovecot: Debian's with a configuration of its own, and one that lies."""
import base64
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

from conftest import PATIENCE, wait_until
from test_login import hash_of, plain, secured
from test_pam import login
from test_saslauthd import answers
from test_tls import make_tls  # noqa: F401 (fixtures)

GREETING = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tc0ffee\nDONE\n"


@pytest.fixture
def place():
    """A folder that Dovecot's processes reach, with a short name: a socket's path is."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="sluice-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def dovecot(place):
    """start(), stop(): Dovecot's auth alone, with the accounts anna, and bert who may not log in."""
    if os.geteuid() != 0:
        pytest.skip("only root runs Dovecot's master")
    (place / "users").write_text(f"anna:{{SHA256-CRYPT}}{hash_of('apple')}::::::\n"
                                 f"bert:{{SHA256-CRYPT}}{hash_of('apple')}::::::nologin=y\n")
    (place / "users").chmod(0o644)
    (place / "dovecot.conf").write_text(f"""
base_dir = {place}/run
state_dir = {place}/state
log_path = {place}/log
protocols =
ssl = no
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = {place}/users
}}
service auth {{
  unix_listener auth-client {{
    mode = 0666
  }}
}}
""")
    processes = []

    class Control:
        path = place / "run" / "auth-client"

        @staticmethod
        def start():
            log = (place / "output").open("ab")
            processes.append(subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", place / "dovecot.conf"], stdin=subprocess.DEVNULL,
                                              stdout=log, stderr=log))
            log.close()
            wait_until(lambda: answers(str(Control.path)), what="Dovecot's socket")

        @staticmethod
        def stop():
            process = processes.pop()
            process.terminate()
            process.wait(PATIENCE)
    yield Control
    while processes:
        Control.stop()


@pytest.fixture
def make_relay_of(make_tls):  # noqa: F811
    def make(path, auth="delay = 0ms", **options):
        return make_tls(top=f'auth {{ dovecot = "{path}"\n{auth}\n}}\n', **options)
    return make


@pytest.mark.parametrize("profile", ["standard", "fragile"])
def test_dovecot_knows(make_relay_of, dovecot, profile):
    dovecot.start()
    relay = make_relay_of(dovecot.path, profile=profile)
    login(relay, "anna")
    login(relay, "anna", "plum", 535)
    login(relay, "bert", "apple", 535)
    login(relay, "carl", "apple", 535)
    login(relay, "anna", "x" * 500, 535)
    login(relay, "anna")
    assert relay.metric("sluice_auth_cache_hits_total") == 1
    assert "apple" not in relay.log()


def test_doveadm_agrees_and_swaks_submits(make_relay_of, dovecot, upstream, place):
    dovecot.start()
    relay = make_relay_of(dovecot.path, auth="delay = 0ms cache = 0ms")
    for password, right in (("apple", True), ("plum", False)):
        said = subprocess.run(["doveadm", "-c", place / "dovecot.conf", "auth", "test", "-x", "service=smtp", "-a", dovecot.path, "anna", password],
                              timeout=PATIENCE, capture_output=True, check=False)
        assert (said.returncode == 0) == right, said
        done = subprocess.run(["swaks", "--server", f"127.0.0.1:{relay.port}", "--tls", "--auth", "PLAIN", "--auth-user", "anna",
                               "--auth-password", password, "--from", "a@example.com", "--to", "b@example.org"],
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (done.returncode == 0) == right, done.stdout + done.stderr
    upstream.wait_for(1)


def test_dovecot_restarts(make_relay_of, dovecot):
    relay = make_relay_of(dovecot.path, auth="delay = 0ms cache = 0ms")
    login(relay, "anna", code=454)
    relay.wait_log("event=dovecot_unavailable .*No such file")
    dovecot.start()
    login(relay, "anna")
    dovecot.stop()  # its process for logins lives on while somebody is connected
    (dovecot.path.parent.parent / "users").write_text("")
    dovecot.start()
    login(relay, "anna", code=535)


class Liar:
    """A listener on Dovecot's socket: greets, and answers each AUTH as `answer(number, account)` says; None hangs up."""

    def __init__(self, path, answer=None, greeting=GREETING, by_byte=False):
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(str(path))
        self.door.listen(64)
        self.answer, self.greeting, self.by_byte = answer, greeting, by_byte
        self.connections, self.lines = 0, []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.door.accept()[0]
                self.connections += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _say(self, connection, text):
        for piece in [bytes([byte]) for byte in text] if self.by_byte else [text]:
            connection.sendall(piece)

    def _talk(self, connection):
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            self._say(connection, self.greeting)
            for line in lines:
                self.lines.append(line.rstrip(b"\n").split(b"\t"))
                if self.lines[-1][0] != b"AUTH":
                    continue
                said = self.answer(self.lines[-1][1], base64.b64decode(self.lines[-1][-1][5:]).split(b"\0")[1])
                if said is None:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                self._say(connection, said)

    def close(self):
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()


@pytest.mark.parametrize("by_byte", [False, True])
def test_what_is_said_there(make_relay_of, place, by_byte):
    with contextlib.closing(Liar(place / "s", lambda number, _: b"OK\t" + number + b"\tuser=anna\n", by_byte=by_byte)) as liar:
        relay = make_relay_of(place / "s")
        login(relay, "anna", "ap ple")
        login(relay, "bert", "apple")
    assert liar.connections == 1
    assert liar.lines[0] == [b"VERSION", b"1", b"1"]
    assert liar.lines[1] == [b"CPID", str(relay.process.pid).encode()]
    for number, line, message in ((b"1", liar.lines[2], b"\0anna\0ap ple"), (b"2", liar.lines[3], b"\0bert\0apple")):
        assert line[:6] == [b"AUTH", number, b"PLAIN", b"service=smtp", b"nologin", b"no-penalty"]
        assert line[6:] == [b"rip=127.0.0.1", b"secured", b"resp=" + base64.b64encode(message)]


@pytest.mark.parametrize("text, code", [
    (b"FAIL\t%s\tuser=anna\n", 535), (b"FAIL\t%s\tcode=pass_expired\n", 535), (b"FAIL\t%s\ttemp\n", 454),
    (b"FAIL\t%s\tuser=anna\tcode=temp_fail\treason=away\001n\n", 454), (b"CONT\t%s\t\n", 454), (b"OK\t%s\tnologin\n", 535),
    (b"NEWS\t1\nOK\t999\tuser=anna\nFAIL\t%s\n", 535), (b"OK\n", 454), (b"OK\tx\n", 454), (b"VERSION\t2\t0\n", 454), (None, 454),
    (b"x" * 9000, 454)])
def test_answers_of_all_kinds(make_relay_of, place, text, code):
    def answer(number, account):
        return b"OK\t" + number + b"\n" if account == b"bert" else text and text.replace(b"%s", number)
    with contextlib.closing(Liar(place / "s", answer)):
        relay = make_relay_of(place / "s")
        login(relay, "anna", code=code)
        login(relay, "bert")  # whatever came before


@pytest.mark.parametrize("greeting", [
    b"VERSION\t2\t0\n", b"MECH\tPLAIN\nDONE\n", b"VERSION\t1\t1\nMECH\tCRAM-MD5\nDONE\n", b"OK\t1\tuser=anna\n", b"y" * 9000, b"VERSION\n",
    b"VERSION\t1\t1\nOK\t1\nMECH\tPLAIN\nDONE\n"])
def test_greetings_that_are_none(make_relay_of, place, greeting):
    with contextlib.closing(Liar(place / "s", greeting=greeting)) as liar:
        login(make_relay_of(place / "s"), "anna", code=454)
    assert not [line for line in liar.lines if line[0] == b"AUTH"]


def test_a_lost_question_is_asked_once_more(make_relay_of, place):
    seen = []

    def answer(number, account):
        seen.append(account)
        return None if len(seen) == 1 else b"OK\t" + number + b"\n"
    with contextlib.closing(Liar(place / "s", answer)) as liar:
        login(make_relay_of(place / "s"), "anna")
    assert seen == [b"anna", b"anna"] and liar.connections == 2


@pytest.mark.parametrize("greeting", [GREETING, b""])
def test_silence_costs_its_time_only(make_relay_of, place, greeting):
    with contextlib.closing(Liar(place / "s", lambda *_: b"", greeting=greeting)):
        relay = make_relay_of(place / "s", auth="delay = 0ms timeout = 1s")
        login(relay, "anna", code=454)
        relay.wait_log('event=dovecot_unavailable .*why="no answer in time"')
        login(relay, "anna", code=454)


def test_answers_in_another_order(make_relay_of, place):
    waiting = []

    def answer(number, account):
        waiting.append((number, account))
        if len(waiting) < 3:
            return b""
        return b"".join((b"OK\t" if who == b"anna" else b"FAIL\t") + which + b"\n" for which, who in reversed(waiting))
    with contextlib.closing(Liar(place / "s", answer)) as liar, contextlib.ExitStack() as stack:
        relay = make_relay_of(place / "s")
        clients = [stack.enter_context(secured(relay)) for _ in range(3)]
        for client, name in zip(clients, ("carl", "anna", "bert")):
            client.send("AUTH PLAIN " + plain(name, "apple") + "\r\n")
        for client, code in zip(clients, (535, 235, 535)):
            client.expect(code)
    assert liar.connections == 1


def test_reload_goes_to_another_socket(make_relay_of, place):
    with contextlib.closing(Liar(place / "a", lambda number, _: b"OK\t" + number + b"\n")), \
            contextlib.closing(Liar(place / "b", lambda number, _: b"FAIL\t" + number + b"\n")):
        relay = make_relay_of(place / "a")
        login(relay, "anna")
        relay.config.write_text(relay.config.read_text().replace(f"{place}/a", f"{place}/b"))
        relay.command("reload")
        wait_until(lambda: "event=reloaded" in relay.log(), what="the reload")
        login(relay, "anna", code=535)

"""The real daemon on loopback, for the system tests: relay, upstream, and a client that says exactly what it is told."""
import contextlib
import http.client
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")).resolve()
SANITIZED = "asan" in BUILD.name or "tsan" in BUILD.name
PATIENCE = 60 if SANITIZED else 20  # seconds that a condition may take before a test gives up


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds=PATIENCE, what="the condition"):
    """Polls until condition() is true, and returns what it gave; a deadline, never a sleep for luck."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true in {seconds} s (last: {value!r})")
        time.sleep(0.02)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("sluice", timeout=PATIENCE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Smtp:
    """One client connection: sends bytes as they are, reads one reply at a time."""

    def __init__(self, port, source=None, banner=True):
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE,
                                             source_address=(source, 0) if source else None)
        self.file = self.sock.makefile("rb")
        if banner:
            self.banner = self.expect(220)

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                raise EOFError("the relay closed the connection")
            assert line.endswith(b"\r\n"), line
            lines.append(line.decode("ascii").rstrip())
            if line[3:4] != b"-":
                return int(line[:3]), "\n".join(lines)

    def expect(self, code):
        got, text = self.reply()
        assert got == code, text
        return text

    def command(self, line, code):
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.expect(code)

    def hello(self):
        return self.command("EHLO client.example", 250)

    def message(self, text, sender="a@example.com", recipients=("b@example.org",)):
        """A whole transaction; returns the id from the 250."""
        self.command(f"MAIL FROM:<{sender}>", 250)
        for recipient in recipients:
            self.command(f"RCPT TO:<{recipient}>", 250)
        self.command("DATA", 354)
        text = text if isinstance(text, bytes) else text.encode()
        self.send(re.sub(rb"(?m)^\.", b"..", text) + b".\r\n")
        return self.expect(250).split()[-1]

    def is_closed(self):
        with contextlib.suppress(ConnectionResetError):
            return self.file.readline() == b""
        return True

    def close(self):
        self.file.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


TEXT = b"From: a@example.com\r\nTo: b@example.org\r\nSubject: test\r\n\r\nHello.\r\n"


class Upstream:
    """The project's upstream, which is busy when it is told to."""

    def __init__(self, folder, port=None):
        self.port = port or free_port()
        self.keep = pathlib.Path(folder) / f"upstream-{self.port}"
        self.keep.mkdir()
        self.process = subprocess.Popen(
            [BUILD / "tests" / "upstream", "--listen", f"127.0.0.1:{self.port}", "--keep", self.keep, "--control"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events = []
        self.answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        wait_until(lambda: self.events, what="the upstream's start")

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("count "):
                self.answers.put({key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)})
            else:
                self.events.append(line.strip())

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.answers.get(timeout=PATIENCE)

    def busy(self, stage):
        """New connections are refused at the stage; one that stands from an earlier message passes "banner" and "ehlo"."""
        assert stage in ("banner", "ehlo", "mail", "rcpt", "data", "dot"), stage
        return self.order(f"busy {stage}")

    def open(self):
        return self.order("open")

    def count(self):
        return self.order("count")

    def texts(self):
        """The messages taken so far, as bytes, in order."""
        files = sorted(self.keep.glob("*.eml"), key=lambda path: int(path.stem))
        return [path.read_bytes() for path in files]

    def envelopes(self):
        files = sorted(self.keep.glob("*.env"), key=lambda path: int(path.stem))
        return [path.read_text().splitlines() for path in files]

    def wait_for(self, messages, seconds=PATIENCE):
        wait_until(lambda: self.count()["messages"] >= messages, seconds, f"{messages} messages at the upstream")
        return self.texts()

    def close(self):
        self.process.kill()
        self.process.wait()


class Relay:
    """sluiced with a configuration of its own; may be killed and started again on the same data."""

    def __init__(self, folder, upstream_ports, **options):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.options = options
        self.upstream_ports = upstream_ports
        self.config = self.folder / "sluice.conf"
        self.socket = self.folder / "run" / "admin.sock"
        self.socket.parent.mkdir(mode=0o750)
        self.log_path = self.folder / "sluiced.log"
        self.process = None
        self.environment = dict(options.get("environment", {}))
        self.write_config()

    def write_config(self, **changes):
        self.options.update(changes)
        option = self.options.get
        hosts = ", ".join(f'"127.0.0.1:{port}"' for port in self.upstream_ports)
        self.config.write_text(f"""
hostname = relay.example
data_dir = "{option("data_dir", self.folder / "data")}"
admin_socket = "{self.socket}"
postmaster = postmaster@relay.example
workers = {option("workers", 2)}
{option("top", "")}
queue {{
  max_size = {option("max_size", "1GB")}
  lifetime = {option("lifetime", "5d")}
}}
listen door {{
  address = {{"127.0.0.1:{self.port}"}}
  profile = {option("profile", "standard")}
  networks = {{{option("networks", '"127.0.0.0/8"')}}}
  {option("listen", "")}
}}
{option("listeners", "")}
upstream campus {{
  hosts = {{{hosts}}}
  tls = {option("tls", "off")}
  {option("upstream", "")}
}}
{option("upstreams", "")}
{option("routes", 'route "*" { upstream = campus }')}
retry {{
  busy_first = {option("busy_first", "200ms")}
  busy_max = {option("busy_max", "1s")}
  first = {option("retry_first", "1s")}
  max = {option("retry_max", "4s")}
}}
{option("scan", "")}
""")

    def start(self, wrapper=(), wait=True):
        environment = {**os.environ, **self.environment}
        if wrapper and wrapper[0] == "strace":  # LeakSanitizer traces the process itself
            environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        log = self.log_path.open("ab")
        self.process = subprocess.Popen([*wrapper, BUILD / "sluiced", "-c", self.config], stderr=log,
                                        stdin=subprocess.DEVNULL, env=environment)
        log.close()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, f"sluiced ended with {self.process.returncode}:\n{self.log()[-3000:]}"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                probe.settimeout(1)
                return probe.recv(3) == b"220"
        wait_until(ready, what="the relay's banner")

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern, seconds=PATIENCE):
        return wait_until(lambda: re.search(pattern, self.log()), seconds, f"a log line like {pattern!r}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=30):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def client(self, **options):
        return Smtp(self.port, **options)

    def request(self, method, path, body=None):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def api(self, path, method="GET", status=200):
        got, body = self.request(method, path)
        assert got == status, (got, body)
        return json.loads(body)

    def metric(self, name):
        _, body = self.request("GET", "/metrics")
        for line in body.decode().splitlines():
            if line.startswith(name + " ") or line.startswith(name + "{"):
                return float(line.split()[-1])
        raise AssertionError(f"no metric {name}")

    def refusals(self):
        """What fragile clients met against law 5: {reason: how often}, without zeros."""
        _, body = self.request("GET", "/metrics")
        found = re.findall(r'sluice_fragile_refusals_total\{reason="(\w+)"\} (\d+)', body.decode())
        assert found
        return {reason: int(count) for reason, count in found if count != "0"}

    def messages(self, query=""):
        return self.api(f"/v1/queue/messages{query}")["messages"]

    def wait_empty(self, seconds=PATIENCE):
        wait_until(lambda: self.api("/v1/queue")["messages"] == 0, seconds, "an empty queue")

    def command(self, *arguments, code=0):
        done = subprocess.run([BUILD / "sluice", "--socket", self.socket, *arguments], capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stdout + done.stderr

    def close(self):
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
            code = None
            try:
                code = self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
            assert code == 0, f"sluiced stopped with {code}:\n{self.log()[-3000:]}"
        text = self.log()
        for sign in ("ERROR: AddressSanitizer", "runtime error:", "LeakSanitizer", "ThreadSanitizer", "event=panic"):
            assert sign not in text, text[text.index(sign):][:3000]


@pytest.fixture
def folder():
    """A folder on the build's file system: a real one, never tmpfs."""
    base = BUILD / "system"
    base.mkdir(exist_ok=True)
    path = tempfile.mkdtemp(dir=base)
    yield pathlib.Path(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def upstream(folder):
    server = Upstream(folder)
    yield server
    server.close()


@pytest.fixture
def make_relay(folder):
    """make_relay(upstream_port, …, option=…): a started relay; stopped, and its exit checked, at the end."""
    relays = []

    def make(*ports, start=True, **options):
        place = folder / f"relay-{len(relays)}"
        place.mkdir()
        relay = Relay(place, ports, **options)
        relays.append(relay)
        return relay.start() if start else relay

    yield make
    for relay in relays:
        relay.close()


@pytest.fixture
def relay(make_relay, upstream):
    return make_relay(upstream.port)


@pytest.fixture
def postfix_tools():
    """postfix_tools("smtp-source", argument, …) runs a tool of Debian's Postfix, unpacked below the build."""
    place = ROOT / "build" / "postfix"
    subprocess.run([ROOT / ".ci" / "postfix", place], check=True)
    (place / "tool").mkdir(exist_ok=True)
    (place / "tool" / "main.cf").write_text("inet_protocols = ipv4\nmyhostname = source.example\ncompatibility_level = 3.6\n")

    def run(tool, *arguments):
        environment = {**os.environ, "LD_LIBRARY_PATH": str(place / "usr/lib/postfix"), "MAIL_CONFIG": str(place / "tool")}
        done = subprocess.run([place / "usr/sbin" / tool, *arguments], env=environment, capture_output=True, text=True,
                              timeout=10 * PATIENCE, check=False)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return done.stdout

    return run

"""The programs that the benchmark sets side by side: Sluice, Postfix (private, below the build), sink and source."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

TOOLS = None  # where Postfix was unpacked
QUIET = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"bench: {what} did not come true in {seconds} s")
        time.sleep(0.005)


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as probe:
            return probe.recv(3) == b"220"
    except OSError:
        return False


def tool_environment():
    return {**os.environ, "LD_LIBRARY_PATH": str(TOOLS / "usr/lib/postfix"), "MAIL_CONFIG": str(TOOLS / "tool")}


def prepare_tools(root, build):
    global TOOLS
    TOOLS = build / "postfix"
    subprocess.run([root / ".ci/postfix", TOOLS], check=True)
    (TOOLS / "tool").mkdir(exist_ok=True)
    (TOOLS / "tool/main.cf").write_text("inet_protocols = ipv4\nmyhostname = source.example\ncompatibility_level = 3.6\n")


def as_nobody():
    return ["-u", "nobody"] if os.geteuid() == 0 else []


def source(port, messages, sessions=100, size=4096, sender="a@example.com", check=True):
    """smtp-source; the same options for every peer. Returns the seconds it took."""
    began = time.monotonic()
    done = subprocess.run([TOOLS / "usr/sbin/smtp-source", "-4", "-d", "-s", str(sessions), "-m", str(messages), "-l", str(size),
                           "-f", sender, "-t", "b@example.org", f"127.0.0.1:{port}"], env=tool_environment(), capture_output=True,
                          text=True, check=False)
    if check and (done.returncode or done.stderr.strip()):
        raise SystemExit(f"bench: smtp-source: {done.returncode} {done.stderr.strip()[:500]}")
    return time.monotonic() - began


def processor_seconds(group):
    """Of all processes of a group, and of those of its that have ended; its first has the group's number."""
    ticks = 0
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            ticks += sum(int(field) for field in fields[11:15 if path.parent.name == str(group) else 13])
    return ticks / os.sysconf("SC_CLK_TCK")


def tls_load(build, what, port, count, sessions=50):
    """(seconds, the generator's CPU milliseconds each): STARTTLS clients; the same for every peer."""
    done = subprocess.run([build / "tests/tls_load", what, "--port", str(port), "--count", str(count), "--sessions", str(sessions)],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: tls_load: {done.stderr.strip()[:500]}")
    figures = dict(field.split("=") for field in done.stdout.split())
    return float(figures["seconds"]), float(figures["cpu_ms"])


class Sink:
    """smtp-sink, which counts."""

    def __init__(self, port=None):
        self.port = port or free_port()
        self.count = 0
        self.process = subprocess.Popen([TOOLS / "usr/sbin/smtp-sink", *as_nobody(), "-4", "-c", "-h", "sink.example",
                                         f"127.0.0.1:{self.port}", "4096"], env=tool_environment(), stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        threading.Thread(target=self._read, daemon=True).start()
        wait_until(lambda: answers(self.port), 10, "the sink's start")

    def _read(self):
        rest = ""
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            rest = (rest + chunk.decode())[-4096:]
            found = re.findall(r"mesg=(\d+)", rest[:rest.rfind("\r") + 1] or rest)
            if found:
                self.count = int(found[-1])

    def close(self):
        self.process.kill()
        self.process.wait()


class Sluice:
    name = "Sluice"

    def __init__(self, build, folder, upstream_port, wrapper=(), profile="standard", busy_max="2s", extra="", top="", listen=""):
        self.folder = pathlib.Path(folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "run").mkdir(parents=True, mode=0o750)
        self.build, self.port, self.wrapper = build, free_port(), wrapper
        self.socket = self.folder / "run/admin.sock"
        self.config = self.folder / "sluice.conf"
        self.config.write_text(f"""
hostname = relay.example
data_dir = "{self.folder}/data"
admin_socket = "{self.socket}"
postmaster = postmaster@relay.example
{top}
queue {{ max_size = 8GB  lifetime = 5d }}
listen door {{
  address = {{"127.0.0.1:{self.port}"}}
  profile = {profile}
  networks = {{"127.0.0.0/8"}}
  max_connections = 12000
  max_connections_per_address = 12000
  {listen}
}}
upstream sink {{ hosts = {{"127.0.0.1:{upstream_port}"}}  tls = off {extra} }}
route "*" {{ upstream = sink }}
retry {{ busy_first = 1s  busy_max = {busy_max}  first = 5s  max = 1m }}
""")
        self.process = None

    def start(self):
        self.log = (self.folder / "sluiced.log").open("ab")
        self.process = subprocess.Popen([*self.wrapper, self.build / "sluiced", "-c", self.config], stderr=self.log,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        wait_until(lambda: answers(self.port), 20, "Sluice's banner")
        return self

    def get(self, path):
        done = subprocess.run(["curl", "-s", "--unix-socket", self.socket, f"http://sluice{path}"], capture_output=True, text=True, check=True)
        return done.stdout

    def metric(self, name):
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", self.get("/metrics"), re.M))

    def queued(self):
        return int(re.search(r'"messages":\s*(\d+)', self.get("/v1/queue")).group(1))

    def post(self, path):
        subprocess.run(["curl", "-sf", "-X", "POST", "--unix-socket", self.socket, f"http://sluice{path}"], check=True,
                       stdout=subprocess.DEVNULL)

    def pause(self, port):
        self.post(f"/v1/hosts/127.0.0.1:{port}/pause")

    def resume(self, port):
        self.post(f"/v1/hosts/127.0.0.1:{port}/resume")

    def settings(self):
        return "default durability; one fdatasync a commit group"

    def memory(self):
        """Private memory in bytes, without the mapped store."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status).group(1)) * 1024

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(40)
        self.process = None


class Postfix:
    name = "Postfix"

    def __init__(self, folder, upstream_port, deliver, wrapper=(), extra=""):
        self.folder = pathlib.Path(folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.port, self.wrapper = free_port(), list(wrapper)
        conf, queue = self.folder / "conf", self.folder / "queue"
        conf.mkdir(parents=True)
        queue.mkdir()
        self.queue = queue
        owner = "news"  # an account of every Debian system that nothing else of Postfix's uses
        (conf / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {queue}
command_directory = {TOOLS}/usr/sbin
daemon_directory = {TOOLS}/usr/lib/postfix/sbin
data_directory = {self.folder}/data
shlib_directory = {TOOLS}/usr/lib/postfix
meta_directory = {TOOLS}/etc/postfix
import_environment = LD_LIBRARY_PATH={TOOLS}/usr/lib/postfix MAIL_CONFIG TZ
mail_owner = {owner}
setgid_group = games
default_privs = nobody
myhostname = postfix.example
mydestination =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{upstream_port}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
maillog_file = {self.folder}/log/maillog
maillog_file_prefixes = {self.folder}
smtpd_peername_lookup = no
smtp_host_lookup = native
smtpd_client_connection_count_limit = 0
in_flow_delay = {"1s" if deliver else "0s"}
smtpd_relay_restrictions = permit_mynetworks, reject
{extra}
""")
        services = """
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""
        if deliver:
            services += "qmgr unix n - n 300 1 qmgr\n"
        (conf / "master.cf").write_text(services.replace("{port}", f"127.0.0.1:{self.port}"))
        (self.folder / "data").mkdir()
        shutil.chown(self.folder / "data", owner)
        (self.folder / "log").mkdir()
        for name in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
            (queue / name).mkdir(mode=0o700)
            shutil.chown(queue / name, owner)
        for name, group, mode in (("maildrop", "games", 0o730), ("public", "games", 0o710)):
            (queue / name).mkdir()
            shutil.chown(queue / name, owner, group)
            (queue / name).chmod(mode)
        (queue / "pid").mkdir()
        self.conf, self.process = conf, None

    def start(self):
        for parent in self.folder.parents:  # its processes are not root: they must reach the folders
            if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
        environment = {**os.environ, "LD_LIBRARY_PATH": str(TOOLS / "usr/lib/postfix"), "MAIL_CONFIG": str(self.conf)}
        self.process = subprocess.Popen([*self.wrapper, TOOLS / "usr/lib/postfix/sbin/master", "-c", self.conf, "-d"], env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=(self.folder / "log/stderr").open("wb"), start_new_session=True)
        wait_until(lambda: answers(self.port), 20, "Postfix's banner")
        return self

    def queued(self):
        return sum(len(files) for name in ("incoming", "active", "deferred") for _, _, files in os.walk(self.queue / name))

    def settings(self):
        return "defaults but: name lookups off, no limit on a client's connections; one fsync a message"

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(20)
        self.process = None

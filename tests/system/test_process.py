"""Signals, descriptors, and other things that happen to a process."""
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

from conftest import BUILD, PATIENCE, SANITIZED, TEXT, UnixConnection, free_port, wait_until
from test_durability import Load, check_all_arrived


def test_sigterm_under_load_stops_cleanly_and_nothing_is_delivered_twice(make_relay, upstream):
    relay = make_relay(upstream.port)
    load = Load(relay.port)
    time.sleep(1.5)
    began = time.monotonic()
    assert relay.stop() == 0
    assert time.monotonic() - began < PATIENCE / 2, "it waits for nothing but work in flight"
    load.stop()
    relay.start()
    relay.wait_empty(60)
    arrived = check_all_arrived(load, upstream.texts())
    twice = [key for key, bodies in arrived.items() if len(bodies) > 1]
    assert not twice, f"{len(twice)} delivered twice"
    assert all(refusal.startswith("421") for refusal in load.refused)


@pytest.mark.parametrize("profile", ["standard", "fragile"])
def test_idle_clients_at_the_stop(make_relay, upstream, profile):
    relay = make_relay(upstream.port, profile=profile)
    with relay.client() as client:
        client.hello()
        assert relay.stop() == 0
        if profile == "standard":
            client.expect(421)
        assert client.is_closed()


def test_a_transaction_in_flight_is_finished_at_the_stop(make_relay, upstream):
    relay = make_relay(upstream.port)
    with relay.client() as client:
        client.hello()
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)
        relay.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        client.send(TEXT + b".\r\n")
        client.expect(250)
        assert relay.process.wait(30) == 0
    relay.start()
    upstream.wait_for(1)


def test_a_second_sigterm_ends_at_once_and_loses_nothing(make_relay, upstream):
    relay = make_relay(upstream.port)
    upstream.busy("banner")
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
        client.command("MAIL FROM:<a@example.com>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.command("DATA", 354)  # holds the first SIGTERM up
        relay.process.send_signal(signal.SIGTERM)
        relay.wait_log("event=stopping")
        wait_until(lambda: relay.process.send_signal(signal.SIGTERM) or relay.process.poll() is not None, what="the end")
    upstream.open()
    relay.start()
    upstream.wait_for(1)


def memory(process):
    """Bytes that are the process's own, mapped pages of the store aside."""
    status = open(f"/proc/{process.pid}/status", encoding="ascii").read()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) * 1024


def test_sighup_storm_under_load_loses_nothing(make_relay, upstream):
    relay = make_relay(upstream.port)
    load = Load(relay.port, 4)
    for _ in range(350):
        relay.process.send_signal(signal.SIGHUP)
        time.sleep(0.005)
    load.stop()
    relay.wait_empty(60)
    check_all_arrived(load, upstream.texts())
    assert not load.refused


def test_a_thousand_reloads_under_load_leak_nothing(make_relay, upstream):
    """Descriptors, threads and memory stay flat; a configuration that is kept would show, being large."""
    routes = 'route "*" { upstream = campus }\n' + "".join(
        f'route "department-{number}.campus.example.edu" {{ upstream = campus }}\n' for number in range(300))
    relay = make_relay(upstream.port, routes=routes)
    load = Load(relay.port, 4)
    admin = UnixConnection(relay.socket)

    def reload(times):
        for _ in range(times):
            admin.request("POST", "/v1/reload")
            answer = admin.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()

    def open_files():
        return len(os.listdir(f"/proc/{relay.process.pid}/fd"))
    reload(200)
    files, memory_before = open_files(), memory(relay.process)
    threads = len(os.listdir(f"/proc/{relay.process.pid}/task"))
    reload(1000)
    grown = memory(relay.process) - memory_before
    admin.close()
    load.stop()
    wait_until(lambda: open_files() <= files + 8, what="no descriptor leak")
    assert len(os.listdir(f"/proc/{relay.process.pid}/task")) == threads
    assert SANITIZED or grown < 8 << 20, f"memory grew by {grown} bytes"  # sanitizers keep freed memory, and find leaks
    relay.wait_empty(60)
    check_all_arrived(load, upstream.texts())
    assert not load.refused


def test_the_reload_command_says_what_is_wrong_and_where(make_relay, upstream):
    relay = make_relay(upstream.port)
    good = relay.config.read_text()
    assert relay.command("reload") == f"reloaded {relay.config}\n"
    assert json.loads(relay.command("reload", "--json")) == {"reloaded": True, "config": str(relay.config)}
    assert relay.metric("sluice_config_last_reload_successful") == 1

    relay.config.write_text(good.replace("max_size", "max_sise"))
    line = 1 + good[:good.index("max_size")].count("\n")
    said = relay.command("reload", code=78)
    assert said.startswith(f"sluice: {relay.config}:{line}: ") and "max_size" in said, said
    assert "the old configuration stays" in said
    assert relay.metric("sluice_config_last_reload_successful") == 0
    relay.config.write_text(good.replace(f":{relay.port}", f":{free_port()}"))
    assert "restart" in relay.command("reload", code=78)
    relay.config.unlink()
    assert relay.api("/v1/reload", "POST", 422)["error"].startswith(f"{relay.config}: ")

    relay.config.write_text(good)
    relay.command("reload")
    assert relay.metric("sluice_config_last_reload_successful") == 1
    assert relay.stop() == 0
    assert "not reachable" in relay.command("reload", code=69)


def test_reloads_that_are_asked_for_at_once_are_all_answered(make_relay, upstream):
    relay = make_relay(upstream.port)
    askers = [subprocess.Popen([BUILD / "sluice", "--socket", relay.socket, "reload"], stdout=subprocess.DEVNULL) for _ in range(12)]
    for _ in range(50):
        relay.process.send_signal(signal.SIGHUP)
    assert [asker.wait(PATIENCE) for asker in askers] == [0] * 12
    assert relay.stop() == 0


def test_a_bad_reload_is_refused_and_the_old_configuration_stays(make_relay, upstream):
    relay = make_relay(upstream.port)
    good = relay.config.read_text()
    for number, (bad, sign) in enumerate([("listen {", "brace"), (good.replace("max_size", "max_sise"), "max_size"),
                                          (good[:len(good) // 2], ":"), ("\0\1\2", ":"), (good.replace("campus {", "other {"), "campus"),
                                          (good.replace(str(relay.port), "1"), "restart")], 1):
        relay.config.write_text(bad)
        relay.process.send_signal(signal.SIGHUP)
        wait_until(lambda: relay.log().count("event=reload_failed") == number, what=f"refusal {number}")
        assert sign in relay.log().splitlines()[-1].lower() or sign in relay.log(), relay.log()[-800:]
        with relay.client() as client:
            client.hello()
            client.message(TEXT)
    upstream.wait_for(6)
    relay.config.write_text(good)


def test_a_reload_changes_who_may_relay_and_where_mail_goes(make_relay, upstream, folder):
    from conftest import Upstream
    other = Upstream(folder)
    try:
        relay = make_relay(upstream.port)
        relay.upstream_ports = [other.port]
        relay.write_config(networks='"127.0.0.5/32"')
        relay.process.send_signal(signal.SIGHUP)
        relay.wait_log("event=reloaded")

        def refused():
            with relay.client() as client:
                client.hello()
                client.command("MAIL FROM:<a@example.com>", 250)
                client.send("RCPT TO:<b@example.org>\r\n")
                return client.reply()[0] == 550
        wait_until(refused, what="the new rule")
        with relay.client(source="127.0.0.5") as client:
            client.hello()
            client.message(TEXT)
        other.wait_for(1)
    finally:
        other.close()


def test_sigstop_for_a_while_brings_no_burst_of_timeouts(make_relay, upstream):
    relay = make_relay(upstream.port)
    with relay.client() as client:
        client.hello()
        relay.process.send_signal(signal.SIGSTOP)
        time.sleep(5)
        relay.process.send_signal(signal.SIGCONT)
        client.message(TEXT)
    upstream.wait_for(1)


def test_out_of_descriptors_does_not_spin_and_recovers(make_relay, upstream):
    relay = make_relay(upstream.port, workers=1)
    relay.api("/v1/status")  # all that it opens at its start is open
    resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, (60, 60))
    clients = []
    for _ in range(80):
        sock = socket.create_connection(("127.0.0.1", relay.port), 5)
        clients.append(sock)
    time.sleep(0.5)

    def cpu():
        fields = open(f"/proc/{relay.process.pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    before = cpu()
    time.sleep(2)
    assert cpu() - before < (1.0 if SANITIZED else 0.3), "it spins"
    for sock in clients:
        sock.close()

    def served():
        try:
            with relay.client() as client:
                client.hello()
                client.message(TEXT)
                return True
        except (OSError, EOFError, AssertionError):
            return False
    wait_until(served, what="service again")
    upstream.wait_for(1)


@pytest.mark.parametrize("target", ["/dev/full", "closed pipe"])
def test_mail_flows_without_a_log(make_relay, upstream, target):
    relay = make_relay(upstream.port, start=False)
    if target == "/dev/full":
        stderr = open(target, "wb")
    else:
        reader, writer = os.pipe()
        stderr = os.fdopen(writer, "wb")
        os.close(reader)
    relay.process = subprocess.Popen([BUILD / "sluiced", "-c", relay.config], stderr=stderr, stdin=subprocess.DEVNULL)
    stderr.close()
    relay.log_path.touch()
    relay.wait_ready()
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
    upstream.wait_for(1)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_log_reader_that_hangs_stops_no_mail(make_relay, upstream, kind):
    relay = make_relay(upstream.port, start=False)
    if kind == "pipe":
        reader, writer = os.pipe()
    else:
        reader, writer = (end.detach() for end in socket.socketpair())
    with open(reader, "rb"), open(writer, "wb") as stderr:
        relay.process = subprocess.Popen([BUILD / "sluiced", "-c", relay.config], stderr=stderr, stdin=subprocess.DEVNULL)
        relay.log_path.touch()
        relay.wait_ready()
        load = Load(relay.port, 4)
        wait_until(lambda: relay.metric("sluice_log_dropped_lines_total") > 100, what="lines that the reader did not take")
        acknowledged = len(load.acknowledged)
        wait_until(lambda: len(load.acknowledged) > acknowledged + 100, what="mail all the same")
        load.stop()
        relay.wait_empty()
        check_all_arrived(load, upstream.texts())
        assert not load.refused


@pytest.mark.parametrize("text, sign", [
    ("hostname = relay.example\nlisten x {\n", ":2"),
    ('lisen x { }\n', "listen"),
    ("queue { max_size = many }\n", "max_size"),
    ("hostname = a\nhostname = b\n", "twice"),
    ("digest { times = {\"09:00\"} }\n", "not in this version"),
])
def test_a_bad_configuration_gives_file_and_line_and_78(folder, text, sign):
    path = folder / "bad.conf"
    path.write_text(text)
    for arguments in (["-t"], []):
        done = subprocess.run([BUILD / "sluiced", "-c", path, *arguments], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 78
        assert re.search(r"bad\.conf:\d+: ", done.stderr), done.stderr
        assert sign in done.stderr, done.stderr


def test_log_injection_is_escaped(relay, upstream):
    """Whatever a client controls: its line stays one line, and each pair in it is the relay's own."""
    fake = "event=fake id=FAKE"
    with relay.client() as client:
        for line in (f"EHLO x\x1b[31m\"{fake}", "EHLO x\rid=FAKE", f"\x1b]0;{fake}\x07 x", f"MAIL FROM:<{fake}>", f"XY\"{fake}\" z",
                     f"VRFY <{fake}>\x7f", f"RCPT TO:<a> {fake}"):
            client.send(line + "\r\n")
            assert 250 <= client.reply()[0] < 600
        client.command("EHLO x\"event=fake", 250)
        sender = f'"a> {fake} \\" "@example.com'
        recipient = f'"b> {fake} to=<"@example.org'
        client.message(TEXT, sender, [recipient])
        client.command(f"MAIL FROM:<{sender}>", 250)
        client.command(f"RCPT TO:<{recipient}>", 250)
        client.command("DATA", 354)
        client.send(b"Subject: " + fake.encode() + b"\r\n\0\r\n.\r\n")
        client.expect(554)
        client.command(f"MAIL FROM:<{sender}>", 250)
        client.send(b"RSE")
    with relay.client() as client:
        client.send(f"GET {fake}\x1b HTTP/1.0\r\n")
    upstream.wait_for(1)
    relay.wait_log("event=delivered")
    relay.wait_log("another protocol")
    assert "\x1b" not in relay.log()
    pair = re.compile(r' ([a-z_]+)=("(?:[^"\\]|\\.)*"|<[^ <>]*>|[^ "<>]*)')
    for line in relay.log().splitlines():
        assert re.fullmatch(rf"\S+Z (?:debug|info|notice|warning|error)(?:{pair.pattern})+", line), line
        keys = [key for key, _ in pair.findall(line)]
        assert keys.count("event") == 1 and keys.count("id") <= 1, line


def test_inherited_sockets_are_used(make_relay, upstream):
    """systemd's protocol: LISTEN_FDS from 3 on, LISTEN_PID ours; a client that connected before the start is served."""
    relay = make_relay(upstream.port, start=False)
    listener = socket.create_server(("127.0.0.1", relay.port), backlog=16)
    early = socket.create_connection(("127.0.0.1", relay.port), 5)
    fd = listener.fileno()
    script = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); "
              "os.execv(sys.argv[2], sys.argv[2:])")
    with relay.log_path.open("ab") as log:
        relay.process = subprocess.Popen(["/usr/bin/python3", "-c", script, str(fd), BUILD / "sluiced", "-c", relay.config], pass_fds=[fd],
                                         stdin=subprocess.DEVNULL, stderr=log)
    early.settimeout(20)
    assert early.recv(3) == b"220"
    early.close()
    listener.close()
    relay.wait_ready()


def test_ready_is_told_to_the_service_manager(make_relay, upstream, folder):
    path = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(20)
        relay = make_relay(upstream.port, environment={"NOTIFY_SOCKET": str(path)})
        assert b"READY=1" in notify.recv(4096)
        relay.stop()
        assert b"STOPPING=1" in notify.recv(4096)

"""A client waits for no reply longer than the least patient device allows, whatever others do; each reply is one segment."""
import re
import signal
import subprocess

import pytest

from conftest import BUILD, SANITIZED, TEXT, wait_until

LIMITS_MS = {"banner": 100, "command": 200, "dot": 1000}
SLACK = 10 if SANITIZED else 1


def probe(relay, bulk, probes):
    done = subprocess.run([BUILD / "tests" / "latency", "--port", str(relay.port), "--bulk", str(bulk), "--probes", str(probes)],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return {line.split(" ", 1)[0]: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}
            for line in done.stdout.splitlines()}


@pytest.mark.parametrize("profile", ["fragile", "standard"])
def test_q58_replies_are_quick_beside_two_hundred_sessions_of_bulk(make_relay, upstream, profile):
    """Few probes, so that the figure is p99; the one at p99.9, of thousands, is tests/bench/run --part latency."""
    upstream.busy("banner")  # that it keeps no hundred thousand files; busy is not on the clients' path
    relay = make_relay(upstream.port, profile=profile, max_size="4GB")
    stages = probe(relay, 50 if SANITIZED else 200, 60 if SANITIZED else 300)
    assert stages["bulk"]["refused"] == 0
    assert stages["bulk"]["messages"] > 100, "there was a load to measure beside"
    for stage, limit in LIMITS_MS.items():
        assert stages[stage]["p99"] < limit * 1000 * SLACK, (stage, stages[stage])
    relay.kill()  # its queue is the bulk's


class Sends:
    """What the relay hands to the kernel for its clients, call by call."""

    def __init__(self, relay):
        self.out = relay.folder / "sends"
        errors = relay.folder / "sends.err"
        calls = "trace=sendto,sendmsg,write,writev,setsockopt,accept4"
        with errors.open("wb") as file:
            self.process = subprocess.Popen(["strace", "-f", "-o", self.out, "-e", calls, "-s", "4096", "-p", str(relay.process.pid)],
                                            stderr=file, stdin=subprocess.DEVNULL)
        wait_until(lambda: "attached" in errors.read_text(), what="strace at work")

    def stop(self):
        """(fd, bytes) of each call, in order, and the calls as text."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        text = self.out.read_text(errors="replace")
        pairs = re.findall(r'(?:sendto|write|writev|sendmsg)\((\d+), [^"]*"((?:[^"\\]|\\.)*)"', text)
        return [(int(fd), data.encode().decode("unicode_escape").encode("latin-1")) for fd, data in pairs], text


@pytest.mark.parametrize("profile", ["fragile", "standard"])
def test_q06_each_reply_is_one_send_and_the_longest_fits_a_segment(make_relay, upstream, profile):
    """Modems and cards that read once a reply. A segment that every network carries holds 536 bytes (RFC 9293 3.7.1)."""
    relay = make_relay(upstream.port, profile=profile)
    sends = Sends(relay)
    replies = []

    def hear(client, code):
        replies.append(client.expect(code).replace("\n", "\r\n").encode() + b"\r\n")

    with relay.client(banner=False) as client:
        hear(client, 220)
        for line, code in [("EHLO client.example", 250), ("NOOP", 250), ("VRFY b", 252), ("HELP", 214), ("RSET", 250),
                           ("BOGUS", 500), ("MAIL FROM:<a@example.com>", 250), ("RCPT TO:<b@example.org>", 250), ("DATA", 354)]:
            client.send(line + "\r\n")
            hear(client, code)
        client.send(TEXT + b".\r\n")
        hear(client, 250)
        client.send("QUIT\r\n")
        hear(client, 221)
    calls, text = sends.stop()
    (fd,) = {fd for fd, data in calls if data.startswith(b"220 ")}
    assert [data for other, data in calls if other == fd] == replies
    assert re.search(rf"setsockopt\({fd}, SOL_TCP, TCP_NODELAY, \[1\]", text)
    assert max(len(reply) for reply in replies) < 536
    assert b"250-" in replies[1], "EHLO's is the one of many lines"

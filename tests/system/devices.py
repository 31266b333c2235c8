"""Twenty sorts of fragile client: each gets something of SMTP wrong, hands over numbered messages for ever, and trusts only a 250.

A device that is closed without a word connects again and sends the same message, which keeps its mark. It knows no 4xx: any
reply of 4xx or 5xx is a failure of the relay's, and so is one that takes longer than devices wait.
"""
import contextlib
import random
import re
import socket
import struct
import threading
import time

from conftest import SANITIZED

PATIENCE = 60 if SANITIZED else 20  # seconds; a UPS card gives up after 20


class Gone(OSError):
    """The relay closed the connection, or this device gave up: the message is not acknowledged."""


class Wire:
    """One connection of a device, byte by byte as it pleases."""

    def __init__(self, device):
        self.device, self.pending = device, b""
        began = time.monotonic()
        self.sock = socket.create_connection(("127.0.0.1", device.port), PATIENCE, source_address=(device.address, 0))
        self.opened = began

    def send(self, data):
        try:
            self.sock.sendall(data if isinstance(data, bytes) else data.encode())
        except OSError:
            with contextlib.suppress(OSError):
                while True:
                    self.hear()  # a refusal that stands before the reset is one all the same
            raise

    def hear(self):
        """One reply; a refusal is noted for good."""
        lines = []
        while True:
            while b"\n" not in self.pending:
                try:
                    more = self.sock.recv(4096)
                except socket.timeout:
                    self.device.failures.append(f"no reply in {PATIENCE} s, after {lines}")
                    raise
                if not more:
                    raise Gone("closed")
                self.pending += more
            line, self.pending = self.pending.split(b"\n", 1)
            lines.append(line)
            if line[3:4] != b"-":
                break
        if lines[-1][:1] not in b"23" or not lines[-1].endswith(b"\r"):
            self.device.failures.append(b" ".join(lines).decode("latin-1"))
            raise Gone("refused")
        return lines

    def banner(self):
        lines = self.hear()
        self.device.banners.append(time.monotonic() - self.opened)
        assert len(lines) == 1, "Q-04"

    def say(self, *lines, end="\r\n"):
        """Line by line, each answered."""
        for line in lines:
            self.send((line if isinstance(line, bytes) else line.encode()) + end.encode())
            self.hear()

    def end(self, text):
        """The text and what ends it; returns when it is acknowledged."""
        self.send(text)
        self.hear()
        self.device.acknowledge()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


class Device(threading.Thread):
    def __init__(self, number, kind, port, pause):
        super().__init__(daemon=True)
        self.number, self.kind, self.port, self.pause = number, kind, port, pause
        self.address = f"127.0.5.{1 + number}"
        self.chance = random.Random(number)
        self.serial, self.acknowledged, self.failures, self.banners, self.closes = 0, [], [], [], 0
        self.stopping, self.wire = False, None
        self.start()

    @property
    def mark(self):
        return f"Mark-{self.kind.__name__}-{self.number}-{self.serial}-end"

    def acknowledge(self):
        self.acknowledged.append(self.mark)

    def run(self):
        while not self.stopping:
            self.serial += 1
            self.hand_over()
            time.sleep(self.pause * self.chance.uniform(0.5, 1.5))
        if self.wire is not None:
            self.wire.close()

    def hand_over(self):
        """One message, until it is acknowledged."""
        give_up = None
        while self.mark not in self.acknowledged[-1:]:
            if self.stopping and give_up is None:
                give_up = time.monotonic() + PATIENCE
            if give_up is not None and time.monotonic() > give_up:
                self.failures.append(f"{self.mark} was never acknowledged")
                return
            try:
                self.kind(self)
            except OSError:
                self.closes += 1
                self.drop()
                time.sleep(0.02)

    def drop(self):
        if self.wire is not None:
            self.wire.close()
        self.wire = None

    @contextlib.contextmanager
    def connection(self):
        """A connection for one message."""
        self.wire = Wire(self)
        yield self.wire
        self.drop()

    def kept(self, messages):
        """A connection that is kept for so many messages; says whether it is a new one."""
        if self.wire is not None and self.left > 0:
            self.left -= 1
            return self.wire, False
        if self.wire is not None:
            self.wire.say("QUIT")
            self.drop()
        self.wire, self.left = Wire(self), messages - 1
        return self.wire, True

    def text(self, end="\r\n"):
        """A well-formed message."""
        lines = ["From: device@example.edu", "To: owner@example.org", f"Subject: {self.mark}", "Date: Sun, 22 Nov 2026 10:00:00 +0000",
                 f"Message-ID: <{self.mark}@device.example.edu>", "", f"{self.mark}", "All is well.", ""]
        return end.join(lines).encode()


MAIL, RCPT = "MAIL FROM:<device@example.edu>", "RCPT TO:<owner@example.org>"


# ---- the sorts ----

def obedient(device):
    with device.connection() as wire:
        wire.banner()
        wire.say("EHLO device.example.edu", MAIL, RCPT, "DATA")
        wire.end(device.text() + b".\r\n")
        wire.say("QUIT")


def long_lived(device):
    """Q-09: keeps its connection for ever, and says NOOP now and then."""
    wire, new = device.kept(1_000_000)
    if new:
        wire.banner()
        wire.say("EHLO device")
    wire.say("NOOP", MAIL, RCPT, "DATA")
    wire.end(device.text() + b".\r\n")


def a_few_at_a_time(device):
    wire, new = device.kept(5)
    if new:
        wire.banner()
        wire.say("HELO device")
    wire.say(MAIL, RCPT, "DATA")
    wire.end(device.text() + b".\r\n")


def resets_at_the_end(device):
    """Q-11, Q-67: no QUIT but a reset, and a new connection for each message."""
    with device.connection() as wire:
        wire.banner()
        wire.say("HELO device", MAIL, RCPT, "DATA")
        wire.end(device.text() + b".\r\n")
        wire.reset()


def serial_line(device):
    """Q-57: a byte now and a byte then, as over a modem."""
    with device.connection() as wire:
        wire.banner()
        for line in ("HELO modem", MAIL, RCPT, "DATA"):
            for byte in line + "\r\n":
                wire.send(byte)
                time.sleep(0.002)
            wire.hear()
        wire.end(device.text() + b".\r\n")


def no_hello(device):
    """Q-21"""
    with device.connection() as wire:
        wire.banner()
        wire.say(MAIL, RCPT, "DATA")
        wire.end(device.text() + b".\r\n")


def all_at_once(device):
    """Q-41, Q-42, Q-32: the dialogue in one packet, QUIT behind the dot, and only then it listens."""
    with device.connection() as wire:
        wire.banner()
        wire.send("\r\n".join(["HELO script", MAIL, RCPT, "DATA", ""]).encode() + device.text() + b".\r\nQUIT\r\n")
        for _ in range(4):
            wire.hear()
        wire.end(b"")


def early_talker(device):
    """Q-01: says it all before the banner."""
    with device.connection() as wire:
        wire.send("\r\n".join(["HELO script", MAIL, RCPT, "DATA", ""]).encode() + device.text() + b".\r\n")
        wire.banner()
        for _ in range(4):
            wire.hear()
        wire.end(b"")


def lone_line_feeds(device):
    """Q-55, Q-61, Q-62: LF ends each line, and the message."""
    with device.connection() as wire:
        wire.banner()
        wire.say("HELO script", MAIL, RCPT, "DATA", end="\n")
        wire.end(device.text("\n") + b".\n")
        wire.say("QUIT", end="\n")


def no_brackets(device):
    """Q-22, Q-28, Q-33, Q-34, Q-35"""
    with device.connection() as wire:
        wire.banner()
        wire.say("helo ", "mail from: device@example.edu", "RCPT TO owner@example.org", "  data  ")
        wire.end(device.text() + b".\r\n")
        wire.say("QUIT now")


def display_names(device):
    """Q-23, Q-36, Q-37, Q-45, Q-46"""
    with device.connection() as wire:
        wire.banner()
        wire.say("EHLO _", 'MAIL FROM:"The Device" <device@example.edu>', "RCPT TO:<<owner@example.org>>",
                 "RCPT TO:<owner@example.org>,<owner@example.org>", "DATA")
        wire.end(device.text() + b".\r\n")
        wire.say("QUIT")


def starts_again(device):
    """Q-26, Q-43, Q-44, Q-52, Q-53: EHLO and MAIL twice, empty lines, parameters that nobody offered."""
    with device.connection() as wire:
        wire.banner()
        wire.say("EHLO one", MAIL, "EHLO two", "MAIL FROM:<other@example.edu> XVERP=yes", f"{MAIL} BODY=8BITMIME SIZE=1 FOO")
        wire.send("\r\n\r\n")
        wire.say(RCPT, "DATA now")
        wire.end(device.text() + b".\r\n")
        wire.say("\r\n\r\nQUIT")


def preflight(device):
    """Q-12, Q-13: asks first, and hands over on another connection."""
    with device.connection() as wire:
        wire.banner()
        wire.say("HELO hp", "VRFY owner", MAIL, RCPT, "QUIT")
    obedient(device)


def unqualified(device):
    """Q-24, Q-38, Q-39, Q-50"""
    with device.connection() as wire:
        wire.banner()
        wire.say("HELO 10.1.2.3", "MAIL FROM:<printer.>", "RCPT TO:<owner@example.org.>", "DATA")
        wire.end(device.text() + b".\r\n")
        wire.say("QUIT")


def no_header(device):
    """Q-70, Q-72 to Q-76: a line of text, in some charset."""
    with device.connection() as wire:
        wire.banner()
        wire.say("HELO ups", MAIL, RCPT, "DATA")
        wire.end(device.mark.encode() + b"\r\nBatterie f\xfcr 20 Min.\r\n.\r\n")
        wire.say("QUIT")


def odd_bytes(device):
    """Q-63, Q-71: NUL, lone CR, lone LF."""
    with device.connection() as wire:
        wire.banner()
        wire.say("HELO odd", MAIL, RCPT, "DATA")
        wire.end(device.text() + b"one\rtwo\nthree\0four\0\r\n\r\n.\r\n")
        wire.say("QUIT")


def endless_lines(device):
    """Q-69, Q-78: all in one line, in the header and in the body."""
    with device.connection() as wire:
        wire.banner()
        wire.say("HELO web", MAIL, RCPT, "DATA")
        many = b"Cc: " + b", ".join(b"someone%d@example.net" % i for i in range(100)) + b"\r\n"
        wire.end(many + device.text() + b"<p>" + b"without an end " * 200 + b"</p>\r\n.\r\n")
        wire.say("QUIT")


def bad_header(device):
    """Q-72 to Q-79, Q-88: a false Date, raw umlauts, Bcc, an mbox line, an empty charset."""
    with device.connection() as wire:
        wire.banner()
        wire.say("HELO copier", MAIL, RCPT, "DATA")
        wire.end(b"From copier Thu Jan  1 00:00:00 1970\r\nFrom: B\xfcro <copier>\r\nSubject: Z\xe4hlerstand\r\nDate: 1/1/70\r\n"
                 b"Bcc: secret@example.net\r\nContent-Type: text/plain; charset=\r\n\r\n" + device.mark.encode() + b"\r\n.\r\n")
        wire.say("QUIT")


def large_scan(device):
    """Q-82: some hundred kilobytes, in portions."""
    block = (b"A" * 76 + b"\r\n") * 100
    with device.connection() as wire:
        wire.banner()
        wire.say("EHLO scanner", MAIL, RCPT, "DATA")
        wire.send(device.text())
        for _ in range(device.chance.randrange(5, 60)):
            wire.send(block)
            time.sleep(0.001)
        wire.end(b".\r\n")
        wire.say("QUIT")


def chunks(device):
    """Q-81: BDAT behind a HELO, and the last of it without an end of line."""
    with device.connection() as wire:
        wire.banner()
        wire.say("HELO groupware", MAIL, RCPT)
        text = device.text().rstrip()
        half = device.chance.randrange(1, len(text))
        wire.send(b"BDAT %d\r\n" % half + text[:half])
        wire.hear()
        wire.end(b"BDAT %d LAST\r\n" % (len(text) - half) + text[half:])


def gone_after_the_dot(device):
    """Q-66, Q-85: goes before the reply, and sends the same again on another connection."""
    for impatient in (True, False):
        with device.connection() as wire:
            wire.banner()
            wire.say("HELO hasty", MAIL, RCPT, "DATA")
            if impatient:
                wire.send(device.text() + b".\r\n")
                wire.reset()
            else:
                wire.end(device.text() + b".\r\n")


KINDS = [obedient, long_lived, a_few_at_a_time, resets_at_the_end, serial_line, no_hello, all_at_once, early_talker, lone_line_feeds,
         no_brackets, display_names, starts_again, preflight, unqualified, no_header, odd_bytes, endless_lines, bad_header, large_scan,
         chunks]


def marks_in(text):
    return set(re.findall(r"Mark-\w+-\d+-\d+-end", text.decode("latin-1")))

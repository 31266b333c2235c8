"""Stops or kills the relay at one system call of its own, with strace: the moment is chosen, not hit by luck."""
import contextlib
import subprocess

from conftest import wait_until


def options(out, call, signal, number):
    """strace's: the relay gets the signal at the number-th such call of one of its threads.

    STOP takes effect behind the call; KILL before it, the call is not made.
    """
    return ["strace", "-f", "-qq", "-o", str(out), "-e", f"trace={call}", "-e", f"inject={call}:signal={signal}:when={number}"]


class Tracer:
    """Attached to a relay that runs; counts from now on."""

    def __init__(self, relay, call, signal, number=1):
        self.relay = relay
        self.out = relay.folder / "trace"
        errors = relay.folder / "trace.err"
        arguments = [argument for argument in options(self.out, call, signal, number) if argument != "-qq"]
        with errors.open("wb") as file:
            self.process = subprocess.Popen([*arguments, "-p", str(relay.process.pid)], stderr=file, stdin=subprocess.DEVNULL)
        wait_until(lambda: "attached" in errors.read_text(), what="strace at work")

    def wait_stopped(self):
        wait_until(lambda: self.out.exists() and "stopped by SIGSTOP" in self.out.read_text(errors="replace"), what="the stop")

    def close(self):
        self.process.wait(20)  # it ends with the relay


@contextlib.contextmanager
def attach_calls(relay, calls):
    """Writes down those calls of a relay that runs, with their texts, until the block ends."""
    trace = Calls(relay, calls)
    try:
        yield trace
    finally:
        trace.close()


class Calls:
    def __init__(self, relay, calls):
        self.out = relay.folder / "calls"
        errors = relay.folder / "calls.err"
        with errors.open("wb") as file:
            self.process = subprocess.Popen(["strace", "-f", "-s", "2000", "-o", str(self.out), "-e", f"trace={calls}", "-p", str(relay.process.pid)],
                                            stderr=file, stdin=subprocess.DEVNULL)
        wait_until(lambda: "attached" in errors.read_text(), what="strace at work")

    def text(self):
        return self.out.read_text(errors="replace")

    def close(self):
        self.process.terminate()
        self.process.wait(20)

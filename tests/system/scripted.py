"""An upstream whose every word a test decides: for peers that stall, refuse, cut and lie."""
import contextlib
import socket
import struct
import threading


class Session:
    """One connection, as the script sees it."""

    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        self.file = sock.makefile("rb")
        self.sender, self.recipients = None, []

    def say(self, *lines):
        self.raw("".join(line + "\r\n" for line in lines))

    def raw(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def line(self):
        """The client's next line without its end, or None when it is gone."""
        with contextlib.suppress(OSError):
            line = self.file.readline()
            if line:
                return line.rstrip(b"\r\n").decode("latin-1")
        return None

    def greet(self, *capabilities):
        self.say("220 scripted.example ESMTP")
        self.line()
        offers = ["scripted.example", *(capabilities or ("PIPELINING", "8BITMIME"))]
        self.say(*(f"250{'-' if i < len(offers) - 1 else ' '}{offer}" for i, offer in enumerate(offers)))

    def text(self):
        """The message's text up to the final dot, dots undone."""
        lines = []
        while (line := self.file.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def answer(self, line):
        """What an obedient server says; keeps the message."""
        verb = line.split(" ")[0].split(":")[0].upper()
        if verb == "MAIL":
            self.sender, self.recipients = line, []
            self.say("250 2.1.0 ok")
        elif verb == "RCPT" and self.sender is None:
            self.say("503 5.5.1 no sender")
        elif verb == "RCPT":
            self.recipients.append(line[len("RCPT TO:"):])
            self.say("250 2.1.5 ok")
        elif verb == "DATA" and not self.recipients:
            self.say("503 5.5.1 no recipient")
        elif verb == "DATA":
            self.say("354 go on")
            self.keep()
            self.say("250 2.0.0 taken")
        elif verb == "QUIT":
            self.say("221 2.0.0 bye")
        else:
            self.say("250 2.0.0 ok")

    def keep(self):
        self.server.messages.append((self.sender, list(self.recipients), self.text()))
        self.sender, self.recipients = None, []

    def reset(self):
        """Ends the connection with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.file.close()
        self.sock.close()


class ScriptedUpstream:
    """Runs script(session) for each connection in a thread; closes the connection when it returns."""

    def __init__(self, script, port=0):
        self.script, self.messages, self.connects, self.errors = script, [], 0, []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                self.connects += 1
                self.sockets.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        session = Session(self, sock)
        try:
            self.script(session)
        except OSError:
            pass
        except Exception as error:  # shown by the test
            self.errors.append(error)
        with contextlib.suppress(OSError):
            session.file.close()
            sock.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        assert not self.errors, self.errors

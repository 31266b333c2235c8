"""Clients that log in: connect, STARTTLS, AUTH, QUIT, so many a minute, in the background."""
import concurrent.futures
import smtplib
import ssl
import threading
import time


class Logins:
    def __init__(self, port, account, password, a_minute, threads=32):
        """a_minute None: as fast as they go."""
        self.port, self.account, self.password = port, account, password
        self.step = 60 / a_minute if a_minute else 0
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.stopping = threading.Event()
        self.next, self.lock = time.monotonic(), threading.Lock()
        self.right = self.wrong = 0
        self.seconds = []  # each AUTH took
        self.began = time.monotonic()
        self.pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.runs = [self.pool.submit(self.run) for _ in range(threads)]

    def my_turn(self):
        """Waits for it; who is late goes at once, so that the rate is kept."""
        with self.lock:
            at = self.next
            self.next += self.step
        self.stopping.wait(max(0, at - time.monotonic()))

    def run(self):
        while True:
            self.my_turn()
            if self.stopping.is_set():
                return
            right = self.log_in()
            with self.lock:
                self.right += right
                self.wrong += not right

    def log_in(self):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as client:
            client.starttls(context=self.context)
            client.ehlo()
            began = time.monotonic()
            try:
                client.login(self.account, self.password)
            except smtplib.SMTPAuthenticationError:
                return False
            self.seconds.append(time.monotonic() - began)
            return True

    def stop(self):
        """Sessions a minute."""
        rate = (self.right + self.wrong) / (time.monotonic() - self.began) * 60
        self.stopping.set()
        for run in self.runs:
            run.result()
        self.pool.shutdown()
        return rate

"""`make run`: what a stranger sees, and that the lines to paste work."""
import re
import shlex
import signal
import subprocess

from conftest import BUILD, PATIENCE, ROOT, SANITIZED, free_port, wait_until


def test_the_demonstration_tells_the_story_of_a_message(folder):
    out = folder / "out"
    with out.open("wb") as to:
        demo = subprocess.Popen(["/usr/bin/python3", ROOT / "tests" / "demo" / "run", "--build", BUILD, "--busy", "10" if SANITIZED else "3", "--port", str(free_port()),
                                 "--submission-port", str(free_port()), "--upstream-port", str(free_port()), "--folder", folder / "demo"], stdout=to, stderr=to)

    def wait_for(pattern):
        return wait_until(lambda: re.search(pattern, out.read_text(), re.M), what=f"{pattern!r} on the screen")
    try:
        send = wait_for(r"^  (curl .*)$")[1]
        worst = wait_for(r"^  (bash .*)$")[1]
        report = wait_for(r"^  (.*client show .*)$")[1]
        secure = wait_for(r"^  (curl -sk --ssl-reqd --url .*)$")[1]
        login = wait_for(r"^  (curl .* --user .*)$")[1]
        ask = wait_for(r"^  (.*queue list)$")[1]
        subprocess.run(shlex.split(send), check=True, timeout=PATIENCE)
        listed = subprocess.run(shlex.split(ask), check=True, timeout=PATIENCE, capture_output=True, text=True).stdout
        identity = wait_for(r"accepted +([0-9A-F]{14}) from scanner@example.edu")[1]
        assert identity in listed and "upstream busy: 421" in listed
        wait_for(rf"delivered +{identity} to you@example.edu")
        heard = subprocess.run(shlex.split(worst), check=True, timeout=PATIENCE, capture_output=True, text=True).stdout
        assert "queued as" in heard and "\n221 " in heard
        wait_until(lambda: {"Q-22", "Q-33", "Q-39", "Q-74"} <= set(re.findall(
            r"(?m)^Q-\d+", subprocess.run(shlex.split(report), timeout=PATIENCE, capture_output=True, text=True).stdout)), what="the report")
        wait_for(r"delivered +[0-9A-F]{14} to you@example.edu(?s:.*)delivered +[0-9A-F]{14} to you@example.edu")
        subprocess.run(shlex.split(secure), check=True, timeout=PATIENCE)
        wait_for(r"(?s)(?:delivered +[0-9A-F]{14} to you@example.edu.*){3}")
        subprocess.run(shlex.split(login), check=True, timeout=PATIENCE)
        assert subprocess.run(shlex.split(login.replace("--mail-from anna@", "--mail-from boss@")), timeout=PATIENCE).returncode != 0
        wait_for(r"(?s)(?:delivered +[0-9A-F]{14} to you@example.edu.*){4}")
        demo.send_signal(signal.SIGINT)
        assert demo.wait(PATIENCE) == 0
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.wait(PATIENCE)
    told = re.findall(r"^\d\d:\d\d:\d\d  (\w+)", out.read_text(), re.M)
    assert told == ["accepted", "busy", "waiting", "recovered", "delivered", "accepted", "delivered", "accepted", "delivered", "accepted", "delivered", "stopping", "ended"], out.read_text()

"""sluice user: the file of accounts, changed by the command as an operator types it."""
import concurrent.futures
import fcntl
import json
import os
import pty
import re
import signal
import stat
import subprocess
import termios

import pytest

from conftest import BUILD, PATIENCE, wait_until

YESCRYPT = re.compile(r"^\$y\$[./0-9A-Za-z]+\$[./0-9A-Za-z]+\$[./0-9A-Za-z]{43}$")


def user(*arguments, password=None, code=0):
    done = subprocess.run([BUILD / "sluice", "user", *arguments], input=password or "", capture_output=True, text=True,
                          timeout=PATIENCE, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def users(folder):
    return folder / "users"


def entries(users):
    return dict(line.split(":", 1) for line in users.read_text().splitlines() if line and line[0] != "#")


def test_add_makes_a_file_that_the_group_may_read(users):
    user("add", "anna", "--file", users, password="apple\n")
    assert YESCRYPT.match(entries(users)["anna"])
    assert stat.S_IMODE(users.stat().st_mode) == 0o640
    assert sorted(path.name for path in users.parent.iterdir()) == ["users"]


def test_password_is_what_was_given(users):
    user("add", "anna", "--file", users, password="äpple pie \n")
    check = "import sys, crypt; sys.exit(crypt.crypt(sys.argv[1], sys.argv[2]) != sys.argv[2])"
    for password, right in (("äpple pie ", True), ("äpple pie", False)):
        done = subprocess.run(["/usr/bin/python3", "-W", "ignore", "-c", check, password, entries(users)["anna"]],
                              check=False)
        assert (done.returncode == 0) == right


def test_other_lines_stay_byte_by_byte(users):
    before = b"# accounts\r\n\nbert:!x\xff\nbroken\n\n# the end"
    users.write_bytes(before)
    user("add", "anna", "--file", users, password="apple")
    text = users.read_bytes()
    assert text.startswith(before + b"\nanna:$y$") and text.endswith(b"\n")
    first = text
    user("passwd", "anna", "--file", users, password="plum")
    text = users.read_bytes()
    assert text.startswith(before + b"\nanna:$y$") and text != first and text.count(b"anna") == 1
    user("del", "anna", "--file", users)
    assert users.read_bytes() == before + b"\n"


def test_what_cannot_be_done_says_why_and_changes_nothing(users):
    user("add", "anna", "--file", users, password="apple")
    before = users.read_bytes()
    assert "already" in user("add", "anna", "--file", users, password="plum", code=73)
    assert "no account bert" in user("passwd", "bert", "--file", users, password="plum", code=1)
    assert "no account bert" in user("del", "bert", "--file", users, code=1)
    assert "no password" in user("passwd", "anna", "--file", users, password="\n", code=65)
    assert "no password" in user("passwd", "anna", "--file", users, password="", code=65)
    assert "longer" in user("passwd", "anna", "--file", users, password="x" * 512, code=65)
    for name in ("", "a b", "a:b", "#a", "a\x01", "x" * 256, "a\u202eb"):
        assert "expected a name" in user("add", name, "--file", users, password="plum", code=65)
    user("add", "--file", users, code=64)
    user("add", "a", "b", "--file", users, code=64)
    assert users.read_bytes() == before


def test_no_password_comes_by_the_command_line(users):
    user("add", "anna", "apple", "--file", users, code=64)
    assert "no option" in user("add", "anna", "--password=apple", "--file", users, code=64)
    assert not users.exists()


def test_longest_password_is_taken(users):
    user("add", "anna", "--file", users, password="x" * 511)
    assert YESCRYPT.match(entries(users)["anna"])


def test_del_takes_several_and_says_which_are_missing(users):
    for name in ("anna", "bert", "carl"):
        user("add", name, "--file", users, password="apple")
    assert "dora" in user("del", "anna", "dora", "carl", "--file", users, code=1)
    assert list(entries(users)) == ["bert"]


def test_list_shows_accounts_and_bad_lines(users):
    user("add", "anna", "--file", users, password="apple")
    with users.open("a") as file:
        file.write("bert:!\nplain:text\ncarl:" + "$6$saltsalt$" + "a" * 86 + "\n")
    lines = [line.split() for line in user("list", "--file", users).splitlines()]
    assert lines == [["NAME", "STATE", "METHOD"], ["anna", "active", "yescrypt"], ["bert", "locked"],
                     ["carl", "active", "sha512crypt"]]
    shown = json.loads(user("list", "--file", users, "--json"))
    assert shown["users"][0] == {"name": "anna", "locked": False, "method": "yescrypt"}
    assert shown["bad_lines"][0]["line"] == 3
    user("list", "--file", users.parent / "missing", code=66)


def test_configuration_names_the_file(folder, users):
    config = folder / "sluice.conf"
    text = f"""hostname = relay.example
data_dir = "{folder}/data"
listen door {{ address = {{"127.0.0.1:2525"}} networks = {{"127.0.0.0/8"}} }}
upstream campus {{ hosts = {{"127.0.0.1:26"}} }}
route "*" {{ upstream = campus }}
"""
    config.write_text(text)
    assert "names no file of accounts" in user("add", "anna", "-c", config, password="apple", code=78)
    config.write_text(text + f'auth {{ users = "{users}" }}\n')
    user("add", "anna", "-c", config, password="apple")
    assert "anna" in entries(users)
    assert "cannot be read" in user("list", "-c", folder / "none.conf", code=78)


def test_ten_at_once_are_all_there(users):
    names = [f"user{i}" for i in range(10)]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda name: user("add", name, "--file", users, password="apple"), names))
    assert sorted(entries(users)) == sorted(names)


def test_who_waits_too_long_for_another_is_told_to_try_again(users):
    lock = os.open(users.parent, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert "try again" in user("add", "anna", "--file", users, password="apple", code=75)
    assert not users.exists()
    os.close(lock)


def test_owner_group_and_link_stay(users):
    users.write_text("# accounts\n")
    users.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(users, 12345, 23456)
    link = users.parent / "link"
    link.symlink_to(users)
    before = users.stat()
    user("add", "anna", "--file", link, password="apple")
    after = users.stat()
    assert link.is_symlink() and "anna" in entries(users)
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (before.st_uid, before.st_gid, 0o600)
    assert after.st_ino != before.st_ino


def test_new_file_is_flushed_before_it_takes_the_place(users):
    trace = users.parent / "trace"
    subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=fsync,rename,renameat,renameat2,openat", BUILD / "sluice", "user",
                    "add", "anna", "--file", users], input="apple\n", text=True, check=True, timeout=PATIENCE,
                   env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    calls = re.findall(r"^\d+ +(fsync|rename\w*)\(", trace.read_text(), re.M)
    assert [call[:6] for call in calls] == ["fsync", "rename", "fsync"]


def test_left_over_of_an_interrupted_change_is_no_hindrance(users):
    (users.parent / "users.new").write_text("half")
    user("add", "anna", "--file", users, password="apple")
    assert list(entries(users)) == ["anna"] and not (users.parent / "users.new").exists()


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, *arguments):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(BUILD / "sluice", ["sluice", *map(str, arguments)])
        self.shown = ""
        os.set_blocking(self.fd, False)

    def read(self):
        try:
            self.shown += os.read(self.fd, 4096).decode()
        except BlockingIOError:
            pass
        except OSError:  # the other end is closed
            return True
        return False

    def wait_for(self, text):
        wait_until(lambda: self.read() or text in self.shown, what=f"{text!r} on the terminal")
        assert text in self.shown, self.shown

    def type(self, text):
        os.write(self.fd, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self):
        """The exit status as the shell has it; what was shown is read to its end."""
        wait_until(self.read, what="the end of the command")
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_terminal_asks_twice_and_shows_no_password(users):
    terminal = Terminal("user", "add", "anna", "--file", users)
    terminal.wait_for("Password for anna: ")
    terminal.type("apple\n")
    terminal.wait_for("Once more for anna: ")
    terminal.type("apple\n")
    assert terminal.end() == 0
    assert "apple" not in terminal.shown
    assert YESCRYPT.match(entries(users)["anna"])


def test_two_different_passwords_are_refused(users):
    terminal = Terminal("user", "add", "anna", "--file", users)
    terminal.wait_for("Password for anna: ")
    terminal.type("apple\n")
    terminal.wait_for("Once more for anna: ")
    terminal.type("apples\n")
    assert terminal.end() == 65
    assert "differ" in terminal.shown and not users.exists()


def test_interrupt_at_the_prompt_ends_it_and_unmutes_the_terminal(users):
    terminal = Terminal("user", "add", "anna", "--file", users)
    terminal.wait_for("Password for anna: ")
    assert not terminal.echoes()
    terminal.type("app\x03")
    wait_until(terminal.echoes, what="the terminal's echo")
    assert terminal.end() == -signal.SIGINT
    assert not users.exists()


def test_name_that_is_taken_is_told_before_a_password_is_asked(users):
    user("add", "anna", "--file", users, password="apple")
    terminal = Terminal("user", "add", "anna", "--file", users)
    assert terminal.end() == 73
    assert "Password" not in terminal.shown

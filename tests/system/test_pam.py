"""Accounts kept by PAM: real services in /etc/pam.d (needs root), modules of Debian, and one of ours that misbehaves."""
import glob
import os
import pathlib
import signal
import smtplib
import subprocess
import time
import uuid

import pytest

import certificates
from conftest import BUILD, PATIENCE, TEXT, wait_until
from test_login import plain, secured
from test_tls import any_context, make_tls  # noqa: F401 (fixtures)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root writes to /etc/pam.d")

TRIAL = f"auth required {BUILD}/tests/pam_trial.so\naccount required {BUILD}/tests/pam_trial.so\n"


@pytest.fixture
def service():
    """service(text): the name of a PAM service that is there for the test."""
    paths = []

    def make(text=TRIAL):
        path = pathlib.Path("/etc/pam.d") / f"sluice-test-{uuid.uuid4().hex[:12]}"
        paths.append(path)
        path.write_text(text)
        return path.name
    yield make
    for path in paths:
        path.unlink()


@pytest.fixture
def make_pam(make_tls, service):  # noqa: F811
    def make(text=TRIAL, auth="delay = 0ms", **options):
        return make_tls(top=f"auth {{ pam = {service(text)}\n{auth}\n}}\n", **options)
    return make


def login(relay, name, password="apple", code=235):
    with secured(relay) as client:
        return client.command("AUTH PLAIN " + plain(name, password), code)


def children(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def helper_of(relay):
    """(keeper, dispatcher)"""
    (keeper,) = children(relay.process.pid)
    return keeper, wait_until(lambda: children(keeper), what="the dispatcher")[0]


def is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("profile", ["standard", "fragile"])
def test_smtplib_sends_as_a_pam_account(make_pam, upstream, profile):
    relay = make_pam(profile=profile)
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=PATIENCE) as client:
        client.starttls(context=any_context())
        client.login("anna", "apple")
        client.sendmail("a@example.com", ["b@example.org"], TEXT)
    (text,) = upstream.wait_for(1)
    assert b"with ESMTPSA id" in text
    assert 'account="anna" mechanism=PLAIN tls=yes result=right' in relay.log()


def test_swaks(make_pam, upstream):
    relay = make_pam()
    for password, code in (("apple", 0), ("plum", 28)):
        done = subprocess.run(["swaks", "--server", f"127.0.0.1:{relay.port}", "--tls", "--auth", "LOGIN", "--auth-user", "anna",
                               "--auth-password", password, "--from", "a@example.com", "--to", "b@example.org"],
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == code, done.stdout + done.stderr
    upstream.wait_for(1)


def test_each_answer_of_pam(make_pam):
    relay = make_pam()
    login(relay, "anna", "plum", 535)
    for name in ("expired", "unknown", "more"):
        login(relay, name, code=535)
        relay.wait_log(f'event=pam_refused .*account="{name}"')
    login(relay, "peer")
    for name in ("away", "crash", "exit"):
        assert "4.7.0" in login(relay, name, code=454)
        relay.wait_log(f'event=pam_unavailable .*account="{name}"')
    assert relay.metric('sluice_helper_failures_total{reason="died"}') == 2
    login(relay, "anna")
    assert "apple" not in relay.log() and "plum" not in relay.log()


def test_wrong_ones_count_and_right_ones_are_known(make_pam):
    relay = make_pam(auth="delay = 0ms tries = 3")
    login(relay, "anna")
    login(relay, "anna")
    assert relay.metric("sluice_auth_cache_hits_total") == 1
    login(relay, "away", code=454)  # nobody's fault
    for _ in range(3):
        login(relay, "bert", "plum", 535)
    relay.wait_log("event=address_locked_out")
    login(relay, "carl", code=535)


def test_debians_pam_matrix_agrees_with_pamtester(make_pam, folder):
    (module,) = glob.glob("/usr/lib/*/pam_wrapper/pam_matrix.so")
    passwords = folder / "passdb"
    relay = make_pam(f"auth required {module} passdb={passwords}\naccount required {module} passdb={passwords}\n")
    name = relay.config.read_text().split("pam = ")[1].split()[0]
    passwords.write_text(f"anna:apple:{name}\nbert:beech:another\n")
    for account, password, right in (("anna", "apple", True), ("anna", "beech", False), ("bert", "beech", False), ("carl", "", False)):
        said = subprocess.run(["pamtester", name, account, "authenticate", "acct_mgmt"], input=password + "\n", text=True,
                              capture_output=True, timeout=PATIENCE, check=False)
        assert (said.returncode == 0) == right, said
        if password:
            login(relay, account, password, 235 if right else 535)


def test_a_module_that_hangs_costs_its_login_only(make_pam):
    relay = make_pam(auth="delay = 0ms timeout = 3s")
    with secured(relay) as hanging:
        began = time.monotonic()
        hanging.send("AUTH PLAIN " + plain("hang", "apple") + "\r\n")
        _, dispatcher = helper_of(relay)
        (task,) = wait_until(lambda: children(dispatcher), what="the module's process")
        login(relay, "anna")
        login(relay, "bert", "plum", 535)
        assert "4.7.0" in hanging.expect(454)
        assert time.monotonic() - began >= 3
    relay.wait_log('event=pam_unavailable .*account="hang" why="no answer in time"')
    wait_until(lambda: is_gone(task), what="the end of the module's process")
    assert relay.metric('sluice_helper_failures_total{reason="late"}') == 1


def test_more_than_there_are_places_wait_and_all_are_answered(make_pam):
    relay = make_pam(auth="delay = 0ms timeout = 2s workers = 1")
    hanging = [secured(relay) for _ in range(40)]
    for client in hanging:
        client.send("AUTH PLAIN " + plain("hang", "apple") + "\r\n")
    login(relay, "anna")
    for client in hanging:
        client.expect(454)
        client.close()


def test_what_a_module_leaves_behind_is_killed(make_pam):
    relay = make_pam()
    login(relay, "child")
    wait_until(lambda: not glob_tasks(relay), what="the end of all tasks")


def glob_tasks(relay):
    """Processes of sluiced's session of helpers, but for keeper and dispatcher."""
    keeper, dispatcher = helper_of(relay)
    found = subprocess.run(["ps", "-o", "pid=,stat=", "-s", str(keeper)], capture_output=True, text=True, check=False)
    pids = [line.split() for line in found.stdout.splitlines()]
    return [int(pid) for pid, state in pids if int(pid) not in (keeper, dispatcher) and state[0] != "Z"]


def test_a_dispatcher_that_is_killed_is_started_again(make_pam):
    relay = make_pam()
    _, dispatcher = helper_of(relay)
    os.kill(dispatcher, signal.SIGKILL)
    relay.wait_log("event=helper_restarted")
    login(relay, "anna")
    assert relay.metric("sluice_helper_restarts_total") == 1
    assert relay.metric("sluice_helper_up") == 1


def test_without_helper_logins_are_unavailable_and_mail_flows(make_pam, upstream):
    relay = make_pam()
    login(relay, "anna")
    os.kill(helper_of(relay)[0], signal.SIGKILL)
    relay.wait_log("event=helper_gone .*hint=")
    assert relay.metric("sluice_helper_up") == 0
    login(relay, "bert", code=454)
    login(relay, "anna")  # known still
    with relay.client() as client:
        client.hello()
        client.message(TEXT)
    upstream.wait_for(1)


def test_signals_for_the_whole_group_leave_the_helper_to_the_relay(make_pam):
    relay = make_pam()
    keeper, dispatcher = helper_of(relay)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(keeper, number)
        os.kill(dispatcher, number)
    login(relay, "anna")
    assert helper_of(relay) == (keeper, dispatcher)


@pytest.mark.parametrize("profile", ["standard", "fragile"])
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_the_helper_ends_with_the_relay(make_pam, end, profile):
    relay = make_pam(profile=profile, auth="delay = 0ms timeout = 2m")  # which nobody waits for
    keeper, dispatcher = helper_of(relay)
    with secured(relay) as hanging:
        hanging.send("AUTH PLAIN " + plain("hang", "apple") + "\r\n")
        (task,) = wait_until(lambda: children(dispatcher), what="the module's process")
        if end == "kill":
            relay.kill()
        else:
            assert relay.stop() == 0
    wait_until(lambda: all(map(is_gone, (keeper, dispatcher, task))), what="the helper's end")
    relay.start()


def test_the_helper_has_none_of_the_relays_descriptors(make_pam):
    relay = make_pam()
    for pid in helper_of(relay):
        names = sorted(int(path.name) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir())
        assert names == [0, 1, 2, 3]
        assert os.readlink(f"/proc/{pid}/fd/3").startswith("socket:")


def test_relay_drops_root_and_the_helper_keeps_it(make_tls, service, folder):  # noqa: F811
    relay = make_tls(start=False, top=f"user = nobody\nauth {{ pam = {service()}\ndelay = 0ms }}\n")
    # nobody makes the store: all folders on the way are passable, the last one is theirs
    for key in certificates.shared():
        key.chmod(0o644)
        key.parent.chmod(0o755)
    folder.chmod(0o755)
    relay.folder.chmod(0o777)
    relay.socket.parent.chmod(0o777)
    relay.start()
    keeper, _ = helper_of(relay)
    assert "Uid:\t65534\t" in pathlib.Path(f"/proc/{relay.process.pid}/status").read_text()
    assert "Uid:\t0\t" in pathlib.Path(f"/proc/{keeper}/status").read_text()
    assert "NoNewPrivs:\t1" in pathlib.Path(f"/proc/{keeper}/status").read_text()
    login(relay, "anna")


def test_reload_changes_the_service_and_refuses_another_keeper(make_pam, service):
    relay = make_pam(auth="delay = 0ms cache = 0ms")
    login(relay, "anna")
    text = relay.config.read_text()
    name = text.split("pam = ")[1].split()[0]
    relay.config.write_text(text.replace(name, service("auth required pam_deny.so\naccount required pam_deny.so\n")))
    relay.command("reload")
    login(relay, "anna", code=535)
    relay.config.write_text(text.replace(f"pam = {name}", f'users = "{relay.folder}/users"'))
    assert "who keeps the accounts (auth) changed, which needs a restart" in relay.command("reload", code=78)
    login(relay, "anna", code=535)


def test_a_reload_cannot_add_pam(make_tls, service, folder):  # noqa: F811
    relay = make_tls(top=f'auth {{ users = "{folder}/users" }}\n')
    assert children(relay.process.pid) == []  # no helper where none is needed
    relay.config.write_text(relay.config.read_text().replace(f'users = "{folder}/users"', f"pam = {service()}"))
    assert "needs a restart" in relay.command("reload", code=78)

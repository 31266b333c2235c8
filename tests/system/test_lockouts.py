"""Wrong passwords: delays, lock-outs that an operator sees and lifts, and accounts that change while the relay runs."""
import base64
import concurrent.futures
import statistics
import subprocess
import time

import pytest

import certificates
from conftest import BUILD, PATIENCE, wait_until
from test_tls import Secure

HOME, ELSEWHERE, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"


def user(users, act, name, password=None):
    subprocess.run([BUILD / "sluice", "user", act, name, "--file", users], input=password, text=True, check=True,
                   capture_output=True, timeout=PATIENCE)


@pytest.fixture
def make_accounts(make_relay, upstream, folder):
    """make_accounts("options of section auth"): a relay with the accounts anna (apple) and bert (beech)."""
    def make(options="delay = 0ms", **others):
        users = folder / "users"
        user(users, "add", "anna", "apple")
        user(users, "add", "bert", "beech")
        relay = make_relay(upstream.port, top=certificates.section(certificates.shared()) + f'\nauth {{ users = "{users}"\n{options} }}\n',
                           listen="tls = starttls auth = optional", **others)
        relay.users = users
        return relay
    return make


def log_in(relay, account, password, source=HOME):
    """The code of the reply to AUTH."""
    response = base64.b64encode(f"\0{account}\0{password}".encode()).decode()
    with Secure(relay.port, source=source) as client:
        client.starttls()
        client.hello()
        client.send(f"AUTH PLAIN {response}\r\n")
        return client.reply()[0]


def lockouts(relay):
    return {(entry["kind"], entry["who"]): entry for entry in relay.api("/v1/lockouts")["lockouts"]}


def test_address_that_guesses_is_locked_out_seen_and_lifted(make_accounts):
    relay = make_accounts("tries = 3 delay = 0ms")
    assert log_in(relay, "anna", "apple", ELSEWHERE) == 235
    assert relay.api("/v1/lockouts") == {"lockouts": [], "total": 0}
    done = subprocess.run([BUILD / "sluice", "--socket", relay.socket, "auth", "lockouts"], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Nobody is locked out.\n")
    assert relay.api("/v1/status")["locked_out"] == 0
    for password in ("a", "b", "c"):
        assert log_in(relay, "anna", password) == 535
    assert log_in(relay, "anna", "apple") == 535
    assert log_in(relay, "anna", "apple", ELSEWHERE) == 235

    entry = lockouts(relay)["address", HOME]
    assert entry["wrong"] == 3 and entry["since"] < entry["until"]
    assert len(lockouts(relay)) == 1 and relay.api("/v1/status")["locked_out"] == 1
    assert "1 out after wrong passwords" in relay.command("status")
    relay.wait_log(rf"event=address_locked_out address={HOME} wrong=3 last_account=\"anna\" seconds=900")
    shown = relay.command("auth", "lockouts").splitlines()
    assert shown[0].split() == ["WHO", "KIND", "WRONG", "SINCE", "UNTIL"] and shown[1].split()[:3] == [HOME, "address", "3"]
    assert relay.metric('sluice_auth_lockouts_total{kind="address"}') == 1

    assert "not locked out" in relay.command("auth", "unlock", THIRD, code=1)
    assert relay.command("auth", "unlock", HOME) == f"unlocked {HOME}\n"
    relay.wait_log(rf'event=lock_out_lifted who="{HOME}" by="')
    assert lockouts(relay) == {}
    assert log_in(relay, "anna", "apple") == 235
    relay.command("auth", "unlock", code=64)


def test_account_that_many_guess_at_is_open_where_it_was_used(make_accounts):
    relay = make_accounts("tries = 2 account_tries = 4 delay = 0ms")
    assert log_in(relay, "anna", "apple", HOME) == 235
    for source in (ELSEWHERE, THIRD):
        for password in ("a", "b"):
            assert log_in(relay, "anna", password, source) == 535
    assert set(lockouts(relay)) == {("account", "anna"), ("address", ELSEWHERE), ("address", THIRD)}
    assert log_in(relay, "anna", "apple", "127.0.0.5") == 535
    assert log_in(relay, "anna", "apple", HOME) == 235
    assert log_in(relay, "bert", "beech", "127.0.0.5") == 235
    assert relay.api("/v1/lockouts/anna", "DELETE") == {"unlocked": "anna"}
    assert log_in(relay, "anna", "apple", "127.0.0.5") == 235
    assert relay.api("/v1/lockouts/anna", "DELETE", 404)["error"].startswith("anna is not locked out")


def test_lock_out_ends_by_itself(make_accounts):
    relay = make_accounts("tries = 1 delay = 0ms lock_out = 2s")
    assert log_in(relay, "anna", "pear") == 535
    assert log_in(relay, "anna", "apple") == 535
    wait_until(lambda: log_in(relay, "anna", "apple") == 235, what="the end of the lock-out")
    assert lockouts(relay) == {}


def test_unknown_names_lock_out_as_known_ones_do(make_accounts):
    relay = make_accounts("tries = 3 delay = 0ms")
    for name in ("nobody", "root", "admin"):
        assert log_in(relay, name, "apple") == 535
    assert log_in(relay, "anna", "apple") == 535
    assert ("address", HOME) in lockouts(relay)


def test_reply_to_a_wrong_password_is_held(make_accounts):
    relay = make_accounts("delay = 500ms delay_max = 1s")
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        assert log_in(relay, "anna", "pear") == 535
        seconds.append(time.monotonic() - began)
    assert seconds[0] >= 0.5 and seconds[1] >= 1.0 and seconds[2] >= 1.0
    began = time.monotonic()
    assert log_in(relay, "anna", "apple", ELSEWHERE) == 235
    assert time.monotonic() - began < 0.5 * (PATIENCE / 20)


def test_known_and_unknown_accounts_take_the_same_time(make_accounts):
    """A hash costs 20 ms and more, all else here is less than that: without it the medians would differ by half."""
    relay = make_accounts("tries = 10000 account_tries = 100000 delay = 0ms")

    def median(account):
        times = []
        with Secure(relay.port, source=HOME) as client:
            client.starttls()
            client.hello()
            response = base64.b64encode(f"\0{account}\0pear".encode()).decode()
            for _ in range(3):
                began = time.monotonic()
                client.send(f"AUTH PLAIN {response}\r\n")
                if client.reply()[0] != 535:
                    break
                times.append(time.monotonic() - began)
        return times

    known, unknown = [], []
    for _ in range(4):  # in turn, so that what else the machine does meets both
        known += median("anna")
        unknown += median("nobody")
    ratio = statistics.median(known) / statistics.median(unknown)
    assert len(known) >= 7 and 0.6 < ratio < 1.67, (known, unknown)


def test_accounts_change_while_the_relay_runs(make_accounts):
    relay = make_accounts("tries = 10000 account_tries = 100000 delay = 0ms")
    assert log_in(relay, "anna", "apple") == 235
    assert log_in(relay, "anna", "apple") == 235
    assert relay.metric("sluice_auth_cache_hits_total") == 1
    user(relay.users, "add", "carl", "cherry")
    wait_until(lambda: log_in(relay, "carl", "cherry") == 235, what="the new account")
    user(relay.users, "passwd", "anna", "plum")
    wait_until(lambda: log_in(relay, "anna", "plum") == 235, what="the new password")
    assert log_in(relay, "anna", "apple") == 535, "not even for the time of the cache"
    user(relay.users, "del", "carl")
    wait_until(lambda: log_in(relay, "carl", "cherry") == 535, what="the end of the account")


def test_broken_file_leaves_the_accounts_as_they_were(make_accounts):
    relay = make_accounts()
    good = relay.users.read_text()
    relay.users.write_text(good + "carl:cherry\n")
    relay.wait_log(r'event=users_line_left_out file=".*/users" line=3 why="expected a hash')
    assert log_in(relay, "anna", "apple") == 235
    relay.users.unlink()
    relay.wait_log("event=users_not_read")
    assert log_in(relay, "bert", "beech") == 235


def test_relay_starts_without_a_file_and_takes_it_when_it_is_there(make_relay, upstream, folder):
    users = folder / "users"
    relay = make_relay(upstream.port, top=certificates.section(certificates.shared()) + f'\nauth {{ users = "{users}" delay = 0ms tries = 10000 }}\n',
                       listen="tls = starttls")
    relay.wait_log("event=users_missing")
    assert log_in(relay, "anna", "apple") == 535
    user(users, "add", "anna", "apple")
    wait_until(lambda: log_in(relay, "anna", "apple") == 235, what="the first account")


def test_reload_takes_new_limits_and_another_file(make_accounts, folder):
    relay = make_accounts("tries = 1 delay = 0ms")
    other = folder / "others"
    user(other, "add", "dora", "damson")
    relay.write_config(top=relay.options["top"].replace(str(relay.users), str(other)).replace("tries = 1 ", "tries = 2 "))
    relay.command("reload")
    wait_until(lambda: log_in(relay, "dora", "damson", ELSEWHERE) == 235, what="the other file")
    assert log_in(relay, "anna", "apple") == 535
    assert lockouts(relay) == {}
    assert log_in(relay, "anna", "apple") == 535
    assert set(lockouts(relay)) == {("address", HOME)}
    relay.write_config(top=certificates.section(certificates.shared()), listen="tls = starttls")
    assert "needs a restart" in relay.command("reload", code=78)


def test_flood_of_guesses_leaves_who_is_known_a_share_of_the_threads(make_accounts):
    relay = make_accounts("tries = 10000 account_tries = 100000 delay = 0ms cache = 0ms")
    assert log_in(relay, "anna", "apple", ELSEWHERE) == 235
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        floods = [pool.submit(log_in, relay, f"nobody{i}", "x", HOME) for i in range(60)]
        wait_until(lambda: relay.metric("sluice_auth_waiting") > 10, what="a flood")
        assert log_in(relay, "anna", "apple", ELSEWHERE) == 235
        still = sum(not flood.done() for flood in floods)
        assert all(flood.result() == 535 for flood in floods)
    assert still > 0, "the flood was over before"


def test_stop_with_guesses_under_way(make_accounts):
    relay = make_accounts("tries = 10000 account_tries = 100000 delay = 0ms")
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        floods = [pool.submit(log_in, relay, f"nobody{i}", "x", HOME) for i in range(40)]
        wait_until(lambda: relay.metric("sluice_auth_waiting") > 5, what="a flood")
        assert relay.stop() == 0
        for flood in floods:
            flood.exception()

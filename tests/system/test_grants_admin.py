"""Operators and relay grants: the command, the API, lists from files, and what is kept of every change."""
import csv
import io
import json
import subprocess
import time

import pytest

from conftest import BUILD, PATIENCE, SANITIZED, UnixConnection


@pytest.fixture
def desk(make_relay):
    """A relay that has no upstream to reach: nothing is sent here."""
    return make_relay(1)


def add(relay, name, *more):
    return relay.command("grant", "add", name, "--owner", "owner@example.edu", *more)


def grants(relay, query=""):
    return relay.api("/v1/grants" + query)["grants"]


def names(relay, query=""):
    return [grant["name"] for grant in grants(relay, query)]


def acts(relay, name):
    return [(entry["act"], entry["who"], entry["why"]) for entry in relay.api(f"/v1/grants/{name}/log")["entries"]][::-1]


def send(relay, method, path, body, status=200):
    got, answer = relay.request(method, path, body if isinstance(body, (str, bytes)) else json.dumps(body))
    assert got == status, (got, answer)
    return json.loads(answer)


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


# ---- life ----

def test_a_grant_lives_from_its_request_to_its_end(desk):
    desk.command("grant", "request", "printers", "--network", "10.1.2.0/24; 10.1.3.7", "--owner", "anna@example.edu",
                 "--purpose", "scans to mail", "--sender", "*@print.example.edu", "--lane", "bulk",
                 "--messages-per-day", "200", "--reason", "ticket 17")
    grant = desk.api("/v1/grants/printers")
    assert grant["life"] == "requested" and grant["networks"] == ["10.1.2.0/24", "10.1.3.7"]
    assert grant["expires"] is None and grant["created_by"] and grant["approved_by"] is None
    assert "until 20" in desk.command("grant", "approve", "printers")
    grant = desk.api("/v1/grants/printers")
    assert grant["life"] == "approved" and grant["days_left"] in (364, 365) and grant["approved_by"] == grant["created_by"]
    desk.command("grant", "renew", "printers", "--for", "10d")
    assert desk.api("/v1/grants/printers")["life"] == "expiring"
    desk.command("grant", "renew", "printers", "--until", "2099-12-31", "--reason", "asked for")
    assert desk.api("/v1/grants/printers")["expires"].startswith("2099-12-31T23:59:59")
    desk.command("grant", "change", "printers", "--purpose", "", "--contact", "the print shop")
    grant = desk.api("/v1/grants/printers")
    assert grant["purpose"] is None and grant["contact"] == "the print shop" and grant["lane"] == "bulk"
    desk.command("grant", "suspend", "printers", "--reason", "sends spam")
    grant = desk.api("/v1/grants/printers")
    assert grant["life"] == "suspended" and grant["reason"] == "sends spam"
    desk.command("grant", "resume", "printers", "--reason", "cleaned")
    assert desk.api("/v1/grants/printers")["life"] == "approved"
    desk.command("grant", "revoke", "printers", "--reason", "replaced")
    assert desk.api("/v1/grants/printers")["life"] == "revoked"
    who = grant["created_by"]
    assert acts(desk, "printers") == [
        ("request", who, "ticket 17"), ("approve", who, None), ("renew", who, None), ("renew", who, "asked for"),
        ("change", who, None), ("suspend", who, "sends spam"), ("resume", who, "cleaned"), ("revoke", who, "replaced")]
    shown = desk.command("grant", "log", "printers")
    assert "sends spam" in shown and shown.splitlines()[0].split() == ["TIME", "GRANT", "ACT", "WHO", "WHY"]
    # what was revoked may be asked for anew, and its log goes on
    desk.command("grant", "request", "printers", "--account", "printers", "--owner", "anna@example.edu")
    assert desk.api("/v1/grants/printers")["networks"] == [] and len(acts(desk, "printers")) == 9


@pytest.mark.parametrize("act, hint", [
    ("renew", "only requested; approve"), ("resume", "only requested"), ("suspend", "only requested")])
def test_acts_that_do_not_fit_say_what_does(desk, act, hint):
    desk.command("grant", "request", "ups", "--network", "10.0.0.1", "--owner", "a@example.edu")
    assert hint in desk.command("grant", act, "ups", "--reason", "x", code=64)
    assert desk.api("/v1/grants/ups")["revision"] == 1


def test_errors_say_what_to_do(desk):
    add(desk, "ups", "--network", "10.0.0.1")
    say = lambda *words, code: desk.command("grant", *words, code=code)
    assert "--reason" in say("suspend", "ups", code=64)
    assert "--reason" in say("revoke", "ups", code=64)
    assert "sluice grant list" in say("show", "upss", code=1)
    assert "sluice grant list" in say("log", "upss", code=1)
    assert "already" in say("add", "ups", "--network", "10.0.0.2", "--owner", "a@example.edu", code=64)
    assert "no system" in say("add", "x", "--owner", "a@example.edu", code=64)
    assert "did you mean 10.0.0.0/8" in say("add", "x", "--network", "10.0.0.1/8", "--owner", "a@example.edu", code=64)
    assert "no mail address" in say("add", "x", "--network", "10.0.0.1", "--owner", "anna", code=64)
    assert "not a pattern" in say("change", "ups", "--sender", "*@*", code=64)
    assert "alert, normal, bulk" in say("change", "ups", "--lane", "fast", code=64)
    assert "whole number" in say("change", "ups", "--messages-per-day", "many", code=64)
    assert "given twice" in say("change", "ups", "--network", "10.0.0.1", "--network", "10.0.0.2", code=64)
    assert "2027-11-23" in say("renew", "ups", "--until", "soon", code=64)
    assert "to come" in say("renew", "ups", "--until", "2001-01-01", code=64)
    assert "1y" in say("renew", "ups", "--for", "ever", code=64)
    assert "letters, digits" in say("add", "a/b", "--network", "10.0.0.1", "--owner", "a@example.edu", code=64)
    assert "take another" in say("add", "export", "--network", "10.0.0.1", "--owner", "a@example.edu", code=64)
    assert "--network" in desk.command("grant", "--help") and "explain" in desk.command("grant", "--help")
    assert "--owner ADDRESS" in desk.command("grant", "add", "--help")
    assert 'did you mean' in desk.command("grant", "lits", code=64)
    assert desk.api("/v1/grants/ups")["revision"] == 1


def test_nobody_approves_a_grant_without_owner_by_mistake(desk):
    assert "--ownerless" in desk.command("grant", "add", "lone", "--network", "10.0.0.9", code=64)
    desk.command("grant", "request", "lone", "--network", "10.0.0.9")
    assert "--owner" in desk.command("grant", "approve", "lone", code=64)
    assert desk.api("/v1/grants/lone")["life"] == "requested"
    desk.command("grant", "approve", "lone", "--ownerless")
    listing = desk.command("grant", "list")
    assert "UNKNOWN" in listing and "1 without an owner" in listing
    assert names(desk, "?owner=unknown") == ["lone"]


def test_listing_is_filtered_and_paged(desk):
    add(desk, "alpha", "--network", "10.1.0.0/16", "--purpose", "Backups", "--for", "5d")
    add(desk, "beta", "--network", "10.1.2.3", "--contact", "Anna")
    add(desk, "gamma", "--account", "anna", "--network", "2001:db8::/32")
    desk.command("grant", "request", "delta", "--network", "192.0.2.1", "--owner", "bob@example.org")
    assert names(desk) == ["alpha", "beta", "delta", "gamma"]
    assert names(desk, "?state=expiring") == ["alpha"] and names(desk, "?state=requested") == ["delta"]
    assert names(desk, "?network=10.1.2.3") == ["alpha", "beta"] and names(desk, "?network=10.1.2.0/24") == ["alpha", "beta"]
    assert names(desk, "?network=10.2.0.0/16") == [] and names(desk, "?network=2001:db8:1::1") == ["gamma"]
    assert names(desk, "?owner=@EXAMPLE.org") == ["delta"] and names(desk, "?owner=bob@example.org") == ["delta"]
    assert names(desk, "?text=ANNA") == ["beta", "gamma"] and names(desk, "?text=backup") == ["alpha"]
    first = desk.api("/v1/grants?limit=3")
    assert len(first["grants"]) == 3 and first["next"] == "delta"
    assert names(desk, "?limit=3&after=delta") == ["gamma"]
    assert "alpha" in desk.command("grant", "list", "--expiring") and "beta" not in desk.command("grant", "list", "--expiring")
    assert desk.command("grant", "list", "--text", "nothing like it", code=1) == "No grant matches.\n"
    assert "lapsed" in json.loads(desk.request("GET", "/v1/grants?state=laped")[1])["error"]
    pages = [json.loads(line) for line in desk.command("grant", "list", "--json").splitlines()]
    assert [g["name"] for page in pages for g in page["grants"]] == names(desk)


def test_an_edit_of_what_changed_meanwhile_is_409(desk):
    add(desk, "shared", "--network", "10.0.0.1")
    grant = desk.api("/v1/grants/shared")
    send(desk, "PUT", "/v1/grants/shared", {"revision": grant["revision"], "contact": "first"})
    error = send(desk, "PUT", "/v1/grants/shared", {"revision": grant["revision"], "contact": "second"}, 409)["error"]
    assert "revision 2" in error and "Look at it again" in error
    error = send(desk, "POST", "/v1/grants/shared/revoke?reason=x&revision=1", "", 409)["error"]
    assert "changed meanwhile" in error
    assert desk.api("/v1/grants/shared")["contact"] == "first"
    # what was read may be sent back with a change, as editors of JSON do
    grant = desk.api("/v1/grants/shared")
    grant["device"] = "printer"
    assert send(desk, "PUT", "/v1/grants/shared", grant)["device"] == "printer"
    grant = desk.api("/v1/grants/shared")
    grant["expires"] = "2099-01-01"
    assert "renew" in send(desk, "PUT", "/v1/grants/shared", grant, 400)["error"]
    assert "did you mean" in send(desk, "PUT", "/v1/grants/shared", {"ownr": "x"}, 400)["error"]
    assert "JSON" in send(desk, "PUT", "/v1/grants/shared", "{", 400)["error"]


def test_a_restart_keeps_grants_and_log(desk):
    add(desk, "kept", "--network", "10.0.0.1", "--reason", "for the test")
    desk.command("grant", "suspend", "kept", "--reason", "why not")
    before, log = desk.api("/v1/grants/kept"), acts(desk, "kept")
    desk.kill()
    desk.start()
    assert desk.api("/v1/grants/kept") == before and acts(desk, "kept") == log


# ---- explain ----

def explain(relay, client, sender, **more):
    query = "".join(f"&{key}={value}" for key, value in more.items())
    answer = relay.api(f"/v1/grants/explain?client={client}&from={sender}{query}")
    return answer["answer"], answer["grant"], {c["name"]: c["why"] for c in answer["candidates"]}


def test_explain_says_which_grant_decides_and_why(desk):
    add(desk, "campus", "--network", "10.0.0.0/8", "--sender", "*")
    add(desk, "library", "--network", "10.1.0.0/16", "--sender", "*@lib.example.edu")
    add(desk, "library-alarm", "--network", "10.1.0.0/16", "--sender", "alarm@lib.example.edu")
    add(desk, "anna", "--account", "anna", "--sender", "anna@example.edu")
    desk.command("grant", "request", "wish", "--network", "10.1.2.3", "--owner", "a@example.edu")
    answer, grant, why = explain(desk, "10.1.2.3", "alarm@lib.example.edu")
    assert (answer, grant) == ("yes", "library-alarm")
    assert "10.0.0.0/8 is wider than 10.1.0.0/16" in why["campus"]
    assert "*@lib.example.edu" in why["library"] and "only requested" in why["wish"]
    assert explain(desk, "10.1.2.3", "x@lib.example.edu")[:2] == ("yes", "library")
    assert explain(desk, "10.1.2.3", "x@other.example")[0] == "sender"
    assert explain(desk, "10.9.9.9", "x@other.example")[:2] == ("yes", "campus")
    assert explain(desk, "192.0.2.1", "x@other.example")[:2] == ("none", None)
    answer, grant, why = explain(desk, "10.1.2.3", "anna@example.edu", account="anna")
    assert (answer, grant) == ("yes", "anna") and "account anna is more exact than its network" in why["library"]
    desk.command("grant", "suspend", "library", "--reason", "sends spam")
    desk.command("grant", "revoke", "library-alarm", "--reason", "gone")
    answer, grant, why = explain(desk, "10.1.2.3", "x@lib.example.edu")
    assert (answer, grant) == ("suspended", "library") and "sends spam" in why["library"]
    shown = desk.command("grant", "explain", "10.1.2.3", "x@lib.example.edu")
    assert "decides   library (suspended), by its network 10.1.0.0/16" in shown and "is wider than" in shown
    assert "address" in desk.command("grant", "explain", "printer.example.edu", code=64)
    assert "address" in desk.command("grant", "explain", code=64)


def test_a_grant_without_senders_allows_what_is_not_ours(make_relay):
    relay = make_relay(1, top='domains = {"example.edu"}\ngrants { term = 20d }\n')
    add(relay, "any", "--network", "10.0.0.1")
    assert relay.api("/v1/grants/any")["days_left"] in (19, 20)
    assert explain(relay, "10.0.0.1", "x@example.org")[0] == "yes"
    answer, _, why = explain(relay, "10.0.0.1", "x@EXAMPLE.edu")
    assert answer == "sender" and "our own domains" in why["any"]


# ---- files ----

def test_what_is_exported_is_imported_unchanged(make_relay, tmp_path):
    here = make_relay(1)
    add(here, "odd", "--account", "CAMPUS\\anna two\\ words a\\;b", "--network", "10.0.0.1; 2001:db8::/32", "--contact", "=HYPERLINK(1)",
        "--purpose", 'says "hi", and, more', "--device", "'s-Hertogenbosch", "--mailbox", "lib@example.edu", "--spoof", "rewrite",
        "--sender", "*@lib.example.edu lib@example.edu", "--reach", "internal", "--messages-per-hour", "30", "--replaces-null", "yes")
    add(here, "plain", "--network", "10.0.0.2")
    here.command("grant", "suspend", "plain", "--reason", "+49 30 1234 called")
    here.command("grant", "request", "wanted", "--network", "10.0.0.3")
    assert here.api("/v1/grants/odd")["accounts"] == ["CAMPUS\\anna", "two words", "a;b"]
    exported = here.command("grant", "export")
    assert '"\'=HYPERLINK(1)"' in exported or "'=HYPERLINK(1)" in exported
    assert not any(cell[:1] in tuple("=+-@") for row in csv.reader(io.StringIO(exported)) for cell in row if cell)
    as_json = here.command("grant", "export", "--json")
    record = lambda relay: relay.api("/v1/grants/export")
    for name, text in (("list.csv", exported), ("list.json", as_json)):
        there = make_relay(1)
        path = write(tmp_path, name, text)
        assert there.command("grant", "import", path) == "3 grants imported.\n"
        assert record(there) == record(here)
        assert there.command("grant", "export") == exported
        # a second time there is nothing to do, and nothing is written to the log
        log = there.api("/v1/grants/log")
        assert there.command("grant", "import", path) == "0 grants imported, 3 unchanged.\n"
        assert there.api("/v1/grants/log") == log


def test_each_broken_line_is_named_and_nothing_is_imported(desk, tmp_path):
    add(desk, "there", "--network", "10.0.0.1")
    path = write(tmp_path, "grants.csv",
                 "name,networks,owner,messages_per_day\n"
                 "good,10.0.0.2,a@example.edu,5\n"
                 "quote,10.0.0.3,a\"b,5\n"
                 "short,10.0.0.4\n"
                 "number,10.0.0.5,a@example.edu,many\n"
                 "network,10.0.0.1/8,a@example.edu,5\n"
                 "owner,10.0.0.6,anna,5\n"
                 "good,10.0.0.7,a@example.edu,5\n"
                 "there,10.0.0.8,a@example.edu,5\n"
                 ",10.0.0.9,a@example.edu,5\n"
                 "nobody,,a@example.edu,5\n"
                 '"open,10.0.0.10,a@example.edu,5\n'
                 "bad name,10.0.0.11,a@example.edu,5\n")
    said = desk.command("grant", "import", path, code=65)
    for line, what in ((3, "quote inside"), (4, "2 cells, and the header 4"), (5, "whole number"), (6, "did you mean 10.0.0.0/8"),
                       (7, "no mail address"), (8, "twice, first in line 2"), (9, "already; --replace"), (10, "name"),
                       (11, "no system"), (12, "not closed"), (13, "letters, digits")):
        (found,) = [text for text in said.splitlines() if text.startswith(f"{path}:{line}: ")]
        assert what in found, found
    assert f"{path}:2:" not in said and "nothing was imported: 11 problems" in said
    assert names(desk) == ["there"]
    assert len(desk.api("/v1/grants/log")["entries"]) == 1


@pytest.mark.parametrize("text, line, what", [
    ("name,netwrks\nx,10.0.0.1\n", 1, "did you mean 'networks'"),
    ("networks\n10.0.0.1\n", 1, 'no column "name"'),
    ("name,owner,owner\nx,a,b\n", 1, "twice"),
    ('[{"name": "x", "networks": ["10.0.0.1"]},\n {"name" "y"}]', 2, "expected"),
    ('{"grants": [{"name": "x", "networks": "10.0.0.1"}]}', 1, "list of texts"),
    ('\n{"name": "x", "networks": ["10.0.0.1"], "owener": "a"}', 2, "did you mean 'owner'"),
    ('{"name": "x", "networks": ["10.0.0.1"], "state": "lapsed"}', 1, "requested, approved"),
    ("7", 1, 'no field "7"'),
])
def test_a_file_that_is_none_is_named(desk, tmp_path, text, line, what):
    path = write(tmp_path, "grants", text)
    said = desk.command("grant", "import", path, code=65)
    assert f"{path}:{line}: " in said and what in said, said
    assert grants(desk) == []


def test_import_replaces_only_when_told_and_shows_first(desk, tmp_path):
    add(desk, "ups", "--network", "10.0.0.1")
    path = write(tmp_path, "grants.csv", "name,networks,owner,state\nups,10.0.0.2,b@example.edu,\nnew,10.0.0.3,,requested\n")
    assert "already" in desk.command("grant", "import", path, code=65)
    assert desk.command("grant", "import", path, "--replace", "--dry-run") == "1 grant would be imported, 1 would be replaced.\n"
    assert desk.api("/v1/grants/ups")["networks"] == ["10.0.0.1"]
    assert desk.command("grant", "import", path, "--replace", "--reason", "paper list") == "1 grant imported, 1 replaced.\n"
    assert desk.api("/v1/grants/ups")["networks"] == ["10.0.0.2"] and desk.api("/v1/grants/ups")["life"] == "approved"
    assert desk.api("/v1/grants/new")["life"] == "requested"
    assert acts(desk, "ups")[-1][0] == "import" and acts(desk, "ups")[-1][2] == "paper list"
    assert "cannot open" in desk.command("grant", "import", tmp_path / "nowhere", code=66)


def test_networks_come_from_postfix(desk, tmp_path):
    main = write(tmp_path, "main.cf", "campus = 10.0.0.0/8\nmynetworks = 127.0.0.0/8 $campus\n  [2001:db8::]/32 !10.9.9.9\n  hash:/etc/postfix/more\n")
    access = write(tmp_path, "access", "10.1.2 OK\n192.0.2.7 REJECT\nhost.example.edu OK\n10.0.0.0/8 permit\n")
    said = desk.command("grant", "import", "--postfix", main, access, "--reason", "from the old relay", code=65)
    assert "4 grants imported." in said and "owners are unknown" in said and "4 entries could not be taken over" in said
    for place in (f"{main}:2: !10.9.9.9", f"{main}:2: hash:/etc/postfix/more", f"{access}:2: 192.0.2.7", f"{access}:3: host.example.edu"):
        assert place in said
    assert {g["name"]: (g["networks"], g["owner"], g["senders"], g["life"]) for g in grants(desk)} == {
        "postfix-10.0.0.0_8": (["10.0.0.0/8"], None, ["*"], "approved"),
        "postfix-10.1.2.0_24": (["10.1.2.0/24"], None, ["*"], "approved"),
        "postfix-127.0.0.0_8": (["127.0.0.0/8"], None, ["*"], "approved"),
        "postfix-2001-db8--_32": (["2001:db8::/32"], None, ["*"], "approved")}
    assert desk.api("/v1/grants/postfix-10.1.2.0_24")["purpose"] == f"from Postfix: {access}:1"
    assert "4 without an owner" in desk.command("grant", "list")


def test_ten_thousand_grants_come_in_and_go_out(desk, tmp_path):
    count = 2000 if SANITIZED else 10000
    rows = "".join(f"device-{i:05},10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255},owner{i}@example.edu,device {i}\n" for i in range(count))
    path = write(tmp_path, "many.csv", "name,networks,owner,purpose\n" + rows)
    begin = time.monotonic()
    done = subprocess.run([BUILD / "sluice", "--socket", desk.socket, "grant", "import", path], capture_output=True, text=True,
                          timeout=PATIENCE * 6, check=True)
    print(f"{count} grants imported in {time.monotonic() - begin:.1f} s")
    assert done.stdout == f"{count:,} grants imported.\n"
    lines = desk.command("grant", "export").splitlines()
    assert len(lines) == count + 1 and lines[-1].startswith(f"device-{count - 1:05},approved,")
    assert desk.command("grant", "explain", "10.0.3.232", "x@example.org").count("device-01000") == 1


# ---- the socket ----

def test_bodies_have_limits_and_only_some_routes_take_one(desk):
    for path, size, most in (("/v1/grants", 1 << 21, b"1048576"), ("/v1/reload", 70000, b"takes none")):
        connection = UnixConnection(desk.socket)
        connection.putrequest("POST", path)
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413 and most in answer.read()
        connection.close()
    many = {"grants": [{"name": f"g{i}", "networks": ["10.0.0.1"]} for i in range(5001)]}
    assert "5000" in send(desk, "POST", "/v1/grants/import", many, 400)["error"]
    half = {"grants": [{"name": "a", "networks": ["10.0.0.1"]}, {"name": "b"}]}
    answer = send(desk, "POST", "/v1/grants/import", half, 400)
    assert answer["error"].startswith("b: ") and [p["index"] for p in answer["problems"]] == [1] and grants(desk) == []
    send(desk, "POST", "/v1/grants", {"name": "x" * 64, "networks": ["10.0.0.1"]}, 400)
    send(desk, "POST", "/v1/grants/nothing/approve", "", 404)

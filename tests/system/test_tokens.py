"""Page tokens and consistency tokens: what they are good for, and that nothing else passes for one.

Two servers share one database. A third has a copy of it that missed the latest writes, as a restored
backup would, and a fourth a database of its own.
"""

import contextlib
import string

import pytest

import harness
import world
from world import CREDIT, PREPAID, stamp

METHODS = ["ListBalances", "ListCredits", "ListCommits", "GetNetBalance", "ListLedgerEntries"]
PAGED = [name for name in METHODS if name != "GetNetBalance"]
ALPHABET = string.ascii_letters + string.digits + "-_"


class Setting:
    """The databases, the servers' clients, and customers with five balances of each kind."""

    def __init__(self, postgres):
        url = harness.migrated(postgres)
        self.world = world.World(url)
        self.ada, self.bob = self.world.customer(), self.world.customer()
        for customer in (self.ada, self.bob):
            for kind in (CREDIT, PREPAID):
                for _ in range(5):
                    self.segment = customer.balance(kind).segment("5", self.world.day(-1), self.world.day(1))
        self.world.flush()
        name = self.world.connection.info.dbname
        self.world.close()  # nobody may use a database that is copied
        restored = postgres.new_database(name)
        self.world.connect()
        another = postgres.new_database()
        harness.balanced("migrate", database_url=another)
        self.servers = [harness.Server(database_url=u) for u in (url, url, restored, another)]
        self.here, self.sibling, self.restored, self.stranger = (s.client() for s in self.servers)

    def write(self):
        """Brings Ada's customer to a newer version."""
        self.world.run("UPDATE balance SET description = 'new' WHERE customer_id = %s AND id = %s",
                       self.ada.id, self.ada.balances[0].id)

    def end(self):
        for server in self.servers:
            server.stop()
            server.log_path.unlink()
        self.world.close()


@pytest.fixture(scope="module")
def setting(postgres):
    made = Setting(postgres)
    yield made
    made.end()


@contextlib.contextmanager
def refused(field):
    """The block fails because of this one field."""
    with harness.fails("INVALID_ARGUMENT", "INVALID_REQUEST") as error:
        yield error
    assert [v.field for v in error.details["BadRequest"].field_violations] == [field]


# Page tokens -----------------------------------------------------------------------------------------


@pytest.fixture(params=PAGED)
def paged(request):
    return request.param


def first_page(setting, method, **fields):
    answer = setting.here.call(method, customer_id=setting.ada.id, limit=2, **fields)
    assert answer.next_page
    return answer.next_page


def test_page_token_is_good_at_every_server_and_for_ever(setting, paged):
    token = first_page(setting, paged)
    second = [c.call(paged, customer_id=setting.ada.id, limit=2, next_page=token)
              for c in (setting.here, setting.here, setting.sibling)]
    assert second[0] == second[1] == second[2] and len(second[0].data) == 2
    setting.write()
    assert len(setting.here.call(paged, customer_id=setting.ada.id, limit=2, next_page=token).data) == 2


def test_page_token_is_opaque_text_for_urls(setting, paged):
    token = first_page(setting, paged)
    assert set(token) <= set(ALPHABET) and len(token) < 100
    assert setting.ada.id not in token


def test_page_token_of_another_page_size_is_refused(setting, paged):
    token = first_page(setting, paged)
    for limit in (0, 1, 3, 25):
        with refused("next_page"):
            setting.here.call(paged, customer_id=setting.ada.id, limit=limit, next_page=token)


def test_page_token_of_another_request_is_refused(setting, paged):
    """Whichever other field is changed, but the consistency: that is how fresh the page is, not what is on it."""
    token = first_page(setting, paged)
    request = harness.messages()[f"balances.v1.{paged}Request"]
    other = {"message": stamp(0), "bool": True, "string": setting.ada.balances[0].id, "enum": [1]}
    for field in request.DESCRIPTOR.fields:
        if field.name in ("customer_id", "limit", "next_page", "consistency"):
            continue
        kind = {11: "message", 8: "bool", 9: "string", 14: "enum"}[field.type]
        with refused("next_page"):
            setting.here.call(paged, customer_id=setting.ada.id, limit=2, next_page=token,
                              **{field.name: other[kind]})


def test_page_token_is_good_at_every_level_of_consistency(setting, paged):
    """Whoever has seen a page may ask that the next be no older."""
    answer = setting.here.call(paged, customer_id=setting.ada.id, limit=2)
    due = setting.here.call(paged, customer_id=setting.ada.id, limit=2, next_page=answer.next_page)
    for level in (at_least(answer.consistency_token), {"fully_consistent": True}, {"minimize_latency": True}):
        assert setting.here.call(paged, customer_id=setting.ada.id, limit=2, next_page=answer.next_page,
                                 consistency=level) == due


def test_page_token_of_another_customer_is_refused(setting, paged):
    token = first_page(setting, paged)
    with refused("next_page"):
        setting.here.call(paged, customer_id=setting.bob.id, limit=2, next_page=token)


def test_page_token_of_another_method_is_refused(setting, paged):
    for method in PAGED:
        token = first_page(setting, method)
        if method != paged:
            with refused("next_page"):
                setting.here.call(paged, customer_id=setting.ada.id, limit=2, next_page=token)


def test_page_token_of_another_installation_is_refused(setting, paged):
    token = first_page(setting, paged)
    with refused("next_page"):
        setting.stranger.call(paged, customer_id=setting.ada.id, limit=2, next_page=token)


def damaged(token):
    """The token cut at every length, with each of its characters changed, and much longer."""
    for n in range(1, len(token)):
        yield token[:n]
        yield token[n:]
    for n, character in enumerate(token):
        at = ALPHABET.index(character)
        for other in (ALPHABET[at ^ 1], ALPHABET[(at + 32) % 64], "=", "+", "é"):
            yield token[:n] + other + token[n + 1:]
    for extra in ("A", "=", "==", " ", "\n"):
        yield token + extra
        yield extra + token
    yield from (token + token, token[::-1], token.swapcase(), "A" * len(token), "A" * 513, "A" * 60000, "x", " ")


def test_damaged_page_token_is_refused(setting, paged):
    token = first_page(setting, paged)
    for bad in damaged(token):
        with refused("next_page") as error:
            setting.here.call(paged, customer_id=setting.ada.id, limit=2, next_page=bad)
        assert len(error.message) < 300
    assert setting.here.call(paged, customer_id=setting.ada.id, limit=2, next_page="").data


# Consistency tokens ----------------------------------------------------------------------------------


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


def at_least(token):
    return {"at_least_as_fresh": token}


def test_every_level_of_consistency_is_taken(setting, method):
    answers = [setting.here.call(method, customer_id=setting.ada.id, consistency=level)
               for level in ({}, {"minimize_latency": True}, {"minimize_latency": False},
                             {"fully_consistent": True}, {"fully_consistent": False})]
    assert len({a.consistency_token for a in answers}) == 1


def test_token_of_any_method_is_good_in_every_other(setting, method):
    for other in METHODS:
        token = setting.here.call(other, customer_id=setting.ada.id).consistency_token
        for client in (setting.here, setting.sibling):
            answer = client.call(method, customer_id=setting.ada.id, consistency=at_least(token))
            assert answer.consistency_token == token


def test_token_names_the_version(setting, method):
    old = setting.here.call(method, customer_id=setting.ada.id).consistency_token
    setting.write()
    new = setting.here.call(method, customer_id=setting.ada.id).consistency_token
    assert new != old
    for token in (old, new):
        answer = setting.here.call(method, customer_id=setting.ada.id, consistency=at_least(token))
        assert answer.consistency_token == new


def test_token_from_the_future_is_refused(setting, method):
    setting.write()
    token = setting.here.call(method, customer_id=setting.ada.id).consistency_token
    with refused("consistency.at_least_as_fresh"):
        setting.restored.call(method, customer_id=setting.ada.id, consistency=at_least(token))
    past = setting.restored.call(method, customer_id=setting.ada.id).consistency_token
    assert setting.here.call(method, customer_id=setting.ada.id, consistency=at_least(past))


def test_token_of_another_customer_is_refused(setting, method):
    token = setting.here.call(method, customer_id=setting.bob.id).consistency_token
    with refused("consistency.at_least_as_fresh"):
        setting.here.call(method, customer_id=setting.ada.id, consistency=at_least(token))


def test_token_of_another_installation_is_refused(setting, method):
    token = setting.here.call(method, customer_id=setting.ada.id).consistency_token
    with refused("consistency.at_least_as_fresh"):
        setting.stranger.call(method, customer_id=setting.ada.id, consistency=at_least(token))


def test_damaged_token_is_refused(setting, method):
    token = setting.here.call(method, customer_id=setting.ada.id).consistency_token
    for bad in ["", *damaged(token)]:
        with refused("consistency.at_least_as_fresh"):
            setting.here.call(method, customer_id=setting.ada.id, consistency=at_least(bad))


def test_one_kind_of_token_is_not_the_other(setting, paged):
    answer = setting.here.call(paged, customer_id=setting.ada.id, limit=2)
    with refused("consistency.at_least_as_fresh"):
        setting.here.call(paged, customer_id=setting.ada.id, consistency=at_least(answer.next_page))
    with refused("next_page"):
        setting.here.call(paged, customer_id=setting.ada.id, limit=2, next_page=answer.consistency_token)

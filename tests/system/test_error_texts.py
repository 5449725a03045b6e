"""What a failed call says is text that every client can read, whatever bytes the call came with."""

import pytest

import harness


@pytest.mark.parametrize("name", [
    "é",
    "é" * 150,  # longer than is repeated
    "x" + "é" * 150,  # and cut in the middle of a character
    "€" * 100,
    "%s%n%d",
    "x" * 2000,
], ids=["short", "cut", "cut between", "cut at three bytes", "format", "long"])
def test_unknown_method_is_named_in_valid_text(server, name):
    client = server().client()
    with harness.fails("UNIMPLEMENTED", "UNIMPLEMENTED") as error:
        client.raw(f"/balances.v1.BalanceService/{name}", b"")
    assert error.message.startswith("there is no method /balances.v1.BalanceService/")
    assert len(error.message) < 512

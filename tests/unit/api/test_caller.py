"""Who calls, as far as a connection tells."""

from starlette.requests import HTTPConnection

from app.api.caller import caller_of


def call(address: str = "10.0.0.1", **headers: str) -> HTTPConnection:
    """A connection from an address with some headers."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "headers": raw, "client": (address, 1234)})


def test_a_caller_is_a_key_at_an_address() -> None:
    """Two calls are one caller's when both their key and the address they come from are equal."""
    callers = [
        call(authorization="Key a"),
        call(authorization="Key b"),
        call("10.0.0.2", authorization="Key a"),
        call(x_forwarded_for="10.0.0.2, 10.0.0.9", authorization="Key a"),
        call("10.0.0.9", x_forwarded_for="10.0.0.2", authorization="Key a"),
    ]
    names = [caller_of(connection) for connection in callers]

    assert len(set(names)) == 3
    assert names[2] == names[3] == names[4]


def test_the_name_holds_no_secret() -> None:
    """Neither key nor address can be read from it."""
    name = caller_of(call(authorization="Key secret"))

    assert "secret" not in name
    assert "10.0.0.1" not in name


def test_a_connection_without_an_address_has_a_caller() -> None:
    """A call over a local socket has no address; it is a caller all the same."""
    assert caller_of(HTTPConnection({"type": "http", "headers": [], "client": None}))

import socket

import pytest

from infra.reachable import reachable


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "engine-1.internal", "::1"])
def test_a_process_that_listens_on_one_address_is_reached_there(host: str) -> None:
    assert reachable(host, ["127.0.0.1:9092"]) == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - nothing listens here
def test_a_process_that_listens_on_all_is_reached_where_it_faces_the_servers(host: str) -> None:
    assert reachable(host, ["no.such.name.invalid:1", "127.0.0.1:9092"]) == "127.0.0.1"


@pytest.mark.parametrize("server", ["127.0.0.1", "[::1]:9092", "[::1]"])
def test_servers_are_named_as_kafkas_clients_name_them(server: str) -> None:
    assert reachable("::", [server]) in {"127.0.0.1", "::1"}


def test_a_process_that_listens_on_ipv4_alone_does_not_name_an_address_of_ipv6() -> None:
    assert reachable("0.0.0.0", ["[::1]:9092"]) == socket.gethostname()  # noqa: S104 - nothing listens here

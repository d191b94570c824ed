"""A cluster that is gone is found out: its node at once, its head when it has been away for a while."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from search.errors import ClusterError
from search.execution import contact
from search.execution.contact import Contact


@pytest.fixture
def servers() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as head, socket.create_server(("127.0.0.1", 0)) as node:
        yield head, node


@pytest.fixture
def cluster(servers: tuple[socket.socket, socket.socket]) -> Contact:
    head, node = servers
    return Contact("head:6379", head.getsockname(), node.getsockname())


def test_a_cluster_that_answers_is_there(cluster: Contact) -> None:
    cluster.check(now=True)
    assert not cluster.lost


def test_a_node_that_has_ended_is_told_at_once_and_again(
    cluster: Contact, servers: tuple[socket.socket, socket.socket]
) -> None:
    servers[1].close()
    for _ in range(2):
        with pytest.raises(ClusterError, match="through which this run uses it, is gone") as caught:
            cluster.check(now=True)
        assert "resume" in caught.value.fix
    assert cluster.lost


def test_a_head_may_be_away_for_a_moment_and_no_longer(
    cluster: Contact, servers: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    servers[0].close()
    cluster.check(now=True)
    assert not cluster.lost
    monkeypatch.setattr(contact, "_HEAD_SECONDS", 0.0)
    with pytest.raises(ClusterError, match="head of the Ray cluster has not answered"):
        cluster.check(now=True)
    assert cluster.lost


def test_who_asks_again_and_again_does_not_ask_the_cluster_every_time(
    cluster: Contact, servers: tuple[socket.socket, socket.socket]
) -> None:
    cluster.check(now=True)
    servers[1].close()
    cluster.check()
    assert not cluster.lost


@pytest.mark.parametrize(("address", "way_out"), [("local", "Resume"), ("head:6379", "Start the cluster again")])
def test_nobody_is_asked_to_start_a_private_cluster(
    address: str, way_out: str, servers: tuple[socket.socket, socket.socket]
) -> None:
    lost = Contact(address, servers[0].getsockname(), servers[1].getsockname())
    servers[1].close()
    with pytest.raises(ClusterError) as caught:
        lost.check(now=True)
    assert caught.value.fix.startswith(way_out)


def test_a_proxy_is_not_asked() -> None:
    proxied = Contact("ray://head:10001", None, None)
    proxied.check(now=True)
    assert not proxied.lost

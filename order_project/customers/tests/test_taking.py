"""A message on Redis: in a list, or among the unacknowledged, and at no moment in neither."""

from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.transport.redis import Channel

from customers.taking import take_safely

WAITED_AT, OTHER = (
    Queue(f"taken.{name}", Exchange(f"taken.{name}", "topic"), "#") for name in ("events", "tasks")
)


@pytest.fixture
def channel(valkey_url: str) -> Iterator[Channel]:
    """A worker's channel, which listens to two queues and waits at one of them."""
    with Connection(f"{valkey_url}/8") as connection:
        channel = connection.default_channel
        channel.client.flushdb()
        take_safely(channel, wait_at=WAITED_AT.name)
        channel.client.connection = (
            channel.client.connection_pool.get_connection()
        )  # as kombu's poller
        with Consumer(channel, [WAITED_AT, OTHER], on_message=print):
            yield channel


def publish(channel: Channel, queue: Queue, body: str) -> None:
    Producer(channel.connection.client.channel(), queue.exchange).publish(body, routing_key="any")


def take(channel: Channel) -> Any:
    """What comes from Redis, before kombu has done anything with it."""
    channel._brpop_start()
    try:
        return channel.client.parse_response(channel.client.connection, "BRPOP")
    finally:
        channel._in_poll = None


class TestTakeSafely:
    @pytest.mark.parametrize("queue", [WAITED_AT, OTHER], ids=["waited at", "other"])
    def test_notes_as_unacknowledged_what_it_pops(self, channel: Channel, queue: Queue) -> None:
        publish(channel, queue, "a message")

        name, _ = take(channel)

        assert name.decode() == queue.name
        assert channel.client.llen(queue.name) == 0
        assert channel.client.hlen(channel.unacked_key) == 1
        assert channel.client.zcard(channel.unacked_index_key) == 1

    def test_lets_another_worker_have_what_a_killed_one_had_popped(self, channel: Channel) -> None:
        publish(channel, WAITED_AT, "a message")
        take(channel)

        (tag,) = channel.client.hkeys(channel.unacked_key)
        channel.qos.restore_by_tag(tag.decode())

        assert channel.client.hlen(channel.unacked_key) == 0
        assert tag in take(channel)[1]

    def test_returns_without_a_message_where_there_is_none(self, channel: Channel) -> None:
        assert take(channel) is None

    @pytest.mark.parametrize("junk", ["junk", "5", "{}", '{"properties": 5}'])
    def test_passes_on_what_is_no_message(self, channel: Channel, junk: str) -> None:
        channel.client.lpush(WAITED_AT.name, junk)

        assert take(channel)[1].decode() == junk

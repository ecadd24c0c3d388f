"""Taking messages from Redis so that each is always in a list or among the unacknowledged.

Kombu pops a message and then, by a second command, notes it as unacknowledged: what a worker that
is killed between the two had popped is nowhere any more. Here one script does both.
"""

import time
from typing import Any

from kombu.transport.redis import Channel

WAIT_SECONDS = 0.2  # until queues are looked at that nobody waits at

# KEYS: the set of delivery tags by time, the hash of messages by tag, and the lists to take from.
TAKE = """
for number = 3, #KEYS do
  local item = redis.call('RPOP', KEYS[number])
  if item then
    local is_message, tag, exchange, routing_key = pcall(function()
      local properties = cjson.decode(item).properties
      local address = properties.delivery_info
      return properties.delivery_tag,
        cjson.encode(address.exchange), cjson.encode(address.routing_key)
    end)
    if is_message and type(tag) == 'string' then
      local held = '[' .. item .. ',' .. exchange .. ',' .. routing_key .. ']'
      redis.call('ZADD', KEYS[1], ARGV[1], tag)
      redis.call('HSET', KEYS[2], tag, held)
    end
    return {KEYS[number], item}
  end
end
"""


def take_safely(channel: Channel, *, wait_at: str) -> None:
    """Let the channel wait at one queue without popping, and take from all by one script.

    What is in the other queues is taken within WAIT_SECONDS.
    """
    receive = channel.client.parse_response
    lists: list[str] = []

    def start_waiting(timeout: float | None = None) -> None:
        queues = channel._queue_cycle.consume(len(channel.active_queues))
        if not queues:
            return
        lists[:] = [
            channel._q_for_pri(queue, step) for step in channel.priority_steps for queue in queues
        ]
        channel._in_poll = channel.client.connection
        channel._brpop_sent_at = time.monotonic()
        # From the end of a list to the same end: it waits for the list to have one, no more.
        channel.client.connection.send_command(
            "BLMOVE", wait_at, wait_at, "RIGHT", "RIGHT", WAIT_SECONDS
        )

    def parse_response(connection: Any, command: str, **options: Any) -> Any:
        if command != "BRPOP":
            return receive(connection, command, **options)
        receive(connection, "BLMOVE", **options)
        with channel.conn_or_acquire() as client:
            keys = [channel.unacked_index_key, channel.unacked_key, *lists]
            return client.eval(TAKE, len(keys), *keys, time.time())

    channel._brpop_start = start_waiting
    channel.client.parse_response = parse_response

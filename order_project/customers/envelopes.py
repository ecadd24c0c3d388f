"""A Redis list takes anything: what kombu did not put there would end the worker, and be lost."""

import json
import uuid
from typing import Any

from kombu.transport.redis import Channel


def wrap_strangers(channel: Channel) -> None:
    """Let the channel hand over what is no message as the body of one that cannot be decoded."""
    receive = channel.client.parse_response

    def parse_response(connection: Any, command: str, **options: Any) -> Any:
        answer = receive(connection, command, **options)
        if command == "BRPOP" and answer and not is_message(answer[1], channel):
            queue, item = answer
            answer = queue, json.dumps(envelope(item.decode(errors="backslashreplace"))).encode()
        return answer

    channel.client.parse_response = parse_response


def is_message(item: bytes, channel: Channel) -> bool:
    """Whether kombu can make a message of it, and deliver it again if need be."""
    try:
        address = channel.Message(json.loads(item), channel=channel).delivery_info
    except Exception:  # whatever a stranger's bytes may cause
        return False
    return "exchange" in address and "routing_key" in address


def envelope(text: str) -> dict[str, Any]:
    """A message as kombu writes it into a list, of a type that nobody accepts."""
    return {
        "body": text,
        "content-type": "application/octet-stream",
        "content-encoding": "utf-8",
        "headers": {},
        "properties": {
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": "order.user-events"},
        },
    }

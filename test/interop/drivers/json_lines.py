"""What the Python drivers share: JSON commands on stdin, JSON events on stdout.

Commands (one object per line, each with an "id"):
  connect     host port transport version(3|4|5) clientId clean sessionExpiry will{topic,payload,qos}
              properties{receiveMaximum,topicAliasMaximum,...}
  subscribe   filters qos identifier
  publish     topic qos retain payloads[...] | file; properties{...}
  disconnect
Events: done {id, ...}, failed {id, reason}, message {topic, payload, sha256, qos, retain, properties}.
"""

import hashlib
import json
import sys
import threading

LONG_PAYLOAD = 65536
_output_lock = threading.Lock()


def tell(event, **values):
    line = json.dumps({"event": event, **values}, separators=(",", ":"))
    with _output_lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def tell_message(topic, payload, qos, retain, properties=None):
    values = {
        "topic": topic,
        "sha256": hashlib.sha256(payload).hexdigest(),
        "qos": qos,
        "retain": bool(retain),
        "properties": properties or {},
    }
    if len(payload) < LONG_PAYLOAD:
        values["payload"] = payload.decode("utf-8", "replace")
    tell("message", **values)


def payloads_of(command):
    if "file" in command:
        with open(command["file"], "rb") as file:
            return [file.read()]
    return [payload.encode() for payload in command["payloads"]]


def run(handlers):
    """Calls handlers[op](command) for each command; what it returns goes into the answer."""
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = handlers[command["op"]](command) or {}
            tell("done", id=command["id"], **answer)
        except Exception as error:  # every failure has to reach the test
            tell("failed", id=command["id"], reason=f"{type(error).__name__}: {error}")

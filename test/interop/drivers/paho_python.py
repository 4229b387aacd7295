"""Drives Python Paho (Debian: python3-paho-mqtt, API of version 1.6) by JSON lines."""

import sys
import threading

import json_lines

try:
    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
except ImportError:
    sys.exit("the Python module paho.mqtt is missing: apt-get install python3-paho-mqtt")

TIMEOUT = 25
client = None
version = 4
connected = threading.Event()
connack = {}
suback = threading.Event()
granted = []
aliases = {}
disconnected = threading.Event()

NAMES = {
    "sessionExpiry": "SessionExpiryInterval",
    "receiveMaximum": "ReceiveMaximum",
    "topicAliasMaximum": "TopicAliasMaximum",
    "messageExpiry": "MessageExpiryInterval",
    "responseTopic": "ResponseTopic",
    "contentType": "ContentType",
    "topicAlias": "TopicAlias",
    "identifier": "SubscriptionIdentifier",
}


def properties_for(packet, given):
    if version != 5:
        return None
    result = Properties(packet)
    for name, value in given.items():
        if name == "userProperties":
            result.UserProperty = [tuple(pair) for pair in value]
        elif name == "correlationData":
            result.CorrelationData = value.encode()
        else:
            setattr(result, NAMES[name], value)
    return result


def told_properties(properties):
    if properties is None:
        return {}
    told = {}
    for name, attribute in NAMES.items():
        if hasattr(properties, attribute):
            told[name] = getattr(properties, attribute)
    if hasattr(properties, "UserProperty"):
        told["userProperties"] = [list(pair) for pair in properties.UserProperty]
    if hasattr(properties, "CorrelationData"):
        told["correlationData"] = properties.CorrelationData.decode()
    return told


def on_connect(_client, _userdata, flags, code, properties=None):
    connack["code"] = code if isinstance(code, int) else code.value
    connack["sessionPresent"] = bool(flags["session present"])
    connected.set()


def on_message(_client, _userdata, message):
    properties = told_properties(getattr(message, "properties", None))
    topic = message.topic
    # This library leaves the broker's topic aliases to the application.
    if "topicAlias" in properties:
        if topic:
            aliases[properties["topicAlias"]] = topic
        topic = aliases[properties["topicAlias"]]
    json_lines.tell_message(topic, message.payload, message.qos, message.retain, properties)


def on_subscribe(_client, _userdata, _mid, codes, properties=None):
    granted[:] = [code if isinstance(code, int) else code.value for code in codes]
    suback.set()


def on_disconnect(*_arguments):
    disconnected.set()


def wait(event, what):
    if not event.wait(TIMEOUT):
        raise TimeoutError(f"no {what}")


def connect(command):
    global client, version
    version = command["version"]
    session = {} if version == 5 else {"clean_session": command["clean"]}
    client = mqtt.Client(
        command["clientId"],
        protocol=version,
        transport="websockets" if command["transport"] == "ws" else "tcp",
        reconnect_on_failure=False,
        **session,
    )
    if command["transport"] == "ws":
        client.ws_set_options(path="/mqtt")
    if "will" in command:
        will = command["will"]
        client.will_set(will["topic"], will["payload"], will["qos"])
    client.on_connect = on_connect
    client.on_message = on_message
    client.on_subscribe = on_subscribe
    client.on_disconnect = on_disconnect
    client.max_queued_messages_set(0)
    more = {}
    if version == 5:
        given = {"sessionExpiry": command.get("sessionExpiry", 0), **command.get("properties", {})}
        more = {"clean_start": command["clean"], "properties": properties_for(PacketTypes.CONNECT, given)}
    client.connect(command["host"], command["port"], keepalive=30, **more)
    client.loop_start()
    wait(connected, "CONNACK")
    if connack["code"] != 0:
        raise ConnectionError(f"CONNACK {connack['code']}")
    return connack


def subscribe(command):
    suback.clear()
    more = {}
    if "identifier" in command:
        # The setter of this version insists on a list of one.
        given = {"identifier": [command["identifier"]]}
        more["properties"] = properties_for(PacketTypes.SUBSCRIBE, given)
    if version == 5:
        options = mqtt.SubscribeOptions(qos=command["qos"])
        client.subscribe([(name, options) for name in command["filters"]], **more)
    else:
        client.subscribe([(name, command["qos"]) for name in command["filters"]])
    wait(suback, "SUBACK")
    if any(code >= 0x80 for code in granted):
        raise PermissionError(f"SUBACK {granted}")
    return {"granted": granted}


def publish(command):
    pending = []
    for payload in json_lines.payloads_of(command):
        properties = properties_for(PacketTypes.PUBLISH, command.get("properties", {}))
        pending.append(
            client.publish(command["topic"], payload, command["qos"], command["retain"], properties=properties)
        )
    for message in pending:
        message.wait_for_publish(TIMEOUT)
        if not message.is_published():
            raise TimeoutError("not acknowledged")


def disconnect(_command):
    client.disconnect()
    wait(disconnected, "end of the connection")
    client.loop_stop()


json_lines.run({"connect": connect, "subscribe": subscribe, "publish": publish, "disconnect": disconnect})

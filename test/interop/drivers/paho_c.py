"""Drives the synchronous Paho C library (Debian: libpaho-mqtt1.3) by JSON lines, through ctypes.

The structures are those of MQTTClient.h, version 1.3; only the fields up to the
declared structure version are read by the library.
"""

import sys
from ctypes import (
    CDLL, CFUNCTYPE, POINTER, Structure, Union, byref, c_char, c_char_p, c_int, c_long, c_size_t,
    c_ubyte, c_uint, c_ushort, c_void_p, string_at,
)

import json_lines

TIMEOUT_MS = 25000
NO_PERSISTENCE = 1
SESSION_EXPIRY_INTERVAL = 17

try:
    library = CDLL("libpaho-mqtt3c.so.1")
except OSError:
    sys.exit("libpaho-mqtt3c.so.1 is missing: apt-get install paho.mqtt.c-examples")


class LenString(Structure):
    _fields_ = [("length", c_int), ("data", c_void_p)]


class StringPair(Structure):
    _fields_ = [("data", LenString), ("value", LenString)]


class PropertyValue(Union):
    _fields_ = [("byte", c_ubyte), ("integer2", c_ushort), ("integer4", c_uint), ("strings", StringPair)]


class Property(Structure):
    _fields_ = [("identifier", c_int), ("value", PropertyValue)]


class Properties(Structure):
    _fields_ = [("count", c_int), ("max_count", c_int), ("length", c_int), ("array", c_void_p)]


class WillOptions(Structure):
    _fields_ = [
        ("struct_id", c_char * 4), ("struct_version", c_int), ("topic", c_char_p), ("message", c_char_p),
        ("retained", c_int), ("qos", c_int), ("payload_length", c_int), ("payload", c_void_p),
    ]


class ConnectOptions(Structure):
    _fields_ = [
        ("struct_id", c_char * 4), ("struct_version", c_int), ("keep_alive", c_int), ("clean_session", c_int),
        ("reliable", c_int), ("will", POINTER(WillOptions)), ("username", c_char_p), ("password", c_char_p),
        ("connect_timeout", c_int), ("retry_interval", c_int), ("ssl", c_void_p), ("uri_count", c_int),
        ("uris", c_void_p), ("version", c_int), ("returned_uri", c_char_p), ("returned_version", c_int),
        ("session_present", c_int), ("password_length", c_int), ("password_data", c_void_p),
        ("max_inflight", c_int), ("clean_start", c_int), ("headers", c_void_p), ("http_proxy", c_char_p),
        ("https_proxy", c_char_p),
    ]


class CreateOptions(Structure):
    _fields_ = [("struct_id", c_char * 4), ("struct_version", c_int), ("version", c_int)]


class Response(Structure):
    _fields_ = [
        ("version", c_int), ("reason_code", c_int), ("count", c_int), ("reason_codes", POINTER(c_int)),
        ("properties", c_void_p),
    ]


class Message(Structure):
    _fields_ = [
        ("struct_id", c_char * 4), ("struct_version", c_int), ("payload_length", c_int), ("payload", c_void_p),
        ("qos", c_int), ("retained", c_int), ("dup", c_int), ("message_id", c_int), ("properties", Properties),
    ]


MessageArrived = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, POINTER(Message))
library.MQTTClient_connect5.restype = Response
library.MQTTClient_subscribeMany5.restype = Response
library.MQTTClient_publish5.restype = Response
library.MQTTClient_free.argtypes = [c_void_p]
library.MQTTClient_freeMessage.argtypes = [POINTER(POINTER(Message))]

handle = c_void_p()
version = 4


@MessageArrived
def message_arrived(_context, topic, topic_length, pointer):
    message = pointer.contents
    name = string_at(topic, topic_length) if topic_length > 0 else string_at(topic)
    payload = string_at(message.payload, message.payload_length)
    json_lines.tell_message(name.decode(), payload, message.qos, message.retained)
    library.MQTTClient_freeMessage(byref(pointer))
    library.MQTTClient_free(topic)
    return 1


def check(code, what):
    if code != 0:
        raise RuntimeError(f"{what}: code {code}")


def connect(command):
    global version
    version = command["version"]
    uri = f"tcp://{command['host']}:{command['port']}".encode()
    created = library.MQTTClient_createWithOptions(
        byref(handle), uri, command["clientId"].encode(), NO_PERSISTENCE, None,
        byref(CreateOptions(b"MQCO", 0, version)),
    )
    check(created, "create")
    check(library.MQTTClient_setCallbacks(handle, None, None, message_arrived, None), "callbacks")
    options = ConnectOptions(struct_id=b"MQTC", struct_version=8, keep_alive=30, connect_timeout=20)
    options.version = version
    options.max_inflight = -1
    if "will" in command:
        will = command["will"]
        options.will.contents = WillOptions(
            b"MQTW", 0, will["topic"].encode(), will["payload"].encode(), 0, will["qos"], 0, None
        )
    if version < 5:
        options.clean_session = int(command["clean"])
        check(library.MQTTClient_connect(handle, byref(options)), "connect")
        return {"sessionPresent": bool(options.session_present)}
    options.clean_start = int(command["clean"])
    properties = Properties()
    expiry = Property(identifier=SESSION_EXPIRY_INTERVAL)
    expiry.value.integer4 = command.get("sessionExpiry", 0)
    check(library.MQTTProperties_add(byref(properties), byref(expiry)), "property")
    check(library.MQTTClient_connect5(handle, byref(options), byref(properties), None).reason_code, "connect")
    return {"sessionPresent": bool(options.session_present)}


def subscribe(command):
    filters = [name.encode() for name in command["filters"]]
    names = (c_char_p * len(filters))(*filters)
    qos = (c_int * len(filters))(*([command["qos"]] * len(filters)))
    if version < 5:
        check(library.MQTTClient_subscribeMany(handle, len(filters), names, qos), "subscribe")
        return {"granted": list(qos)}
    response = library.MQTTClient_subscribeMany5(handle, len(filters), names, qos, None, None)
    if response.reason_code < 0 or response.reason_code >= 0x80:
        raise RuntimeError(f"subscribe: code {response.reason_code}")
    return {"granted": [response.reason_code]}


def publish(command):
    token = c_int()
    for payload in json_lines.payloads_of(command):
        name, length = command["topic"].encode(), len(payload)
        arguments = (handle, name, length, payload, command["qos"], int(command["retain"]))
        if version < 5:
            check(library.MQTTClient_publish(*arguments, byref(token)), "publish")
        else:
            check(library.MQTTClient_publish5(*arguments, None, byref(token)).reason_code, "publish")
        if command["qos"] > 0:
            check(library.MQTTClient_waitForCompletion(handle, token, c_long(TIMEOUT_MS)), "acknowledgement")


def disconnect(_command):
    check(library.MQTTClient_disconnect(handle, 2000), "disconnect")


json_lines.run({"connect": connect, "subscribe": subscribe, "publish": publish, "disconnect": disconnect})

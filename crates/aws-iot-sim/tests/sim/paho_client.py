"""Talks to the broker with Eclipse paho, and prints what paho understood as JSON.

Arguments: port, CA file, certificate file, key file.
"""

import json
import queue
import ssl
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE = 60  # seconds; only a bound for a run that would hang otherwise

port, ca, certificate, key = sys.argv[1:]
events = queue.Queue()
seen = {}


def take(name):
    """The next event, which must have that name."""
    found, value = events.get(timeout=PATIENCE)
    assert found == name, f"{found} instead of {name}"
    return value


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="paho", protocol=mqtt.MQTTv5)
client.tls_set(ca_certs=ca, certfile=certificate, keyfile=key, tls_version=ssl.PROTOCOL_TLS_CLIENT)
client.on_connect = lambda _c, _u, flags, code, properties: events.put(
    ("CONNACK", [str(code), flags.session_present, properties.json()]))
client.on_subscribe = lambda _c, _u, _id, codes, _p: events.put(("SUBACK", [str(code) for code in codes]))
client.on_unsubscribe = lambda _c, _u, _id, codes, _p: events.put(("UNSUBACK", [str(code) for code in codes]))
client.on_publish = lambda _c, _u, _id, code, _p: events.put(("PUBACK", str(code)))
client.on_message = lambda _c, _u, message: events.put(("PUBLISH", message))
client.on_disconnect = lambda _c, _u, _flags, code, _p: events.put(("DISCONNECT", str(code)))

connect = Properties(PacketTypes.CONNECT)
connect.SessionExpiryInterval = 60
client.connect("localhost", int(port), keepalive=45, clean_start=True, properties=connect)
client.loop_start()
seen["connack"] = take("CONNACK")

options = SubscribeOptions(qos=1, noLocal=False, retainAsPublished=True)
client.subscribe([("open/+", options), ("closed/+", options), ("open/2/3/4/5/6/7/8/9", options)])
seen["suback"] = take("SUBACK")

properties = Properties(PacketTypes.PUBLISH)
properties.MessageExpiryInterval = 300
properties.ContentType = "text/plain"
properties.ResponseTopic = "open/answer"
properties.CorrelationData = b"\x00\xff"
properties.PayloadFormatIndicator = 1
properties.UserProperty = [("k", "one"), ("k", "two")]
client.publish("open/a", "hello", qos=1, retain=True, properties=properties)
arrived = dict([events.get(timeout=PATIENCE), events.get(timeout=PATIENCE)])
message = arrived["PUBLISH"]
seen["puback"] = arrived["PUBACK"]
seen["message"] = [message.topic, message.payload.decode(), message.qos, message.retain, message.properties.json()]

client.publish("closed/a", "x", qos=1)
seen["denied"] = take("PUBACK")
client.unsubscribe(["open/+", "never/subscribed"])
seen["unsuback"] = take("UNSUBACK")
client.publish("closed/a", "x", qos=0)
take("PUBACK")  # paho calls on_publish for QoS 0, too, when the message is sent.
seen["disconnect"] = take("DISCONNECT")
client.loop_stop()
print(json.dumps(seen))

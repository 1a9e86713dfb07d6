"""What a program that uses the Python client library relies on."""

import asyncio
import json
import ssl

import nats
from nats import errors, micro

from server import CERTIFICATES, Server

SEED = "SUAFKV43KV4JNUGOC5SMI77NMRHZWNPVROWWEBTUV4R7GVWYB3IMKA24A4"
NKEY = "UDDWUXNQOXJS6EYGMIX7SPK6EN36CTI6QOABV542HFWHLY5OC76WZOJG"
TLS = 'cert_file: "<certs>/server.pem", key_file: "<certs>/server-key.pem"'
VERIFY = 'ca_file: "<certs>/ca.pem", verify: true'


def trust(identity=None):
    """A TLS context that trusts the suites' authority and may show a certificate."""
    context = ssl.create_default_context(cafile=f"{CERTIFICATES}/ca.pem")
    if identity:
        context.load_cert_chain(f"{CERTIFICATES}/{identity}.pem", f"{CERTIFICATES}/{identity}-key.pem")
    return context


async def expect_refused(server, reason, **options):
    """Connecting fails, and `reason` is part of what the client was told."""
    told = []

    async def remember(error):
        told.append(str(error))

    try:
        client = await nats.connect(server.url, allow_reconnect=False, error_cb=remember, **options)
    except Exception as error:
        told.append(str(error))
        assert any(reason in text for text in told), told
        return
    await client.close()
    raise AssertionError("the server let the client in")


async def sync(client):
    """A round trip behind everything the client has sent. Its own `flush` may overtake what it has not written yet."""
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    await client.publish(inbox, b"")
    await subscription.next_msg(5)
    await subscription.unsubscribe()


async def next_messages(subscription, count, seconds=5):
    return [await subscription.next_msg(seconds) for _ in range(count)]


async def expect_silence(client, subscription):
    """Nothing more arrives, proven by a round trip."""
    await sync(client)
    assert subscription.pending_msgs == 0, subscription.pending_msgs


async def check_connect():
    with Server() as server:
        client = await nats.connect(server.url, name="python")
        assert client.is_connected
        assert client.max_payload == 1048576
        assert client.connected_server_version.major == 2
        assert client.client_id > 0
        await client.close()
        assert client.is_closed


async def check_connect_verbose_and_pedantic():
    with Server() as server:
        client = await nats.connect(server.url, verbose=True, pedantic=True)
        subscription = await client.subscribe("foo")
        await client.publish("foo", b"hi")
        assert (await subscription.next_msg(5)).data == b"hi"
        await client.close()


async def check_publish_and_subscribe():
    with Server() as server:
        publisher, subscriber = await nats.connect(server.url), await nats.connect(server.url)
        subscription = await subscriber.subscribe("foo")
        await sync(subscriber)
        for number in range(1000):
            await publisher.publish("foo", str(number).encode())
        await sync(publisher)
        messages = await next_messages(subscription, 1000)
        assert [int(message.data) for message in messages] == list(range(1000))
        await publisher.close()
        await subscriber.close()


async def check_no_echo():
    with Server() as server:
        client, other = await nats.connect(server.url, no_echo=True), await nats.connect(server.url)
        subscription = await client.subscribe("foo")
        await client.publish("foo", b"mine")
        heard = await other.subscribe("bar")
        await sync(other)
        await client.publish("bar", b"mine has arrived")
        await heard.next_msg(5)
        await other.publish("foo", b"theirs")
        assert (await subscription.next_msg(5)).data == b"theirs"
        await other.close()
        await client.close()


async def check_wildcards():
    with Server() as server:
        client = await nats.connect(server.url)
        star = await client.subscribe("foo.*.baz")
        tail = await client.subscribe("foo.>")
        for subject in ["foo.a.baz", "foo.b", "foo.b.c.baz", "foo", "other.a.baz"]:
            await client.publish(subject, b"")
        assert [m.subject for m in await next_messages(star, 1)] == ["foo.a.baz"]
        assert [m.subject for m in await next_messages(tail, 3)] == ["foo.a.baz", "foo.b", "foo.b.c.baz"]
        await expect_silence(client, star)
        await expect_silence(client, tail)
        await client.close()


async def check_queue_groups():
    with Server() as server:
        clients = [await nats.connect(server.url) for _ in range(3)]
        subscriptions = [await client.subscribe("work", queue="workers") for client in clients]
        for client in clients:
            await sync(client)
        publisher = await nats.connect(server.url)
        for _ in range(300):
            await publisher.publish("work", b"")
        await sync(publisher)
        for client in clients:
            await sync(client)
        counts = [subscription.pending_msgs for subscription in subscriptions]
        assert sum(counts) == 300 and min(counts) > 0, counts
        for client in [*clients, publisher]:
            await client.close()


async def check_unsubscribe_after_a_number():
    with Server() as server:
        client = await nats.connect(server.url)
        subscription = await client.subscribe("foo")
        await subscription.unsubscribe(limit=2)
        for number in range(4):
            await client.publish("foo", str(number).encode())
        assert [m.data for m in await next_messages(subscription, 2)] == [b"0", b"1"]
        await sync(client)
        await client.close()


async def check_request_and_reply():
    with Server() as server:
        service, client = await nats.connect(server.url), await nats.connect(server.url)

        async def answer(message):
            await message.respond(message.data[::-1])

        await service.subscribe("reverse", cb=answer)
        await sync(service)
        answers = await asyncio.gather(*(client.request("reverse", f"{n}".encode(), timeout=5) for n in range(100)))
        assert [a.data.decode() for a in answers] == [f"{n}"[::-1] for n in range(100)]
        await service.close()
        await client.close()


async def check_no_responders():
    with Server() as server:
        client = await nats.connect(server.url)
        try:
            await client.request("nobody", b"", timeout=5)
        except errors.NoRespondersError:
            await client.close()
            return
        raise AssertionError("somebody answered")


async def check_headers():
    with Server() as server:
        client = await nats.connect(server.url)
        subscription = await client.subscribe("foo")
        await client.publish("foo", b"hi", headers={"Flavour": "vanilla", "Other": "ü"})
        message = await subscription.next_msg(5)
        assert message.headers == {"Flavour": "vanilla", "Other": "ü"}, message.headers
        assert message.data == b"hi"
        await client.close()


async def check_drain_of_a_subscription():
    with Server() as server:
        client = await nats.connect(server.url)
        received = []

        async def slowly(message):
            await asyncio.sleep(0.001)
            received.append(message.data)

        subscription = await client.subscribe("foo", cb=slowly)
        for _ in range(50):
            await client.publish("foo", b"")
        await sync(client)
        await subscription.drain()
        await client.publish("foo", b"late")
        await sync(client)
        assert len(received) == 50 and b"late" not in received, len(received)
        await client.close()


async def check_drain_of_a_connection():
    with Server() as server:
        client = await nats.connect(server.url)
        other = await nats.connect(server.url)
        replies = await other.subscribe("replies")
        await sync(other)

        async def answer(message):
            await client.publish("replies", message.data)
            await client.flush()

        await client.subscribe("foo", cb=answer)
        await sync(client)
        for _ in range(50):
            await other.publish("foo", b"")
        await sync(other)
        # What was sent to the client before has arrived with the answer.
        await sync(client)
        await client.drain()
        assert client.is_closed
        await next_messages(replies, 50)
        await other.close()


async def check_reconnect():
    with Server() as server:
        events = asyncio.Queue()

        async def disconnected():
            await events.put("disconnected")

        async def reconnected():
            await events.put("reconnected")

        client = await nats.connect(
            server.url,
            reconnect_time_wait=0.1,
            max_reconnect_attempts=-1,
            disconnected_cb=disconnected,
            reconnected_cb=reconnected,
        )
        subscription = await client.subscribe("foo")
        await sync(client)
        server.stop()
        assert await events.get() == "disconnected"
        server.start()
        assert await events.get() == "reconnected"
        await client.publish("foo", b"after")
        assert (await subscription.next_msg(5)).data == b"after"
        await client.close()


async def check_lame_duck():
    with Server('lame_duck_duration: "30s", lame_duck_grace_period: "1s"') as server:
        told = asyncio.Event()

        async def remember():
            told.set()

        client = await nats.connect(server.url, lame_duck_mode_cb=remember)
        server.lame_duck()
        await asyncio.wait_for(told.wait(), 10)
        await client.close()


async def check_services():
    with Server() as server:
        client = await nats.connect(server.url)
        service = await micro.add_service(client, name="demo", version="1.0.0", description="a demo")

        async def echo(request):
            await request.respond(request.data)

        await service.add_endpoint(name="echo", handler=echo, subject="demo.echo")
        other = await nats.connect(server.url)
        assert (await other.request("demo.echo", b"hi", timeout=5)).data == b"hi"
        for verb in ["PING", "INFO", "STATS"]:
            for subject in [f"$SRV.{verb}", f"$SRV.{verb}.demo", f"$SRV.{verb}.demo.{service.id}"]:
                answer = json.loads((await other.request(subject, b"", timeout=5)).data)
                assert answer["name"] == "demo" and answer["id"] == service.id, answer
        stats = json.loads((await other.request("$SRV.STATS.demo", b"", timeout=5)).data)
        assert stats["endpoints"][0]["num_requests"] == 1, stats
        await service.stop()
        await other.close()
        await client.close()


async def check_tls():
    with Server(f"tls {{ {TLS} }}") as server:
        client = await nats.connect(server.url, tls=trust(), tls_hostname="localhost")
        subscription = await client.subscribe("foo")
        await client.publish("foo", b"x" * 100_000)
        assert len((await subscription.next_msg(5)).data) == 100_000
        await client.close()
        await expect_refused(server, "certificate verify failed", tls=ssl.create_default_context())


async def check_tls_with_client_certificate():
    with Server(f"tls {{ {TLS}, {VERIFY} }}") as server:
        client = await nats.connect(server.url, tls=trust("client"), tls_hostname="localhost")
        await sync(client)
        await client.close()
        await expect_refused(server, "", tls=trust("stranger"), tls_hostname="localhost")


async def check_tls_handshake_first():
    with Server(f"tls {{ {TLS}, handshake_first: true }}") as server:
        client = await nats.connect(server.url, tls=trust(), tls_hostname="localhost", tls_handshake_first=True)
        await sync(client)
        await client.close()


async def check_user_and_password():
    with Server("authorization { user: alice, password: secret }") as server:
        client = await nats.connect(server.url, user="alice", password="secret")
        await sync(client)
        await client.close()
        await expect_refused(server, "Authorization Violation", user="alice", password="wrong")
        await expect_refused(server, "Authorization Violation")


async def check_token():
    with Server("authorization { token: s3cr3t }") as server:
        client = await nats.connect(server.url, token="s3cr3t")
        await sync(client)
        await client.close()
        await expect_refused(server, "Authorization Violation", token="wrong")


async def check_nkey():
    with Server(f"authorization {{ users: [ {{ nkey: {NKEY} }} ] }}") as server:
        client = await nats.connect(server.url, nkeys_seed_str=SEED)
        await sync(client)
        await client.close()
        await expect_refused(server, "Authorization Violation")


async def check_permission_errors():
    config = 'authorization { users: [ { user: u, password: p, permissions: { publish: "foo", subscribe: "foo" } } ] }'
    with Server(config) as server:
        told = asyncio.Queue()

        async def remember(error):
            await told.put(str(error).lower())

        client = await nats.connect(server.url, user="u", password="p", error_cb=remember)
        await client.publish("bar", b"")
        assert 'permissions violation for publish to "bar"' in await told.get()
        await client.subscribe("bar")
        assert 'permissions violation for subscription to "bar"' in await told.get()
        await client.close()


async def check_slow_consumer():
    """The client notices by itself that it does not keep up; the connection stays."""
    with Server() as server:
        told = asyncio.Queue()

        async def remember(error):
            await told.put(error)

        client = await nats.connect(server.url, error_cb=remember)
        await client.subscribe("foo", pending_msgs_limit=5)
        for _ in range(20):
            await client.publish("foo", b"")
        await sync(client)
        assert isinstance(await told.get(), errors.SlowConsumerError)
        assert client.is_connected
        await client.close()


async def check_slow_consumer_is_disconnected():
    """A connection that is never read is closed, and others go on."""
    with Server("max_pending: 2097152") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(b'CONNECT {"verbose":false}\r\nSUB foo 1\r\n')
        await writer.drain()
        writer.transport.pause_reading()
        client = await nats.connect(server.url)
        subscription = await client.subscribe("bar")
        for _ in range(100):
            await client.publish("foo", b"x" * 500_000)
            await sync(client)
        await client.publish("bar", b"")
        await subscription.next_msg(5)
        assert client.is_connected
        writer.transport.resume_reading()
        while await reader.read(65_536):
            pass
        writer.close()
        await client.close()


async def check_large_payloads():
    with Server() as server:
        client = await nats.connect(server.url)
        subscription = await client.subscribe("foo")
        for size in [0, 1, 65_535, 65_536, 1_048_576]:
            await client.publish("foo", b"x" * size)
            assert len((await subscription.next_msg(5)).data) == size
        try:
            await client.publish("foo", b"x" * 1_048_577)
        except errors.MaxPayloadError:
            await client.close()
            return
        raise AssertionError("the client sent more than the server's limit")


async def check_payload_over_the_limit_is_refused():
    """A client that ignores the limit is told and disconnected."""
    with Server("max_payload: 100") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await reader.readline()
        writer.write(b'CONNECT {"verbose":false}\r\nPUB foo 101\r\n')
        assert await reader.readline() == b"-ERR 'Maximum Payload Violation'\r\n"
        assert await reader.read() == b""
        writer.close()


async def check_many_subscriptions():
    with Server() as server:
        client = await nats.connect(server.url)
        received = []

        async def remember(message):
            received.append(message.subject)

        for number in range(2000):
            await client.subscribe(f"foo.{number}", cb=remember)
        for number in range(2000):
            await client.publish(f"foo.{number}", b"")
        await sync(client)
        while len(received) < 2000:
            await asyncio.sleep(0.01)
        assert sorted(received) == sorted(f"foo.{number}" for number in range(2000))
        await client.close()

// What a program that uses the JavaScript client library relies on.

import { strict as assert } from "node:assert";
import net from "node:net";

import { Svcm } from "@nats-io/services";
import { connect, headers, nkeyAuthenticator, NoRespondersError, PermissionViolationError } from "@nats-io/transport-node";

import { certificates, Server } from "./server.mjs";

const seed = "SUAFKV43KV4JNUGOC5SMI77NMRHZWNPVROWWEBTUV4R7GVWYB3IMKA24A4";
const nkey = "UDDWUXNQOXJS6EYGMIX7SPK6EN36CTI6QOABV542HFWHLY5OC76WZOJG";
const tls = 'cert_file: "<certs>/server.pem", key_file: "<certs>/server-key.pem"';
const verify = 'ca_file: "<certs>/ca.pem", verify: true';

// Runs a check with a server that ends with it.
async function withServer(options, check) {
  const server = await Server.start(options);
  try {
    await check(server);
  } finally {
    await server.end();
  }
}

// What a client trusts and shows.
function trust(identity) {
  const own = identity
    ? { certFile: `${certificates}/${identity}.pem`, keyFile: `${certificates}/${identity}-key.pem` }
    : {};
  return { caFile: `${certificates}/ca.pem`, ...own };
}

async function expectRefused(server, pattern, options = {}) {
  await assert.rejects(connect({ servers: server.url, reconnect: false, ...options }), pattern);
}

// Takes messages until there are `count`.
async function take(subscription, count) {
  const messages = [];
  if (count === 0) return messages;
  for await (const message of subscription) {
    messages.push(message);
    if (messages.length === count) break;
  }
  return messages;
}

// The next status of a type.
async function status(client, type) {
  for await (const event of client.status()) {
    if (event.type === type) return event;
  }
  throw new Error(`the connection ended before ${type}`);
}

export const connectAndClose = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url, name: "javascript" });
    assert.equal(client.info.max_payload, 1048576);
    assert.equal(client.info.headers, true);
    assert.equal(client.getServer(), `127.0.0.1:${server.port}`);
    assert.ok((await client.rtt()) >= 0);
    await client.close();
    assert.ok(client.isClosed());
  });

export const connectVerboseAndPedantic = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url, verbose: true, pedantic: true });
    const subscription = client.subscribe("foo", { max: 1 });
    client.publish("foo", "hi");
    const [message] = await take(subscription, 1);
    assert.equal(message.string(), "hi");
    await client.close();
  });

export const publishAndSubscribe = () =>
  withServer({}, async (server) => {
    const [publisher, subscriber] = [await connect({ servers: server.url }), await connect({ servers: server.url })];
    const subscription = subscriber.subscribe("foo", { max: 1000 });
    await subscriber.flush();
    for (let number = 0; number < 1000; number++) publisher.publish("foo", `${number}`);
    const messages = await take(subscription, 1000);
    assert.deepEqual(messages.map((m) => Number(m.string())), [...Array(1000).keys()]);
    await publisher.close();
    await subscriber.close();
  });

export const noEcho = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url, noEcho: true });
    const subscription = client.subscribe("foo");
    client.publish("foo", "hi");
    await client.flush();
    assert.equal(subscription.getReceived(), 0);
    await client.close();
  });

export const wildcards = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url });
    const heard = { star: [], tail: [] };
    client.subscribe("foo.*.baz", { callback: (_, message) => heard.star.push(message.subject) });
    client.subscribe("foo.>", { callback: (_, message) => heard.tail.push(message.subject) });
    for (const subject of ["foo.a.baz", "foo.b", "foo.b.c.baz", "foo", "other.a.baz"]) client.publish(subject);
    await client.flush();
    assert.deepEqual(heard, { star: ["foo.a.baz"], tail: ["foo.a.baz", "foo.b", "foo.b.c.baz"] });
    await client.close();
  });

export const queueGroups = () =>
  withServer({}, async (server) => {
    const clients = await Promise.all([1, 2, 3].map(() => connect({ servers: server.url })));
    const counts = [0, 0, 0];
    for (const [index, client] of clients.entries()) {
      client.subscribe("work", { queue: "workers", callback: () => counts[index]++ });
      await client.flush();
    }
    for (let number = 0; number < 300; number++) clients[0].publish("work");
    await clients[0].flush();
    for (const client of clients) await client.flush();
    assert.equal(counts[0] + counts[1] + counts[2], 300);
    assert.ok(Math.min(...counts) > 0, `${counts}`);
    for (const client of clients) await client.close();
  });

export const unsubscribeAfterANumber = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url });
    const subscription = client.subscribe("foo", { max: 2 });
    for (let number = 0; number < 4; number++) client.publish("foo", `${number}`);
    const messages = [];
    for await (const message of subscription) messages.push(message.string());
    assert.deepEqual(messages, ["0", "1"]);
    await client.close();
  });

export const requestAndReply = () =>
  withServer({}, async (server) => {
    const [service, client] = [await connect({ servers: server.url }), await connect({ servers: server.url })];
    service.subscribe("echo", { callback: (_, message) => message.respond(message.data) });
    await service.flush();
    const numbers = [...Array(100).keys()];
    const answers = await Promise.all(numbers.map((number) => client.request("echo", `${number}`, { timeout: 5000 })));
    assert.deepEqual(answers.map((answer) => Number(answer.string())), numbers);
    const alone = await client.request("echo", "old style", { noMux: true, timeout: 5000 });
    assert.equal(alone.string(), "old style");
    await service.close();
    await client.close();
  });

export const requestMany = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url });
    client.subscribe("poll", { callback: (_, message) => message.respond("one") });
    client.subscribe("poll", { callback: (_, message) => message.respond("two") });
    const answers = [];
    for await (const answer of await client.requestMany("poll", "", { strategy: "count", maxMessages: 2, maxWait: 5000 })) {
      answers.push(answer.string());
    }
    assert.deepEqual(answers.sort(), ["one", "two"]);
    await client.close();
  });

export const noResponders = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url });
    await assert.rejects(client.request("nobody", "", { timeout: 5000 }), (error) =>
      error instanceof NoRespondersError || error.cause instanceof NoRespondersError);
    await client.close();
  });

export const headersTravel = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url });
    const subscription = client.subscribe("foo", { max: 1 });
    const sent = headers();
    sent.append("Flavour", "vanilla");
    sent.append("Flavour", "chocolate");
    client.publish("foo", "hi", { headers: sent });
    const [message] = await take(subscription, 1);
    assert.deepEqual(message.headers.values("Flavour"), ["vanilla", "chocolate"]);
    assert.equal(message.string(), "hi");
    await client.close();
  });

export const drainOfASubscription = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url });
    let count = 0;
    const subscription = client.subscribe("foo", { callback: () => count++ });
    for (let number = 0; number < 50; number++) client.publish("foo");
    await subscription.drain();
    client.publish("foo");
    await client.flush();
    assert.equal(count, 50);
    await client.close();
  });

export const drainOfAConnection = () =>
  withServer({}, async (server) => {
    const [client, other] = [await connect({ servers: server.url }), await connect({ servers: server.url })];
    const replies = other.subscribe("replies", { max: 50 });
    client.subscribe("foo", { callback: () => client.publish("replies") });
    await client.flush();
    await other.flush();
    for (let number = 0; number < 50; number++) other.publish("foo");
    await other.flush();
    await client.drain();
    assert.ok(client.isClosed());
    assert.equal((await take(replies, 50)).length, 50);
    await other.close();
  });

export const reconnect = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url, reconnectTimeWait: 100, maxReconnectAttempts: -1 });
    const subscription = client.subscribe("foo", { max: 1 });
    await client.flush();
    const disconnected = status(client, "disconnect");
    const reconnected = status(client, "reconnect");
    await server.stop();
    await disconnected;
    await server.start();
    await reconnected;
    client.publish("foo", "after");
    const [message] = await take(subscription, 1);
    assert.equal(message.string(), "after");
    await client.close();
  });

export const lameDuck = () =>
  withServer({ config: 'lame_duck_duration: "30s", lame_duck_grace_period: "1s"' }, async (server) => {
    const client = await connect({ servers: server.url });
    const told = status(client, "ldm");
    server.lameDuck();
    await told;
    await client.close();
  });

export const services = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url });
    const framework = new Svcm(client);
    const service = await framework.add({ name: "demo", version: "1.0.0", description: "a demo" });
    service.addEndpoint("echo", { subject: "demo.echo", handler: (_, message) => message.respond(message.data) });
    const other = await connect({ servers: server.url });
    assert.equal((await other.request("demo.echo", "hi", { timeout: 5000 })).string(), "hi");
    const monitor = new Svcm(other).client({ strategy: "count", maxMessages: 1, maxWait: 5000 });
    for (const verb of ["ping", "info", "stats"]) {
      const answers = [];
      for await (const answer of await monitor[verb]("demo")) answers.push(answer);
      assert.equal(answers.length, 1, verb);
      assert.equal(answers[0].name, "demo");
      assert.equal(answers[0].id, service.info().id);
      if (verb === "stats") assert.equal(answers[0].endpoints[0].num_requests, 1);
    }
    await service.stop();
    await other.close();
    await client.close();
  });

export const tlsWorks = () =>
  withServer({ config: `tls { ${tls} }` }, async (server) => {
    const client = await connect({ servers: `localhost:${server.port}`, tls: trust() });
    const subscription = client.subscribe("foo", { max: 1 });
    client.publish("foo", new Uint8Array(100_000));
    const [message] = await take(subscription, 1);
    assert.equal(message.data.length, 100_000);
    await client.close();
    await expectRefused(server, /certificate/, { servers: `localhost:${server.port}`, tls: {} });
  });

export const tlsWithClientCertificate = () =>
  withServer({ config: `tls { ${tls}, ${verify} }` }, async (server) => {
    const servers = `localhost:${server.port}`;
    const client = await connect({ servers, tls: trust("client") });
    await client.flush();
    await client.close();
    await expectRefused(server, /./, { servers, tls: trust("stranger") });
    await expectRefused(server, /./, { servers, tls: trust() });
  });

export const tlsHandshakeFirst = () =>
  withServer({ config: `tls { ${tls}, handshake_first: true }` }, async (server) => {
    const client = await connect({ servers: `localhost:${server.port}`, tls: { ...trust(), handshakeFirst: true } });
    await client.flush();
    await client.close();
  });

export const userAndPassword = () =>
  withServer({ config: "authorization { user: alice, password: secret }" }, async (server) => {
    const client = await connect({ servers: server.url, user: "alice", pass: "secret" });
    await client.flush();
    await client.close();
    await expectRefused(server, /Authorization Violation/i, { user: "alice", pass: "wrong" });
    await expectRefused(server, /Authorization Violation/i);
  });

export const token = () =>
  withServer({ config: "authorization { token: s3cr3t }" }, async (server) => {
    const client = await connect({ servers: server.url, token: "s3cr3t" });
    await client.flush();
    await client.close();
    await expectRefused(server, /Authorization Violation/i, { token: "wrong" });
  });

export const nkeyUser = () =>
  withServer({ config: `authorization { users: [ { nkey: ${nkey} } ] }` }, async (server) => {
    const authenticator = nkeyAuthenticator(new TextEncoder().encode(seed));
    const client = await connect({ servers: server.url, authenticator });
    await client.flush();
    await client.close();
    await expectRefused(server, /Authorization Violation/i);
  });

export const permissionErrors = () =>
  withServer(
    { config: 'authorization { users: [ { user: u, password: p, permissions: { publish: "foo", subscribe: "foo" } } ] }' },
    async (server) => {
      const client = await connect({ servers: server.url, user: "u", pass: "p" });
      const told = status(client, "error");
      client.publish("bar");
      const event = await told;
      assert.ok(event.error instanceof PermissionViolationError, `${event.error}`);
      assert.equal(event.error.operation, "publish");
      assert.equal(event.error.subject, "bar");
      const refused = new Promise((resolve) => client.subscribe("bar", { callback: (error) => resolve(error) }));
      const error = await refused;
      assert.ok(error instanceof PermissionViolationError, `${error}`);
      assert.equal(error.operation, "subscription");
      await client.close();
    },
  );

// The client notices by itself that it does not keep up; the connection stays.
export const slowConsumer = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url });
    const told = status(client, "slowConsumer");
    client.subscribe("foo", { slow: 5 });
    for (let number = 0; number < 20; number++) client.publish("foo");
    await client.flush();
    await told;
    assert.ok(!client.isClosed());
    await client.close();
  });

// A connection that is never read is closed, and others go on.
export const slowConsumerIsDisconnected = () =>
  withServer({ config: "max_pending: 2097152" }, async (server) => {
    const socket = net.connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write('CONNECT {"verbose":false}\r\nSUB foo 1\r\n');
    socket.pause();
    const client = await connect({ servers: server.url });
    for (let number = 0; number < 100; number++) {
      client.publish("foo", new Uint8Array(500_000));
      await client.flush();
    }
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.resume();
    await closed;
    await client.flush();
    await client.close();
  });

export const largePayloads = () =>
  withServer({}, async (server) => {
    const client = await connect({ servers: server.url });
    const sizes = [0, 1, 65_535, 65_536, 1_048_576];
    const subscription = client.subscribe("foo", { max: sizes.length });
    for (const size of sizes) client.publish("foo", new Uint8Array(size));
    const messages = await take(subscription, sizes.length);
    assert.deepEqual(messages.map((message) => message.data.length), sizes);
    assert.throws(() => client.publish("foo", new Uint8Array(1_048_577)), /max_payload|payload/i);
    await client.close();
  });

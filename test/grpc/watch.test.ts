import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import { expect } from "chai";
import { failure, type Outcome, type Verifier } from "../../src/contract/verifier.js";
import type { WatchEvent, WatchedRealm, WatchSource } from "../../src/contract/watch.js";
import { createServer, type ServiceLimits } from "../../src/grpc/server.js";
import { failureFromStatus } from "../../src/wire/status.js";
import { afterEachFile } from "../support/after-file.js";
import { eventually } from "../support/replicas.js";
import { LIMITS, NOW, type TestClient, testClient } from "./harness.js";

const ANYONE = failure("TOKEN_EMPTY");
const mark = (letter: string): string => Buffer.alloc(16, letter).toString("base64url");
const position = (number: number, letter = "m") => ({ number, mark: mark(letter) });
/** A position as the client's messages have it. */
const wire = (number: number, letter = "m") => ({ number, mark: Buffer.alloc(16, letter) });

const REALM: WatchedRealm = {
  isOpen: true,
  version: Buffer.alloc(8, "v").toString("base64url"),
  trustedKeys: [Buffer.alloc(16, "k").toString("base64url")],
  usesDirectory: true,
  keysNamed: (name) => (name === "kid" ? REALM.trustedKeys : []),
};

/** A source whose events the test makes. */
class TestSource implements WatchSource {
  readonly known = new Map<string, WatchedRealm>([
    ["r", REALM],
    ["closed", { ...REALM, isOpen: false }],
  ]);
  at = position(10);
  age = 40;
  #listeners: ((event: WatchEvent) => void)[] = [];

  onChange(listener: (event: WatchEvent) => void): () => void {
    this.#listeners.push(listener);
    return () => {};
  }
  position = () => this.at;
  feedAge = () => this.age;
  realm = (name: string) => this.known.get(name);
  realms = () => [...this.known.keys()];
  digestRoot = () => Buffer.alloc(32, 1);

  /** Applies events, and moves on to the next position. */
  emit(...events: WatchEvent[]): void {
    this.at = position(this.at.number + 1);
    for (const one of [...events, { kind: "position", position: this.at } as const]) {
      for (const listener of this.#listeners) listener(one);
    }
  }
}

const revoked = (...values: string[]): WatchEvent => ({
  kind: "revoked",
  realm: "r",
  selectors: values.map((value) => ({ kind: "jti", value })),
  issuedBefore: null,
});

const keyed = (value: string): WatchEvent => ({
  kind: "revoked",
  realm: "r",
  selectors: [{ kind: "key", value }],
  issuedBefore: null,
});

/** A client's watch, and what it was told. */
class TestWatch {
  readonly stream: ClientDuplexStream<object, any>;
  readonly messages: any[] = [];
  error: ServiceError | undefined;
  hasEnded = false;
  #pings = 0;

  constructor({ raw }: TestClient, open: object | null = { realm: "r" }) {
    this.stream = raw["WatchChanges"]() as ClientDuplexStream<object, any>;
    this.stream.on("data", (message) => this.messages.push(message));
    this.stream.on("error", (error: ServiceError) => {
      this.error = error;
    });
    this.stream.on("end", () => {
      this.hasEnded = true;
    });
    if (open !== null) this.stream.write({ open });
  }

  /** The kinds of the messages so far, in order. */
  get kinds(): string[] {
    return this.messages.map(({ message }) => message);
  }

  /** Sends a ping and waits for its answer. @returns the answer's message */
  async ping(): Promise<any> {
    const ping = ++this.#pings;
    this.stream.write({ ping });
    await eventually(() => this.messages.some(({ pong }) => pong?.ping === ping));
    return this.messages.at(-1);
  }

  async failure(): Promise<ReturnType<typeof failureFromStatus>> {
    await eventually(() => this.error !== undefined);
    return failureFromStatus(this.error ?? {});
  }
}

interface Served {
  readonly source: TestSource;
  readonly client: TestClient;
  readonly server: ReturnType<typeof createServer>;
  open(message?: object): TestWatch;
}

const running: Served[] = [];
afterEachFile(() =>
  Promise.all(
    running.splice(0).map(({ client, server }) => {
      client.raw.close();
      return server.close(0);
    }),
  ),
);

async function serve(verify: Verifier["verify"] = () => ANYONE, limits: Partial<ServiceLimits> = {}): Promise<Served> {
  const source = new TestSource();
  const server = createServer({
    limits: { ...LIMITS, ...limits },
    calls: {
      verifier: { verify },
      clock: () => NOW,
      observer: { ended: () => {}, fault: () => {} },
      addressOf: (peer) => peer,
    },
    watch: source,
  });
  const client = testClient(await server.listen("127.0.0.1:0"));
  const served: Served = { source, client, server, open: (message) => new TestWatch(client, message) };
  running.push(served);
  return served;
}

describe("WatchChanges", () => {
  it("a watch begins with what verdicts rest on, and with the keys of digests", async () => {
    const { open } = await serve();
    const watch = open();
    await watch.ping();
    const [{ position: at, opened }] = watch.messages;
    expect(at).to.deep.equal(wire(10));
    expect(opened.resumed ?? false).to.equal(false);
    expect(opened.realmVersion).to.deep.equal(Buffer.alloc(8, "v"));
    expect(opened.trustedKeys).to.deep.equal([Buffer.alloc(16, "k")]);
    expect(opened.digestKeys.map(({ key }: { key: Buffer }) => key.length)).to.include(32);
  });

  it("the answer to a ping follows all changes, and has the age of the feed", async () => {
    const { source, open } = await serve();
    const watch = open();
    await watch.ping();
    source.emit(revoked("a"));
    source.emit({ kind: "subjects", selectors: [{ kind: "subject", value: "jane" }] }, revoked("b"));
    const answer = await watch.ping();
    expect(watch.kinds).to.deep.equal(["opened", "pong", "revoked", "subjectChanged", "revoked", "pong"]);
    expect(answer.position).to.deep.equal(wire(12));
    expect(answer.pong.feedAge.nanos).to.equal(40_000_000);
  });

  it("keys and settings that change are told before the next ping is answered", async () => {
    const { source, open } = await serve();
    const watch = open();
    await watch.ping();
    source.known.set("r", { ...REALM, version: Buffer.alloc(8, "w").toString("base64url"), trustedKeys: [] });
    await watch.ping();
    expect(watch.kinds).to.deep.equal(["opened", "pong", "realmChanged", "keysChanged", "pong"]);
    expect(watch.messages[2].realmChanged.realmVersion).to.deep.equal(Buffer.alloc(8, "w"));
  });

  it("a revoked key is named as verdicts name it, and one that the realm does not have is not told", async () => {
    const { source, open } = await serve();
    const watch = open();
    await watch.ping();
    source.emit(keyed("kid"), keyed("gone"));
    await watch.ping();
    expect(watch.kinds).to.deep.equal(["opened", "pong", "revoked", "pong"]);
    const [selector] = watch.messages[2].revoked.selectors;
    expect(selector).to.deep.equal({ kind: "SELECTOR_KIND_KEY", digest: Buffer.alloc(16, "k") });
  });

  it("the digests of one day are the same at every service of the store, and do not tell the value", async () => {
    const told = await Promise.all(
      [await serve(), await serve()].map(async ({ source, open }) => {
        const watch = open();
        await watch.ping();
        source.emit(revoked("secret-id"));
        await watch.ping();
        return watch.messages[2].revoked.selectors[0].digest as Buffer;
      }),
    );
    expect(told[0]).to.deep.equal(told[1]).and.to.have.length(16);
    expect(told[0]?.toString("latin1")).not.to.include("secret");
  });

  it("a client that goes on after a position gets the changes since then", async () => {
    const { source, open } = await serve();
    source.emit(revoked("a"));
    source.emit(revoked("b"));
    const watch = open({ realm: "r", resumeAfter: wire(11) });
    await watch.ping();
    expect(watch.messages[0].opened.resumed).to.equal(true);
    expect(watch.messages[0].position).to.deep.equal(wire(11));
    expect(watch.kinds).to.deep.equal(["opened", "revoked", "pong"]);
    expect(watch.messages[1].position).to.deep.equal(wire(12));
  });

  it("a client that is ahead of the service goes on once the service has caught up", async () => {
    const { source, open } = await serve();
    const watch = open({ realm: "r", resumeAfter: wire(11) });
    source.emit(revoked("a"));
    await watch.ping();
    expect(watch.messages[0].opened.resumed).to.equal(true);
    expect(watch.kinds).to.deep.equal(["opened", "pong"]);
  });

  for (const [what, after] of Object.entries({
    "of another history": wire(10, "o"),
    "from before the service began": wire(3),
  })) {
    it(`a client that would go on after a position ${what} has to drop everything`, async () => {
      const { open } = await serve();
      const watch = open({ realm: "r", resumeAfter: after });
      await watch.ping();
      expect(watch.messages[0].opened.resumed ?? false).to.equal(false);
      expect(watch.messages[0].position).to.deep.equal(wire(10));
    });
  }

  it("no client goes on after a position from before a reset", async () => {
    const { source, open } = await serve();
    source.emit({ kind: "reset" });
    const watch = open({ realm: "r", resumeAfter: wire(10) });
    await watch.ping();
    expect(watch.messages[0].opened.resumed ?? false).to.equal(false);
  });

  const REFUSALS: Readonly<Record<string, readonly [open: object, reason: string, status: number, outcome?: Outcome]>> =
    {
      "an unknown realm": [{ realm: "none" }, "REALM_UNKNOWN", 5, failure("REALM_UNKNOWN")],
      "a caller without a credential": [{ realm: "r" }, "CALLER_MISSING", 16, failure("CALLER_MISSING")],
      "an unknown caller": [{ realm: "r", instanceSecretKey: "x" }, "CALLER_UNKNOWN", 16, failure("CALLER_UNKNOWN")],
      "a guesser": [{ realm: "r", instanceSecretKey: "x" }, "RATE_LIMITED", 8, failure("RATE_LIMITED")],
      "a realm that may not be watched": [{ realm: "closed" }, "WATCH_DENIED", 7],
    };
  for (const [what, [open, reason, status, outcome]] of Object.entries(REFUSALS)) {
    it(`${what} is refused with ${reason}`, async () => {
      const served = await serve(() => outcome ?? ANYONE);
      const watch = served.open(open);
      expect((await watch.failure()).reason).to.equal(reason);
      expect(watch.error?.code).to.equal(status);
      expect(served.server.watches()?.refused).to.deep.equal({ [reason]: 1 });
    });
  }

  it("a first message that opens nothing, and a second opening, are refused", async () => {
    const { client, open } = await serve();
    const silent = new TestWatch(client, null);
    silent.stream.write({ ping: 1 });
    expect((await silent.failure()).reason).to.equal("WATCH_NOT_OPENED");
    const twice = open();
    twice.stream.write({ open: { realm: "r" } });
    expect((await twice.failure()).reason).to.equal("WATCH_NOT_OPENED");
  });

  it("one watch more than limits.watches is refused for some seconds, and has its place once another ends", async () => {
    const { server, open } = await serve(() => ANYONE, { watches: 1 });
    const first = open();
    await first.ping();
    const refused = await open().failure();
    expect(refused).to.include({ reason: "TOO_MANY_WATCHES", retryAfter: 5_000 });
    first.stream.end();
    await eventually(() => server.watches()?.open === 0);
    await open().ping();
  });

  it("a connection may have half of its calls as watches", async () => {
    const { open } = await serve(() => ANYONE, { watches: 10_000 });
    const watches = Array.from({ length: 500 }, () => open());
    await Promise.all(watches.map((watch) => watch.ping()));
    expect((await open().failure()).reason).to.equal("TOO_MANY_WATCHES");
  });

  it("a watch ends once its caller is no longer good: at a change of callers, and at the next ping", async () => {
    for (const event of [true, false]) {
      let outcome: Outcome = ANYONE;
      const { source, open } = await serve(() => outcome);
      const watch = open();
      await watch.ping();
      outcome = failure("CALLER_UNKNOWN");
      if (event) source.emit({ kind: "callers" });
      else watch.stream.write({ ping: 99 });
      expect((await watch.failure()).reason).to.equal("CALLER_UNKNOWN");
    }
  });

  it("while it is not known whether the caller is good, pings wait, and the watch stays open", async () => {
    let outcome: Outcome = ANYONE;
    const { open } = await serve(() => outcome);
    const watch = open();
    await watch.ping();
    outcome = failure("DIRECTORY_UNAVAILABLE");
    watch.stream.write({ ping: 50 });
    outcome = await new Promise<Outcome>((resolve) => setImmediate(() => resolve(ANYONE)));
    const answer = await watch.ping();
    expect(answer.pong.ping).to.equal(2);
    expect(watch.error).to.equal(undefined);
  });

  it("a watcher that reads too slowly is told to drop everything, and goes on from there", async () => {
    const { source, server, open } = await serve();
    const watch = open();
    await watch.ping();
    watch.stream.pause();
    const marks = Array.from({ length: 1_000 }, (_, index) => Buffer.alloc(16, `key ${index}`).toString("base64url"));
    source.known.set("r", { ...REALM, keysNamed: (name) => (name === "many" ? marks : REALM.trustedKeys) });
    // What fills the connection, and then more changes than the service keeps.
    for (let round = 0; round < 50; round++) source.emit(keyed("many"));
    await eventually(() => (server.watches()?.sent ?? 0) > 0);
    for (let round = 0; round < 10_001; round++) source.emit(keyed("kid"));
    watch.stream.resume();
    const answer = await watch.ping();
    expect(watch.kinds.filter((kind) => kind === "reset")).to.have.length(1);
    expect(watch.kinds.length).to.be.below(100);
    expect(answer.position).to.deep.equal(wire(source.at.number));
    expect(server.watches()?.resets).to.equal(1);
  });

  it("a service that shuts down ends its watches with a delay before they connect again", async () => {
    const { server, open } = await serve();
    const watches = [open(), open()];
    await Promise.all(watches.map((watch) => watch.ping()));
    server.retire(10);
    for (const watch of watches) {
      const failed = await watch.failure();
      expect(failed.reason).to.equal("SHUTTING_DOWN");
      expect(failed.retryAfter).to.be.within(0, 1_000);
    }
  });

  it("a client that ends its side ends the watch in good order", async () => {
    const { open } = await serve();
    const watch = open();
    await watch.ping();
    watch.stream.end();
    await eventually(() => watch.hasEnded);
    expect(watch.error).to.equal(undefined);
  });
});

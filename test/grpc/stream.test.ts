import http2 from "node:http2";
import net from "node:net";
import { status } from "@grpc/grpc-js";
import { expect } from "chai";
import { StreamVerifyTokensRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { failure, type Outcome } from "../../src/contract/verifier.js";
import { MAX_UNDER_WAY } from "../../src/grpc/limits.js";
import { failureFromStatus } from "../../src/wire/status.js";
import { type Asked, collect, deferred, eventually, REJECTED, start, type TestClient, VERIFIED } from "./harness.js";
import { frame, grpcRequest } from "./raw.js";

const message = (id: string, ...tokens: string[]) => ({ id, requests: tokens.map((token) => ({ realm: "r", token })) });
const encodeStreamRequest = (token: string, id = token) =>
  StreamVerifyTokensRequest.encode({
    id,
    requests: [{ realm: "r", token, caller: undefined, explain: false, proof: undefined }],
  }).finish();

/** Resolves once the server has taken a unary call on this client's connection, after everything sent before it. */
async function unaryBehind(client: TestClient, asked: readonly Asked[]): Promise<void> {
  const before = asked.length;
  client.raw["VerifyToken"]({ realm: "unary", token: "t" }, () => undefined);
  await eventually(() => asked.length > before);
}
const next = (stream: NodeJS.EventEmitter) => new Promise<any>((resolve) => stream.once("data", resolve));

describe("StreamVerifyTokens", () => {
  it("each message of a stream is answered by its id, and the stream ends when the caller ends it", async () => {
    const { client } = await start(({ token }) => (token.reveal() === "bad" ? REJECTED : VERIFIED));
    const stream = client.stream({ "x-request-id": "id-1" });
    const all = collect(stream);
    for (let index = 0; index < 100; index++) stream.write(message(`m${index}`, "a", "bad"));
    stream.end();
    const { messages, status: ended } = await all;
    expect(ended.code).to.equal(status.OK);
    expect(ended.metadata.get("x-request-id")).to.deep.equal(["id-1"]);
    expect(messages.map(({ id }) => id)).to.have.members(Array.from({ length: 100 }, (_, i) => `m${i}`));
    for (const { responses } of messages) {
      expect(responses.map((item: any) => item.verdict.verdict)).to.deep.equal(["verified", "rejected"]);
    }
  });

  it("a slow message of a stream does not hold up the next", async () => {
    const slow = deferred<Outcome>();
    const { client } = await start(({ token }) => (token.reveal() === "slow" ? slow.promise : VERIFIED));
    const stream = client.stream();
    const first = next(stream);
    stream.write(message("1", "slow"));
    stream.write(message("2", "fast"));
    expect((await first).id).to.equal("2");
    const second = next(stream);
    slow.resolve(VERIFIED);
    expect((await second).id).to.equal("1");
    stream.end();
    expect((await collect(stream)).status.code).to.equal(status.OK);
  });

  it("answers under way arrive after the caller has ended the stream", async () => {
    const slow = deferred<Outcome>();
    const { client } = await start(() => slow.promise);
    const stream = client.stream();
    const all = collect(stream);
    stream.end(message("1", "slow"));
    slow.resolve(VERIFIED);
    const { messages, status: ended } = await all;
    expect(messages).to.have.length(1);
    expect(ended.code).to.equal(status.OK);
  });

  it("a slow message of a stream times out on its own, and the others are answered", async () => {
    const { client } = await start(
      ({ token }) => (token.reveal() === "slow" ? new Promise(() => undefined) : VERIFIED),
      { request: 20 },
    );
    const stream = client.stream();
    const all = collect(stream);
    stream.write(message("1", "slow", "a"));
    stream.end(message("2", "a"));
    const { messages } = await all;
    const [one, two] = ["1", "2"].map((id) => messages.find((answer) => answer.id === id));
    expect(one.responses.map((item: any) => item.outcome)).to.deep.equal(["error", "verdict"]);
    expect(two.responses[0].outcome).to.equal("verdict");
  });

  it("a fault in one message of a stream does not affect the others", async () => {
    const { client, faults } = await start(({ token }) => {
      if (token.reveal() === "throws") throw new Error("no");
      return VERIFIED;
    });
    const stream = client.stream();
    const all = collect(stream);
    stream.write(message("1", "throws"));
    stream.end(message("2", "a"));
    const { messages, status: ended } = await all;
    expect(ended.code).to.equal(status.OK);
    expect(messages.find(({ id }) => id === "1").responses[0].error.reason).to.equal("ERROR_REASON_INTERNAL");
    expect(messages.find(({ id }) => id === "2").responses[0].outcome).to.equal("verdict");
    expect(faults).to.have.length(1);
  });

  describe("a message that ends the stream", () => {
    const callers = Array.from({ length: 9 }, (_, index) => ({ token: "t", instanceSecretKey: `k${index}` }));
    const cases = {
      BATCH_TOO_LARGE: message("2", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"),
      TOO_MANY_CALLERS: { id: "2", requests: callers },
      ID_TOO_LONG: message("é".repeat(65), "a"),
    } as const;
    for (const reason of Object.keys(cases) as (keyof typeof cases)[]) {
      it(`a message that is ${reason} ends the stream with a status, after the answers under way`, async () => {
        const slow = deferred<Outcome>();
        const { client, refused } = await start(() => slow.promise, { batch: 9 });
        const stream = client.stream();
        const all = collect(stream);
        stream.write(message("1", "slow"));
        stream.write(cases[reason]);
        stream.write(message("3", "never read"));
        const { client: other } = await start(() => VERIFIED);
        await other.call("VerifyToken", { token: "t" });
        slow.resolve(VERIFIED);
        const { messages, status: ended } = await all;
        expect(messages.map(({ id }) => id)).to.deep.equal(["1"]);
        expect(failureFromStatus(ended)).to.deep.equal(failure(reason));
        expect(refused).to.deep.equal([`StreamVerifyTokens ${reason}`]);
      });
    }
  });

  it("the server admits as many streams as configured, and another once one has ended", async () => {
    const { client } = await start(() => VERIFIED, { streams: 1 });
    const first = client.stream();
    const answered = next(first);
    first.write(message("1", "a"));
    await answered;
    const refused = await collect(client.stream());
    expect(failureFromStatus(refused.status)).to.deep.equal(failure("TOO_MANY_STREAMS"));
    const ended = collect(first);
    first.end();
    await ended;
    const third = client.stream();
    const all = collect(third);
    third.end(message("3", "a"));
    expect((await all).messages).to.have.length(1);
  });

  it("one address gets three quarters of the streams, and other addresses the rest", async () => {
    const { address, client } = await start(() => VERIFIED, { streams: 16 }, "0.0.0.0:0");
    const port = address.split(":").at(-1);
    const others = http2.connect(`http://127.0.0.1:${port}`, {
      createConnection: () => net.connect({ port: Number(port), host: "127.0.0.1", localAddress: "127.0.0.2" }),
    });
    const answered = async (open: NodeJS.EventEmitter & { write(what: object): unknown }, what: object) => {
      const answer = next(open);
      open.write(what);
      await answer;
    };
    try {
      for (let index = 0; index < 12; index++) await answered(client.stream(), message("1", "a"));
      const { status: ended } = await collect(client.stream());
      expect(failureFromStatus(ended)).to.deep.equal(failure("TOO_MANY_STREAMS"));
      for (let index = 0; index < 4; index++) {
        await answered(grpcRequest(others, "StreamVerifyTokens"), frame(encodeStreamRequest("a")));
      }
    } finally {
      others.destroy();
    }
  });

  it("a cancelled stream gives back its place", async () => {
    const { client } = await start(() => VERIFIED, { streams: 1 });
    const first = client.stream();
    const [answered, ended] = [next(first), collect(first)];
    first.write(message("1", "a"));
    await answered;
    first.cancel();
    await ended;
    // The server learns of the cancellation a little later.
    for (;;) {
      const second = client.stream();
      const all = collect(second);
      second.end(message("2", "a"));
      const { messages, status: ending } = await all;
      if (ending.code === status.RESOURCE_EXHAUSTED) continue;
      expect(messages).to.have.length(1);
      break;
    }
  });

  it("a stream is read no further than it can be answered", async () => {
    const late = deferred<Outcome>();
    const { client, asked } = await start(() => late.promise);
    const stream = client.stream();
    const all = collect(stream);
    for (let index = 0; index < 200; index++) stream.write(message(`m${index}`, `t${index}`));
    stream.end();
    // This call is on the same connection, behind all of these messages.
    await eventually(() => asked.length >= MAX_UNDER_WAY);
    const unary = client.call("VerifyToken", { realm: "unary", token: "t" });
    await eventually(() => asked.some(({ request }) => request.realm === "unary"));
    expect(asked.filter(({ request }) => request.realm === "r")).to.have.length(MAX_UNDER_WAY);
    late.resolve(VERIFIED);
    await unary;
    expect((await all).messages).to.have.length(200);
  });

  it("a stream is read no further than the byte limit of one message, however many messages that is", async () => {
    const late = deferred<Outcome>();
    const { client, asked } = await start(() => late.promise, { message: 10_000 });
    const stream = client.stream();
    const all = collect(stream);
    for (let index = 0; index < 10; index++) stream.write(message(`m${index}`, `${index}`.repeat(6000)));
    stream.end();
    await eventually(() => asked.length >= 2);
    for (let turn = 0; turn < 20; turn++) await unaryBehind(client, asked);
    expect(asked.filter(({ request }) => request.realm === "r")).to.have.length(2);
    late.resolve(VERIFIED);
    expect((await all).messages).to.have.length(10);
  });

  it("a stream holds one message more than those under way, and no queue", async () => {
    const size = 100_000;
    const { address, asked, client } = await start(() => new Promise(() => undefined), { message: size });
    const caller = http2.connect(`http://${address}`);
    const request = grpcRequest(caller, "StreamVerifyTokens");
    const one = frame(encodeStreamRequest("x".repeat(size - 200), "m"));
    let accepted = 0;
    const send = (): unknown =>
      request.write(one, (error) => {
        if (error) return;
        accepted++;
        send();
      });
    send();
    await eventually(() => asked.length >= 2);
    for (let turn = 0; turn < 100; turn++) await unaryBehind(client, asked);
    // Two messages are under way, one is held, and the rest fit into the window.
    expect(accepted).to.be.within(2, 5);
    caller.destroy();
  });

  it("a stream is read no further while its answers are not read", async () => {
    const large = { ...VERIFIED, token: { ...VERIFIED.token, payload: "x".repeat(100_000) } };
    const { client, asked, address } = await start(() => large);
    const caller = http2.connect(`http://${address}`);
    const request = grpcRequest(caller, "StreamVerifyTokens");
    for (let index = 0; index < 500; index++) request.write(frame(encodeStreamRequest(`m${index}`)));
    // The first answers fill the unread window of 64 KiB, and then nothing moves, however long the test waits.
    await eventually(() => asked.length > 0);
    for (let turn = 0; turn < 200; turn++) await client.call("VerifyToken", { realm: "unary", token: "t" });
    expect(asked.filter(({ request }) => request.realm === "r").length).to.be.lessThan(2 * MAX_UNDER_WAY + 5);
    caller.destroy();
  });
});

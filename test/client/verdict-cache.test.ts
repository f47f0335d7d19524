import { EventEmitter } from "node:events";
import { expect } from "chai";
import type { WatchChangesRequest, WatchChangesResponse } from "../../gen/tokenverifier/v1/token_verifier.js";
import { forwardClock, VerdictCache } from "../../src/client/verdict-cache.js";
import type { ChangeStream } from "../../src/client/watch.js";
import type { Outcome } from "../../src/contract/verifier.js";
import { failure } from "../../src/contract/verifier.js";
import { failureToStatus } from "../../src/wire/status.js";
import { NOW, VERIFIED } from "../grpc/harness.js";

const MARK = Buffer.alloc(16, "m");
const POSITION = { number: 5n, mark: MARK };
const [KEY, VERSION] = [Buffer.alloc(16, "k"), Buffer.alloc(8, "v")];

/** The evidence of a service at the watch's position. */
const GOOD: Outcome = {
  ...VERIFIED,
  evidence: {
    ...VERIFIED.evidence,
    position: { number: 5, mark: MARK.toString("base64url") },
    trustedKey: KEY.toString("base64url"),
    realmVersion: VERSION.toString("base64url"),
    cacheableUntil: { seconds: 2_000, nanos: 0 },
    evaluatedAt: 1_000_000,
    feedAge: 10,
  },
};

/** A stream whose service is the test. */
class TestStream extends EventEmitter {
  readonly sent: WatchChangesRequest[] = [];
  isCancelled = false;
  write(message: WatchChangesRequest): boolean {
    this.sent.push(message);
    return true;
  }
  cancel(): void {
    this.isCancelled = true;
  }
  tell(message: NonNullable<WatchChangesResponse["message"]>, position = POSITION): void {
    this.emit("data", { position, message } satisfies WatchChangesResponse);
  }
  open(resumed = false): void {
    const digestKeys = [{ id: 1, key: Buffer.alloc(32, "d") }];
    this.tell({ $case: "opened", value: { resumed, realmVersion: VERSION, trustedKeys: [KEY], digestKeys } });
  }
  /** Answers the last ping. */
  pong(): void {
    const ping = this.sent.findLast(({ message }) => message?.$case === "ping")?.message?.value as bigint;
    this.tell({ $case: "pong", value: { ping, feedAge: undefined } });
  }
}

/** A cache with its streams, timers and clock in the test's hands. */
function makeCache() {
  const streams: TestStream[] = [];
  const timers = new Set<{ readonly at: number; readonly run: () => void }>();
  let now = NOW;
  const cache = new VerdictCache(
    { maxStaleness: 2_000 },
    {
      channel: {
        watch: () => {
          const stream = new TestStream();
          streams.push(stream);
          return stream as unknown as ChangeStream;
        },
      },
      clock: () => now,
      after: (millis, run) => {
        const timer = { at: now + millis, run };
        timers.add(timer);
        return () => timers.delete(timer);
      },
    },
  );
  const asked: ((outcome: Outcome) => void)[] = [];
  const verify = (token: string, deadline = Number.POSITIVE_INFINITY) =>
    cache.verify({ realm: "r", token, caller: undefined, explain: false, proof: undefined }, deadline, async () => ({
      outcome: await new Promise<Outcome>((resolve) => asked.push(resolve)),
      requestId: "",
    }));
  return {
    cache,
    streams,
    asked,
    verify,
    wait(millis: number): void {
      now += millis;
      for (const timer of [...timers].sort((a, b) => a.at - b.at)) {
        if (timer.at > now || !timers.delete(timer)) continue;
        timer.run();
      }
    },
    async learn(token: string): Promise<void> {
      const answer = verify(token);
      asked.shift()?.(GOOD);
      await answer;
    },
  };
}

/** Lets what is settled be noticed. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the client's cache and its watch", () => {
  it("while no service is heard, 64 calls ask again at a time, and the others are answered once one is", async () => {
    const { cache, streams, asked, verify, wait, learn } = makeCache();
    const first = verify("t0");
    streams[0]?.open();
    streams[0]?.pong();
    asked.shift()?.(GOOD);
    await first;
    for (let n = 0; n < 200; n++) await learn(`t${n}`);
    expect(cache.statistics().entries).to.equal(200);
    wait(1_500);
    wait(1_500);
    const answers = Array.from({ length: 200 }, (_, n) => verify(`t${n}`));
    await turn();
    expect(asked).to.have.length(64);
    streams[0]?.pong();
    await turn();
    for (const answer of asked.splice(0)) answer(GOOD);
    expect((await Promise.all(answers)).every(({ outcome }) => outcome.kind === "verified")).to.equal(true);
    expect(cache.statistics()).to.include({ suspended: 64, entries: 200 });
  });

  it("a call that waits for its turn ends at its deadline", async () => {
    const { streams, asked, verify, wait, learn } = makeCache();
    void verify("t0");
    streams[0]?.open();
    streams[0]?.pong();
    asked.shift()?.(GOOD);
    for (let n = 0; n < 65; n++) await learn(`t${n}`);
    wait(3_000);
    for (let n = 0; n < 64; n++) void verify(`t${n}`);
    await turn();
    const { outcome } = await verify("t64", NOW);
    expect(outcome).to.have.property("reason", "TIMED_OUT");
  });

  it("a stream that ends is opened again after its position; one whose caller is refused drops everything", async () => {
    const { cache, streams, asked, verify, wait } = makeCache();
    const first = verify("t");
    streams[0]?.open();
    streams[0]?.pong();
    asked.shift()?.(GOOD);
    await first;
    streams[0]?.emit("error", failureToStatus(failure("SHUTTING_DOWN")));
    wait(200);
    expect(streams[1]?.sent[0]?.message).to.have.nested.property("value.resumeAfter").that.deep.equals(POSITION);
    streams[1]?.open(true);
    expect((await verify("t")).outcome.kind).to.equal("verified");
    expect(cache.statistics()).to.include({ hits: 1, entries: 1 });
    streams[1]?.emit("error", failureToStatus(failure("CALLER_UNKNOWN")));
    expect(cache.statistics().entries).to.equal(0);
    wait(59_000);
    expect(streams).to.have.length(2);
    wait(1_000);
    expect(streams).to.have.length(3);
  });

  it("a stream without an answer for 15 s is given up, and a message of a later version drops everything", async () => {
    const { cache, streams, asked, verify, wait } = makeCache();
    const first = verify("t");
    streams[0]?.open();
    streams[0]?.pong();
    asked.shift()?.(GOOD);
    await first;
    streams[0]?.emit("data", { position: POSITION, message: undefined });
    expect(cache.statistics().entries).to.equal(0);
    for (let second = 0; second < 17; second++) wait(1_000);
    expect(streams[0]?.isCancelled).to.equal(true);
    expect(streams.length).to.equal(2);
    cache.close();
    expect(streams[1]?.isCancelled).to.equal(true);
  });

  it("a change with an unknown key of digests drops everything, and the watch is opened again for its key", async () => {
    const { cache, streams, asked, verify, wait } = makeCache();
    const first = verify("t");
    streams[0]?.open();
    streams[0]?.pong();
    asked.shift()?.(GOOD);
    await first;
    streams[0]?.tell({ $case: "revoked", value: { selectors: [], issuedBefore: undefined, digestKey: 7 } });
    expect(cache.statistics().entries).to.equal(0);
    wait(0);
    expect(streams).to.have.length(2);
  });

  it("the clock of a cache never goes back, and goes on while the monotonic one stands still", () => {
    let [wall, monotonic] = [1_000, 50];
    const clock = forwardClock(
      () => wall,
      () => monotonic,
    );
    const read = (newWall: number, newMonotonic: number): number => {
      [wall, monotonic] = [newWall, newMonotonic];
      return clock();
    };
    expect(read(1_010, 60)).to.equal(10);
    expect(read(0, 70), "the wall clock was set back").to.equal(20);
    expect(read(3_600_000, 80), "the machine slept").to.equal(3_600_020);
  });
});

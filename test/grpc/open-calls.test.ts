import { expect } from "chai";
import { type LastingCall, OpenCalls } from "../../src/grpc/open-calls.js";
import type { Connection } from "../../src/net/http2/connections.js";

/** Lasting calls on a clock that the test moves, and what became of them. */
function rig() {
  const timers: { at: number; run: () => void; cancelled: boolean }[] = [];
  const calls = new OpenCalls((millis, run) => {
    const timer = { at: millis, run, cancelled: false };
    timers.push(timer);
    return () => {
      timer.cancelled = true;
    };
  });
  const ended: string[] = [];
  const waits: number[] = [];
  const add = (name: string, kind: LastingCall["kind"], connection?: Connection) =>
    calls.add({
      kind,
      connection,
      end: (retryAfter) => {
        ended.push(name);
        waits.push(retryAfter);
      },
    });
  const passTo = (time: number): void => {
    const due = timers.filter(({ at, cancelled }) => !cancelled && at <= time).sort((a, b) => a.at - b.at);
    for (const timer of due) {
      timer.cancelled = true;
      timer.run();
    }
  };
  return { calls, ended, waits, add, passTo };
}

describe("OpenCalls", () => {
  it("endAll ends each open call once, and none that has already ended", () => {
    const { calls, ended, add } = rig();
    add("a", "tokens");
    add("b", "tokens")();
    calls.endAll();
    calls.endAll();
    expect(ended).to.deep.equal(["a"]);
    expect(calls.size).to.equal(0);
  });

  it("a call added after endAll is ended at once", () => {
    const { calls, ended, add } = rig();
    calls.endAll();
    add("late", "tokens")();
    expect(ended).to.deep.equal(["late"]);
  });

  it("endOver ends watchers of changes in the first half of the delay, token streams in the second, and probes never", () => {
    const { calls, ended, add, passTo } = rig();
    for (const name of ["t1", "t2"]) add(name, "tokens");
    for (const name of ["c1", "c2"]) add(name, "changes");
    add("probe", "probes");
    calls.endOver(4000);
    const after = [0, 1000, 2000, 3000, 4000].map((time) => {
      passTo(time);
      return ended.length;
    });
    expect(ended).to.deep.equal(["c1", "c2", "t1", "t2"]);
    expect(after, "ended after each second").to.deep.equal([1, 2, 3, 4, 4]);
    expect(calls.size).to.equal(1);
  });

  it("endOver leaves alone what has ended or was added meanwhile, and endAll ends all before their time", () => {
    const { calls, ended, add, passTo } = rig();
    add("gone", "changes")();
    add("open", "tokens");
    calls.endOver(10_000);
    add("late", "changes");
    passTo(4999);
    expect(ended).to.deep.equal([]);
    calls.endAll();
    expect(ended).to.deep.equal(["open", "late"]);
    passTo(10_000);
    expect(ended).to.have.length(2);
  });

  it("endOf ends the calls of one connection", () => {
    const { calls, ended, add } = rig();
    const [old, young] = [{}, {}] as [Connection, Connection];
    add("old", "tokens", old);
    add("young", "tokens", young);
    add("over", "tokens");
    calls.endOf(old);
    expect(ended).to.deep.equal(["old"]);
  });

  it("ended clients are told to wait different times of up to five seconds", () => {
    const { calls, waits, add } = rig();
    for (let call = 0; call < 100; call++) add("one", "changes");
    calls.endAll();
    expect(waits.every((wait) => wait >= 0 && wait <= 5000)).to.equal(true);
    expect(new Set(waits)).to.have.length.above(50);
  });
});

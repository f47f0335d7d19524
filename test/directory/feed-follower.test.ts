import { expect } from "chai";
import type { Directory } from "../../src/directory/directory.js";
import { DirectoryError } from "../../src/directory/errors.js";
import { type FeedEvent, FeedFollower } from "../../src/directory/feed-follower.js";
import { applyTo, Bench, headOf, NOW, putClient, putInstance, refusal, revoke, type TestCommand } from "./support.js";

describe("the feed follower", () => {
  let bench: Bench;
  let directory: Directory;
  let events: FeedEvent[];
  let follower: FeedFollower;
  let fails: DirectoryError | undefined;

  const apply = (...commands: readonly TestCommand[]) => applyTo(directory, ...commands);
  /** Returns and clears a short form of the events so far: the numbers of changes, or the kind of an event. */
  const seen = () =>
    events.splice(0).map((event) => {
      if (event.kind === "changes") return event.changes.map(({ kind, number }) => `${number} ${kind}`).join(", ");
      return event.kind;
    });

  beforeEach(async () => {
    bench = new Bench();
    directory = await bench.open();
    events = [];
    fails = undefined;
    follower = new FeedFollower({
      directory: {
        poll: (after, limit) => (fails === undefined ? directory.poll(after, limit) : Promise.reject(fails)),
      },
      clock: () => NOW,
      apply: (event) => void events.push(event),
    });
  });
  afterEach(() => bench.release());

  it("the follower starts with a restart, then reports later changes in order", async () => {
    await apply(revoke("r", "j"));
    await follower.follow();
    expect(seen()).to.deep.equal(["restart", "caughtUp"]);
    await apply(putInstance("i", "k"), putClient("c", "s"), revoke("r", "k"));
    await follower.follow();
    expect(seen()).to.deep.equal(["2 instance, 3 client, 4 revoked", "caughtUp"]);
    expect(follower.position?.number).to.equal(4);
  });

  it("the follower reports no changes if there are none", async () => {
    await follower.follow();
    seen();
    await follower.follow();
    expect(seen()).to.deep.equal(["caughtUp"]);
  });

  it("the follower reports a long feed in pages of 1,000 changes", async () => {
    await follower.follow();
    await apply(...Array.from({ length: 2_001 }, (_, n) => putClient(`c${n}`, "s")));
    seen();
    await follower.follow();
    expect(events.map((event) => (event.kind === "changes" ? event.changes.length : event.kind))).to.deep.equal([
      1_000,
      1_000,
      1,
      "caughtUp",
    ]);
  });

  for (const [what, happens] of [
    ["another history", () => bench.sql("UPDATE feed SET mark = 'another'")],
    ["a position behind retention", () => bench.sql("DELETE FROM feed")],
  ] as const) {
    it(`the follower reports ${what} as a restart, without single changes`, async () => {
      await follower.follow();
      await apply(putClient("c", "s"), revoke("r", "j"));
      seen();
      happens();
      await follower.follow();
      expect(seen()).to.deep.equal(["restart", "caughtUp"]);
    });
  }

  it("the follower reports a change of a kind from a later version as a reset", async () => {
    await follower.follow();
    await apply(putClient("c", "s"));
    seen();
    bench.sql("UPDATE feed SET kind = 'novelty'");
    await follower.follow();
    expect(seen()).to.deep.equal(["1 reset", "caughtUp"]);
  });

  it("the follower covers its own position and later ones, and no earlier one or one of another history", async () => {
    await apply(putClient("c", "s"));
    const { number, mark } = await headOf(directory);
    expect(follower.covers({ number, mark }), "before the first reading").to.equal(false);
    await follower.follow();
    expect(
      [
        { number: 1, mark },
        { number: 2, mark: "of a later commit" },
        { number: 0, mark },
        { number: 1, mark: "another" },
      ].map((position) => follower.covers(position)),
    ).to.deep.equal([true, true, false, false]);
  });

  it("the follower goes on at its old position after a failure, and the failure does not count as fresh", async () => {
    await follower.follow();
    await apply(putClient("c", "s"));
    seen();
    fails = new DirectoryError("unavailable", "The store is away.");
    await refusal(follower.follow(), "unavailable", /away/);
    expect(seen()).to.deep.equal([]);
    fails = undefined;
    await follower.follow();
    expect(seen()).to.deep.equal(["1 client", "caughtUp"]);
  });

  it("overlapping calls share one read of the feed", async () => {
    await Promise.all([follower.follow(), follower.follow()]);
    expect(seen()).to.deep.equal(["restart", "caughtUp"]);
  });
});

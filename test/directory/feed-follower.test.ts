import { expect } from "chai";
import type { Command } from "../../src/directory/commands.js";
import type { Directory } from "../../src/directory/directory.js";
import { DirectoryError } from "../../src/directory/errors.js";
import { type FeedEvent, FeedFollower } from "../../src/directory/feed-follower.js";
import { Bench, NOW, putClient, putInstance, refusal, revoke } from "./support.js";

describe("the feed follower", () => {
  let bench: Bench;
  let directory: Directory;
  let events: FeedEvent[];
  let follower: FeedFollower;
  let fails: DirectoryError | undefined;

  const apply = (...commands: readonly Command[]) => directory.apply(commands, "tester");
  /** Returns and clears a short form of the events so far: the numbers of changes, and the count of revocations in a reset. */
  const seen = () =>
    events.splice(0).map((event) => {
      if (event.kind === "changes") return event.changes.map(({ kind, number }) => `${number} ${kind}`).join(", ");
      return event.kind === "reset" ? `reset, ${event.revocations.size} revoked` : event.kind;
    });

  beforeEach(() => {
    bench = new Bench();
    directory = bench.open();
    events = [];
    fails = undefined;
    follower = new FeedFollower({
      directory: {
        changes: (after, limit) => (fails === undefined ? directory.changes(after, limit) : Promise.reject(fails)),
        revocations: () => directory.revocations(),
      },
      clock: () => NOW,
      apply: (event) => void events.push(event),
    });
  });
  afterEach(() => bench.release());

  it("the follower starts with a reset that has all revocations, then reports later changes in order", async () => {
    await apply(revoke("r", "j"));
    await follower.follow();
    expect(seen()).to.deep.equal(["reset, 1 revoked", "caughtUp"]);
    await apply(putInstance("i", "k"), putClient("c", "s"), revoke("r", "k"));
    await follower.follow();
    expect(seen()).to.deep.equal(["2 instance, 3 client, 4 revocation", "caughtUp"]);
    expect(follower.positionNumber).to.equal(4);
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
    ["another history", () => bench.sql("UPDATE feed_head SET epoch = 'another'")],
    ["a position behind retention", () => bench.sql("DELETE FROM feed")],
    [
      "a change that touched everything",
      () => {
        bench.sql("UPDATE feed_head SET position = position + 1");
        bench.sql("INSERT INTO feed SELECT position, 'reset', '{}' FROM feed_head");
      },
    ],
    ["a change of a kind from a later version", () => bench.sql("UPDATE feed SET kind = 'novelty'")],
  ] as const) {
    it(`the follower reports ${what} as a reset with all revocations, without single changes`, async () => {
      await follower.follow();
      await apply(putClient("c", "s"), revoke("r", "j"));
      seen();
      happens();
      await follower.follow();
      expect(seen()).to.deep.equal(["reset, 1 revoked", "caughtUp"]);
      await follower.follow();
      expect(seen()).to.deep.equal(["caughtUp"]);
    });
  }

  it("the follower covers its own position and later ones of the same history, and no others", async () => {
    await apply(putClient("c", "s"));
    const { epoch } = await directory.position();
    expect(follower.covers({ epoch, number: 1 }), "before the first reading").to.equal(false);
    await follower.follow();
    expect(
      [
        { epoch, number: 1 },
        { epoch, number: 2 },
        { epoch, number: 0 },
        { epoch: "another", number: 2 },
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
    expect(seen()).to.deep.equal(["reset, 0 revoked", "caughtUp"]);
  });
});

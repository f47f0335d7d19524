import { expect } from "chai";
import { startReplicaReports } from "../../src/server/replica-report.js";

describe("the reports of a replica", () => {
  for (const [what, outcome, ago] of [
    ["a report that was written is an answer", undefined, 100],
    ["a report that the store refused is an answer", "refused", 100],
    ["a report that was lost is no answer", "lost", 1_100],
  ] as const) {
    it(`${what}, and counts from when it was sent`, async () => {
      let now = 0;
      const failures: unknown[] = [];
      const ids: string[] = [];
      let end = (): void => {};
      const starts = [0, 1_000];
      const reports = startReplicaReports({
        write: async (id) => {
          ids.push(id);
          await new Promise<void>((resolve) => (end = resolve));
          if (outcome !== undefined) throw new Error(outcome);
        },
        isAnswer: (error) => (error as Error).message === "refused",
        // The process starts at 0, and the report is sent a second later.
        clock: () => starts.shift() ?? now,
        onFailure: (error) => failures.push(error),
      });
      now = 1_100;
      expect(reports.answeredAgo()).to.equal(1_100);
      end();
      await reports.stop();
      expect(reports.answeredAgo()).to.equal(ago);
      expect(failures).to.have.length(outcome === undefined ? 0 : 1);
      expect(ids).to.deep.equal([reports.id]);
    });
  }
});

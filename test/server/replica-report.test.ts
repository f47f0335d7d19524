import { expect } from "chai";
import { startReplicaReports } from "../../src/server/replica-report.js";

describe("the reports of a replica", () => {
  for (const [what, outcome, since] of [
    ["a report that was written is an answer", undefined, Number.POSITIVE_INFINITY],
    ["a report that the store refused is an answer", "refused", Number.POSITIVE_INFINITY],
    ["a report that was lost is no answer", "lost", 1_000],
  ] as const) {
    it(`${what}, and a missing answer counts from when the report was sent`, async () => {
      let now = 0;
      const failures: unknown[] = [];
      let written = 0;
      let end = (): void => {};
      const starts = [0, 1_000];
      const reports = startReplicaReports({
        write: async () => {
          written += 1;
          await new Promise<void>((resolve) => (end = resolve));
          if (outcome !== undefined) throw new Error(outcome);
        },
        isAnswer: (error) => (error as Error).message === "refused",
        // The process starts at 0, and the report is sent a second later.
        clock: () => starts.shift() ?? now,
        onFailure: (error) => failures.push(error),
      });
      now = 1_100;
      expect(reports.unansweredSince, "while it is under way").to.equal(1_000);
      end();
      await reports.stop();
      expect(reports.unansweredSince).to.equal(since);
      expect(failures).to.have.length(outcome === undefined ? 0 : 1);
      expect(written).to.equal(1);
    });
  }
});

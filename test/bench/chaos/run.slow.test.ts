import { join } from "node:path";
import { expect } from "chai";
import { runChaos } from "../../../bench/chaos/run.js";
import { ROOT } from "../../cli/harness.js";
import { whyNoPostgres } from "../../support/postgres.js";

describe("two replicas and a gateway over PostgreSQL", () => {
  it("give no wrong verdict while a replica and PostgreSQL are killed and a replica restarts, and lose no change", async function () {
    // Coverage runs the sources, of which no compiled program is made.
    if (whyNoPostgres() !== undefined || process.env["NODE_V8_COVERAGE"] !== undefined) this.skip();
    const { findings } = await runChaos({
      program: join(ROOT, ".test-build/src/cli/main.js"),
      store: "postgres",
      replicas: 2,
      workers: 0,
      gateways: 1,
      staleFor: 10,
      millis: 9_000,
      seed: 1,
      rate: 40,
      changes: 4,
      only: ["PostgreSQL is killed", "a replica is killed", "SIGTERM"],
      tell: () => {},
    });
    const { verdicts, recoveries, ...broken } = findings;
    expect(broken).to.deep.equal({
      wrong: [],
      goodRejected: [],
      revokedByConnected: [],
      revokedPastStale: [],
      failedOutside: [],
      lost: [],
    });
    expect(recoveries.map(({ fault }) => fault)).to.have.lengthOf.at.least(1);
    expect(verdicts).to.be.above(0);
  });
});

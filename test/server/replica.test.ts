import { expect } from "chai";
import { startReplicaReports } from "../../src/server/replica-report.js";
import { endsByPolicy } from "../../src/server/revocation-maker.js";
import { makeFolder } from "../support/deployment.js";
import { eventually, replicasOf } from "../support/replicas.js";
import { revocationOf } from "../support/revoke.js";

const KEYS = `issuer: null, audience: null, keys: [{ secret: "\${hs256}" }]`;
const CONFIGURATION = `
grpc: 127.0.0.1:0
masterKey: \${MASTER_KEY}
realms:
  short: { algorithms: [HS256], clockTolerance: 30s, maxLifetime: 1h, ${KEYS} }
  long: { algorithms: [HS256], ${KEYS} }
`;

describe("a replica on SQLite", () => {
  it("operators see the one that they ask, as far as it has followed the feed", async () => {
    const replicas = replicasOf(CONFIGURATION);
    try {
      const { core } = await replicas.start();
      await replicas.folder.apply([
        { kind: "revoke", revocations: [revocationOf({ realm: "long", kind: "jti", value: "j" })] },
      ]);
      await eventually(async () => (await core.operators!.status()).replicas[0]?.position === 1);
      expect((await core.operators!.status()).replicas).to.have.length(1);
    } finally {
      await replicas.close();
    }
  });
});

describe("the end of a revocation in the store", () => {
  const folder = makeFolder(CONFIGURATION);
  after(() => folder.remove());
  const { endOf, setRealms } = endsByPolicy(folder.config.realms);

  for (const [realm, kind, time, end] of [
    ["short", "jti", 1_000, 1_090],
    ["short", "subject", 1_000, 4_690],
    ["short", "subject", null, null],
    ["short", "key", null, null],
    ["long", "jti", 1_000, 1_060],
    ["long", "subject", 1_000, null],
    ["unknown", "jti", 1_000, null],
  ] as const) {
    it(`by ${kind} of ${time} in the realm ${realm} is ${end ?? "never"}`, () => {
      expect(endOf(revocationOf({ realm, kind, value: "v" }, time))).to.equal(end);
    });
  }

  it("follows the realms of a reloaded configuration", () => {
    setRealms([]);
    expect(endOf(revocationOf({ realm: "short", kind: "jti", value: "v" }, 1_000))).to.equal(null);
    setRealms(folder.config.realms);
  });
});

describe("a report that is wanted soon", () => {
  it("is sent a second after the last one, once for any number of wishes", async () => {
    let now = 0;
    let written = 0;
    const reports = startReplicaReports({
      write: async () => {
        written += 1;
      },
      isAnswer: () => false,
      clock: () => now,
      onFailure: () => {},
    });
    await eventually(() => written === 1);
    now = 1_000;
    for (let wishes = 0; wishes < 3; wishes++) reports.soon();
    await eventually(() => written === 2);
    await reports.stop();
    expect(written).to.equal(2);
  });
});

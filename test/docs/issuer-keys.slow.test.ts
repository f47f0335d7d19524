import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { FAILURES } from "../../src/contract/failures.js";
import { REASON_NAMES } from "../../src/contract/reasons.js";
import { LINES } from "../../src/observability/lines.js";
import { METRICS } from "../../src/observability/metric-table.js";
import { COMMAND, folderOf, shell } from "../cli/harness.js";
import { load } from "../config/harness.js";
import { Issuer } from "../keys/remote/misbehaving.js";
import { IssuerKey } from "../support/issuer-key.js";
import { readGuide } from "./guide.js";

// Checks that the configuration and the command of docs/guides/issuer-keys.md work, and that its names exist.

const GUIDE = readGuide("issuer-keys");
const CONFIGURATION = GUIDE.block("yaml", "jwksUri");

describe("docs/guides/issuer-keys.md", () => {
  it("the guide's configuration loads, with the defaults that it states", () => {
    const config = load(CONFIGURATION, {}, { VERIFIER_MASTER_KEY: Buffer.alloc(32, 7).toString("base64") });
    const [partner, corp] = config.realms.map(({ remotes }) => remotes[0]);
    expect(partner?.location).to.deep.equal({ jwksUri: "https://issuer.example/jwks.json" });
    const discovery = "https://login.example/tenant";
    expect(corp?.location).to.deep.equal({ discovery, issuers: [discovery] });
    const named = Array.from(GUIDE.text.matchAll(/`(\w+)` \((\d+)(s|m|h)\)/g), ([, name = "", count, unit = ""]) => [
      name,
      Number(count) * ({ s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? 0),
    ]);
    expect(named).to.have.length(5);
    for (const [name = "", value] of named) expect(partner).to.have.property(String(name), value);
  });

  it("the guide's rehearsal runs against the published keys", async () => {
    const issuer = await Issuer.start();
    try {
      const [now, next] = [new IssuerKey("now"), new IssuerKey("next")];
      await issuer.be("publish", { keys: [now.jwk] });
      const text = CONFIGURATION.replace(/^masterKey.*\n/m, "")
        .replace("https://issuer.example/jwks.json", `"${issuer.url}", insecure: true`)
        .replace("metrics: 127.0.0.1:9464", "metrics: 127.0.0.1:1");
      const folder = folderOf(text);
      writeFileSync(join(folder, "next.jwks.json"), JSON.stringify({ keys: [next.jwk] }));
      const code = GUIDE.block("sh", "keys diff");
      const ended = await shell(`token-verifier() { ${COMMAND} "$@"; }\n${code}`, folder);
      expect(ended.code, ended.stderr).to.equal(0);
      expect(ended.stdout).to.match(/^realm partner: 1 disappear, 1 new, 0 stay$/m);
    } finally {
      await issuer.close();
    }
  });

  it("the guide names only metrics, log messages and reasons that exist", () => {
    const metrics = Object.values(METRICS).map(({ name }) => name);
    const named = Array.from(GUIDE.text.matchAll(/tokenverifier_\w+/g), ([name]) => name);
    expect(named).to.have.length(7);
    for (const name of named) expect(metrics).to.include(name);
    const reasons = Array.from(GUIDE.text.matchAll(/\bKEYS?_[A-Z]+\b/g), ([name]) => name);
    for (const name of reasons) expect([...Object.keys(FAILURES), ...REASON_NAMES]).to.include(name);
    for (const line of ["key refused", "keys cannot be fetched"]) {
      expect(GUIDE.text).to.include(`\`${line}\``);
      expect(LINES).to.have.property(line);
    }
  });
});

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { Issuer } from "../keys/remote/misbehaving.js";
import { IssuerKey } from "../support/issuer-key.js";
import { jwkOf, keyOf } from "../support/keys.js";
import { type Ended, folderOf, run } from "./harness.js";

// `keys diff` predicts what the service would do: a candidate is treated as if it had been fetched.

const [one, two, three] = [new IssuerKey("one"), new IssuerKey("two"), new IssuerKey("three")];
const setOf = (...keys: readonly IssuerKey[]) => ({ keys: keys.map(({ jwk }) => jwk) });

describe("keys diff", () => {
  let issuer: Issuer;
  let folder: string;
  before(async () => {
    issuer = await Issuer.start();
    const rest = "algorithms: [ES256], issuer: https://issuer.example, audience: null";
    const first = `{ jwksUri: "${issuer.at("/first")}", insecure: true }`;
    const second = `{ jwksUri: "${issuer.at("/second?key=hidden")}", insecure: true }`;
    folder = folderOf(`grpc: 127.0.0.1:0
realms:
  single: { ${rest}, keys: [${first}] }
  mixed: { ${rest}, keys: [{ pemFile: ./partner.pem, kid: p1 }, ${first}] }
  several: { ${rest}, keys: [${first}, ${second}] }
  fixed: { ${rest}, keys: [{ pemFile: ./partner.pem, kid: p1 }] }
`);
    await issuer.be("publish", setOf(one, two), { path: "/first" });
    await issuer.be("publish", setOf(two, three), { path: "/second?key=hidden" });
  });
  after(() => issuer.close());

  const diff = (realm: string, candidate: unknown, ...more: readonly string[]): Promise<Ended> => {
    writeFileSync(
      join(folder, "next.json"),
      typeof candidate === "string" || Buffer.isBuffer(candidate) ? candidate : JSON.stringify(candidate),
    );
    const args = ["--realm", realm, "--candidate", "next.json", "--config", "verifier.yaml"];
    return run(["keys", "diff", ...args, "--json", ...more], folder);
  };
  const kidsOf = ({ stdout, stderr }: Ended): Record<string, (string | null)[]> => {
    expect(stderr).to.equal("");
    const { removed, added, kept } = JSON.parse(stdout);
    const kids = (keys: { kid: string | null }[]): (string | null)[] => keys.map(({ kid }) => kid);
    return { removed: kids(removed), added: kids(added), kept: kids(kept) };
  };

  const REFUSED: Readonly<Record<string, readonly [candidate: unknown, why: RegExp]>> = {
    "is empty": [{ keys: [] }, /no usable key for ES256 \(it is empty: /],
    "has no usable key": [{ keys: [one.privateJwk] }, /no usable key for ES256 \(keys\[0\].*: .*private/],
    "is not a JWK Set": [{ keyz: [] }, /not a JWK Set/],
    "is not an object": ["[]", /it gave a JSON list, not a JWK Set/],
    "is a list of keys": [JSON.stringify([one.jwk]), /it gave a list of JWKs, not a JWK Set/],
    "is a page": ["<html></html>", /it gave an HTML page, not a JWK Set/],
    "is not JSON": ["{", /read in one way only/],
    "has a member twice": [`{"keys":[],"keys":[${JSON.stringify(one.jwk)}]}`, /read in one way only/],
    "is not UTF-8": [Buffer.from([0x7b, 0xff, 0x7d]), /read in one way only/],
    "is longer than a fetch reads": [`{"keys":[${JSON.stringify(one.jwk)}]${" ".repeat(1024 ** 2)}}`, /longer than/],
    "has more keys than a set may have": [{ keys: Array(101).fill(one.jwk) }, /101 keys, more than 100/],
  };
  for (const [what, [candidate, why]] of Object.entries(REFUSED)) {
    it(`keys diff reports a candidate that ${what} as a failed fetch that keeps all keys, with exit code 2`, async () => {
      const { code, stdout, stderr } = await diff("single", candidate);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      const { error } = JSON.parse(stderr);
      expect(error.message).to.match(why).and.include("next.json").and.include("a failed fetch");
      expect(error.message).to.include("keep the keys that it has");
    });
  }

  it("keys diff reports an empty set at a candidate URL as a failed fetch", async () => {
    await issuer.be("publish", { keys: [] }, { path: "/next" });
    const args = ["--realm", "single", "--candidate", issuer.at("/next"), "--config", "verifier.yaml"];
    const { code, stderr } = await run(["keys", "diff", ...args], folder);
    expect(code).to.equal(2);
    expect(stderr).to.include("a failed fetch").and.include("it is empty");
  });

  it("the candidate replaces the fetched keys, and keys in the configuration stay", async () => {
    expect(kidsOf(await diff("mixed", setOf(two, three)))).to.deep.equal({
      removed: ["one"],
      added: ["three"],
      kept: ["p1", "two"],
    });
  });

  it("a key that the issuer drops stays if the configuration has it too", async () => {
    const { publicPem = "" } = keyOf("p256");
    const own = folderOf(`grpc: 127.0.0.1:0
realms:
  mixed: { algorithms: [ES256], issuer: null, audience: null, keys: [{ pemFile: ./own.pem, kid: p1 }, { jwksUri: "${issuer.at("/both")}", insecure: true }] }
`);
    writeFileSync(join(own, "own.pem"), publicPem);
    const jwk = { ...jwkOf("p256"), kid: "p1" };
    await issuer.be("publish", { keys: [jwk, one.jwk] }, { path: "/both" });
    writeFileSync(join(own, "next.json"), JSON.stringify(setOf(one)));
    const args = ["--realm", "mixed", "--candidate", "next.json", "--config", "verifier.yaml", "--json"];
    expect(kidsOf(await run(["keys", "diff", ...args], own))).to.deep.equal({
      removed: [],
      added: [],
      kept: ["p1", "one"],
    });
  });

  it("keys diff needs --location for a realm with several sources, as the full URL or as the error prints it", async () => {
    const { code, stderr } = await diff("several", setOf(three));
    expect(code).to.equal(2);
    const shown = `${issuer.at("/first")}, ${issuer.at("/second")}?…`;
    expect(JSON.parse(stderr).error.message).to.equal(
      `The realm several fetches several key sets. Say which one the candidate replaces with --location URL: ${shown}.`,
    );
    const first = await diff("several", setOf(three), "--location", issuer.at("/first"));
    expect(kidsOf(first)).to.deep.equal({ removed: ["one"], added: [], kept: ["two", "three"] });
    for (const location of [issuer.at("/second?key=hidden"), `${issuer.at("/second")}?…`]) {
      const second = await diff("several", setOf(one), "--location", location);
      expect(kidsOf(second)).to.deep.equal({ removed: ["three"], added: [], kept: ["one", "two"] });
    }
  });

  for (const realm of ["several", "single", "fixed"]) {
    it(`keys diff rejects a --location that the realm ${realm} does not have`, async () => {
      const { code, stderr } = await diff(realm, setOf(one), "--location", "https://elsewhere.example/?key=hidden");
      expect(code).to.equal(2);
      expect(stderr).to.include("--location").and.include(realm).and.not.include("hidden");
    });
  }

  it("the candidate replaces all keys of a realm that fetches none", async () => {
    expect(kidsOf(await diff("fixed", setOf(one)))).to.deep.equal({ removed: ["p1"], added: ["one"], kept: [] });
    const { code, stderr } = await diff("fixed", { keys: [] });
    expect(code).to.equal(2);
    expect(stderr).to.include("it is empty").and.not.include("failed fetch");
  });
});

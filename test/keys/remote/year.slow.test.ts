import { expect } from "chai";
import { genericSchema } from "../../../src/config/realm-forms.js";
import type { Outcome } from "../../../src/contract/verifier.js";
import { failure } from "../../../src/contract/verifier.js";
import { noDirectory } from "../../../src/directory/directory.js";
import { loadPublishedKeys } from "../../../src/keys/jwks.js";
import { FetchError } from "../../../src/keys/remote/answer.js";
import { networkSource } from "../../../src/keys/remote/network-source.js";
import { RemoteKeys } from "../../../src/keys/remote/remote-keys.js";
import { Secret } from "../../../src/util/secret.js";
import { FactCache } from "../../../src/verifier/facts.js";
import { genericPolicy } from "../../../src/verifier/generic.js";
import { createRealm } from "../../../src/verifier/realm.js";
import { createVerifier, loadNeededKeys } from "../../../src/verifier/verify.js";
import { IssuerKey } from "../../support/issuer-key.js";
import { HOUR, MINUTE, SECOND, SETTINGS } from "./rig.js";
import { VirtualTime } from "./virtual-time.js";

// A year of an issuer that rotates its keys, simulated in seconds, with a verdict on every token.

const DAY = 24 * HOUR;
const ROTATION = 42 * DAY;
const KEPT = 7 * DAY;
/** The lifetime of tokens. */
const LIFE = 6 * HOUR;

const time = new VirtualTime();
const start = time.clock();
const keys = Array.from({ length: 10 }, (_, index) => new IssuerKey(`key ${index}`));
const stranger = new IssuerKey("key 0");
/** The key that signs. */
const current = (now: number): number => Math.floor((now - start) / ROTATION);
/** The published keys: the signing key, and for a while its predecessor. */
function published(now: number): readonly IssuerKey[] {
  const index = current(now);
  const isKept = index > 0 && now - start - index * ROTATION < KEPT;
  return keys.slice(isKept ? index - 1 : index, index + 1);
}
/** The issuer is down for 20 hours, from six hours before the fourth rotation. */
const DOWN = start + 4 * ROTATION - 6 * HOUR;
const isDown = (now: number): boolean => now >= DOWN && now < DOWN + 20 * HOUR;

describe("a year of rotations with an outage around one of them", function () {
  this.timeout(120_000);

  it("a year of rotations rejects no good token, accepts no bad one, and asks the issuer no more than needed", async () => {
    let fetches = 0;
    const remote = new RemoteKeys(
      SETTINGS,
      (value) => loadPublishedKeys(value, { algorithms: ["ES256"] }),
      {
        clock: time.clock,
        after: time.after,
        random: () => 0.5,
        fetch: async () => {
          fetches++;
          if (isDown(time.clock())) throw new FetchError("the connection failed (ECONNREFUSED)");
          const value = { keys: published(time.clock()).map(({ jwk }) => jwk) };
          return {
            kind: "document",
            value,
            lifetime: 3600,
            memory: { jwksUri: "", validators: { etag: null, lastModified: null } },
          };
        },
        save: () => {},
        observer: { fetched: () => {}, failed: () => {}, out: () => {} },
      },
      undefined,
    );
    const settings = { algorithms: ["ES256"], issuer: null, audience: null, keys: [{}] };
    const realm = createRealm("r", genericPolicy(genericSchema.parse(settings)), networkSource([], [remote]));
    const view = { realms: new Map([["r", realm]]), directory: noDirectory, facts: new FactCache(1024 ** 2) };
    const verifier = createVerifier({ view }, time.clock, async (need, deadline) =>
      need.kind === "keys" ? loadNeededKeys(need, deadline, time.clock) : failure("INTERNAL"),
    );
    const counts: Record<string, number> = {};
    const ask = async (what: string, token: string): Promise<void> => {
      const answer: Outcome = await verifier.verify(
        { realm: "r", token: new Secret(token), credential: undefined, explain: false },
        { deadline: time.clock() + 2 * SECOND } as never,
      );
      const said = answer.kind === "verified" ? "verified" : `${answer.kind} ${answer.reason}`;
      counts[`${what}: ${said}`] = (counts[`${what}: ${said}`] ?? 0) + 1;
    };
    let asked = 0;
    let lost = "";
    while (time.clock() < start + 365 * DAY) {
      const now = time.clock();
      const claims = { exp: Math.floor((now + LIFE) / 1000), jti: String(asked++) };
      const index = current(now);
      const signer = keys[index] ?? expect.fail("no key");
      const token = signer.token(claims);
      const when = isDown(now) ? "outage" : "good";
      await ask(when, token);
      await ask(when, token);
      await ask("without kid", signer.token(claims, { kid: undefined }));
      // The previous key goes on signing until an hour before it is withdrawn.
      const before = keys[index - 1];
      if (before !== undefined && now - start - index * ROTATION < KEPT - HOUR)
        await ask(`${when}, old key`, before.token(claims));
      await ask("bad", stranger.token(claims, { kid: signer.kid }));
      await ask("bad", stranger.token(claims, { kid: `random ${asked}` }));
      // A stolen key that was withdrawn at least an hour ago, and an old token that it signed.
      if (before !== undefined && now - start - index * ROTATION >= KEPT + HOUR) {
        if (lost === "") lost = before.token({ ...claims, exp: 4_000_000_000 });
        await ask("bad", before.token({ ...claims, exp: 4_000_000_000 }));
        await ask("bad", lost);
      } else lost = "";
      await time.pass(211 * MINUTE);
    }
    remote.close();
    const of = (what: RegExp): string[] => Object.keys(counts).filter((key) => what.test(key));
    const said = JSON.stringify(counts);
    expect(of(/^good/), said).to.deep.equal(["good: verified", "good, old key: verified"]);
    expect(of(/^(outage|without kid).*rejected/), said).to.deep.equal([]);
    expect(of(/^bad.*verified/), said).to.deep.equal([]);
    // During the outage the new key is unknown, and the old one still verifies.
    expect(of(/^outage:/), said).to.have.members(["outage: verified", "outage: failure KEYS_UNAVAILABLE"]);
    expect(of(/^outage, old key/), said).to.deep.equal(["outage, old key: verified"]);
    // Scheduled fetches come once an hour, unscheduled ones at most once in each of some 2,500 rounds.
    expect(counts["good: verified"]).to.be.above(4500);
    expect(fetches).to.be.below((365 * DAY) / HOUR + 2500);
  });
});

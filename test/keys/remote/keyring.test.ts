import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Keyring, type RemoteEntry, type VouchedSet } from "../../../src/keys/remote/keyring.js";
import { Secret } from "../../../src/util/secret.js";
import { pki } from "../../support/certificates.js";
import { NOW } from "../../support/clock.js";
import { jwkOf } from "../../support/keys.js";
import { Issuer } from "./misbehaving.js";
import { SETTINGS } from "./rig.js";

// A saved key set is bound to the settings under which it was fetched, since it comes from the store from then on.

const NOBODY = { fetched: () => {}, failed: () => {}, out: () => {} };
const SAVED_AT = NOW - 1000;

describe("a keyring's saved sets", () => {
  let issuer: Issuer;
  let entry: RemoteEntry;
  /** The store's key sets, by location. */
  const store = new Map<string, VouchedSet>();
  before(async () => {
    issuer = await Issuer.start();
    await issuer.be("publish", { keys: [{ ...jwkOf("p256"), kid: "a" }] }, { path: "/jwks" });
    const metadata = { issuer: issuer.at(""), jwks_uri: issuer.url };
    await issuer.be("publish", metadata, { path: "/.well-known/openid-configuration" });
    entry = { ...SETTINGS, timeout: 60_000, location: { jwksUri: issuer.url }, insecure: true };
  });
  after(() => issuer.close());
  beforeEach(() => store.clear());

  /** Runs a keyring with only this entry. */
  async function withKeys<T>(one: RemoteEntry, run: (source: ReturnType<Keyring["source"]>) => T): Promise<Awaited<T>> {
    const keyring = new Keyring({
      clock: () => NOW,
      proxies: {},
      saved: {
        get: (_realm, location) => store.get(location),
        set: (_realm, location, saved) => store.set(location, saved),
      },
      observe: () => NOBODY,
    });
    try {
      return await run(
        keyring.source({ realm: "r", algorithms: ["ES256"], configured: [], leftOut: [], entries: [one] }),
      );
    } finally {
      await keyring.close();
    }
  }

  /** Returns whether a set fetched by one entry provides keys to another entry before it has fetched anything. */
  async function isRestored(first: RemoteEntry, then: RemoteEntry): Promise<boolean> {
    await withKeys(first, async (source) => source.load(undefined, NOW, NOW + 60_000));
    expect(store.size, "saved").to.equal(1);
    for (const [location, saved] of store) store.set(location, { ...saved, fetchedAt: SAVED_AT });
    return await withKeys(then, (source) => source.current(NOW) !== undefined);
  }

  for (const [what, change] of [
    ["nothing", {}],
    ["the times", { refreshMin: 1000, refreshMax: 2000, staleIfError: 5000, cooldown: 1000, timeout: 1000 }],
  ] as const) {
    it(`control: a saved set counts if ${what} changed`, async () => {
      expect(await isRestored(entry, { ...entry, ...change })).to.equal(true);
    });
  }

  it("a saved set no longer counts if `insecure`, the certificates or the way to the URL change", async () => {
    const { authority, stranger } = pki();
    const under = { ...entry, ca: authority.cert };
    expect(await isRestored(entry, { ...entry, insecure: false }), "insecure").to.equal(false);
    expect(await isRestored(entry, under), "a caFile").to.equal(false);
    expect(await isRestored(under, { ...entry, ca: stranger.cert }), "another caFile").to.equal(false);
    expect(await isRestored(under, entry), "no caFile any more").to.equal(false);
    const discovery = { discovery: issuer.url, issuers: [issuer.url] };
    expect(await isRestored(entry, { ...entry, location: discovery }), "metadata at the URL").to.equal(false);
  });

  it("a saved set no longer counts if a header's value changes or `private` does, and does if the token's file changes", async () => {
    const { origin } = new URL(issuer.url);
    const withHeader = (value: string): RemoteEntry => ({
      ...entry,
      credentials: { origin, headers: { "X-Tenant": new Secret(value) } },
    });
    expect(await isRestored(withHeader("a"), withHeader("a")), "control").to.equal(true);
    expect(await isRestored(withHeader("a"), withHeader("b")), "a changed value").to.equal(false);
    expect(await isRestored(entry, withHeader("a")), "a header").to.equal(false);
    expect(await isRestored(entry, { ...entry, private: true }), "private").to.equal(false);
    const folder = mkdtempSync(join(tmpdir(), "keyring-"));
    const file = join(folder, "token");
    const withToken: RemoteEntry = { ...entry, credentials: { origin, bearerTokenFile: { file, name: "token" } } };
    writeFileSync(file, "one");
    expect(await isRestored(withToken, withToken), "control").to.equal(true);
    await withKeys(withToken, async (source) => source.load(undefined, NOW, NOW + 60_000));
    writeFileSync(file, "two");
    expect(await withKeys(withToken, (source) => source.current(NOW) !== undefined), "a rotated token").to.equal(true);
    rmSync(folder, { recursive: true });
  });

  it("no saved set and no name of a keyring holds the value of a header", async () => {
    const secret = "Xk29-vbQz";
    const headers = { "X-Api-Key": new Secret(secret) };
    const one: RemoteEntry = { ...entry, credentials: { origin: new URL(issuer.url).origin, headers } };
    await withKeys(one, async (source) => source.load(undefined, NOW, NOW + 60_000));
    const plain = createHash("sha256").update(secret).digest();
    for (const { trust } of store.values()) {
      expect(trust).not.to.include(secret);
      expect(Buffer.from(trust, "base64url").equals(plain)).to.equal(false);
    }
    expect(JSON.stringify(one)).not.to.include(secret);
  });

  it("a saved set no longer counts if the metadata may be another issuer's", async () => {
    const discovery = issuer.at("");
    const from = (issuers: readonly string[]): RemoteEntry => ({ ...entry, location: { discovery, issuers } });
    expect(await isRestored(from([discovery]), from([discovery])), "control").to.equal(true);
    expect(await isRestored(from([discovery]), from(["https://other.example"]))).to.equal(false);
  });

  it("a set saved by a version that did not record its settings counts as absent", async () => {
    const strip = ({ document, fetchedAt }: VouchedSet): VouchedSet => ({ document, fetchedAt }) as VouchedSet;
    await withKeys(entry, async (source) => source.load(undefined, NOW, NOW + 60_000));
    for (const [location, saved] of store) store.set(location, strip(saved));
    expect(await withKeys(entry, (source) => source.current(NOW))).to.equal(undefined);
  });
});

import { expect } from "chai";
import { loadPublishedKeys } from "../../../src/keys/jwks.js";
import { type KeysState, RelayedKeys } from "../../../src/keys/remote/relayed-keys.js";
import { NOW } from "../../support/clock.js";
import { jwkOf } from "../../support/keys.js";
import { SETTINGS } from "./rig.js";

const documentOf = (...kids: readonly string[]): string =>
  JSON.stringify({ keys: kids.map((kid) => ({ ...jwkOf("p256"), kid, alg: "ES256" })) });

describe("keys that another process fetches", () => {
  let now: number;
  let asked: number;
  let wait: number | undefined;
  let keys: RelayedKeys;
  const state = (more: Partial<KeysState> = {}): KeysState => ({
    id: 1,
    document: documentOf("a"),
    fetchedAt: now,
    isStale: false,
    why: "",
    ...more,
  });
  beforeEach(() => {
    [now, asked, wait] = [NOW, 0, undefined];
    const none = state({ document: "", fetchedAt: Number.NEGATIVE_INFINITY, isStale: true });
    keys = new RelayedKeys(
      SETTINGS,
      (value) => loadPublishedKeys(value, { algorithms: ["ES256"] }),
      () => now,
      () => {
        asked++;
        return Promise.resolve(wait);
      },
      none,
    );
  });
  const load = (kid: string) => keys.load(kid, now, now + 2000);

  it("keys are unusable before the first document, and usable until they are too old", () => {
    expect(keys.status(now).state).to.equal("cold");
    keys.update(state());
    expect(keys.status(now).state).to.equal("fresh");
    expect(keys.current(now + SETTINGS.staleIfError)?.size).to.equal(1);
    expect(keys.current(now + SETTINGS.staleIfError + 1)).to.equal(undefined);
  });

  it("a key that did not change stays the same object when the document does", () => {
    keys.update(state());
    const [before] = keys.set?.keys ?? [];
    keys.update(state({ document: documentOf("a", "b") }));
    expect(keys.set?.keys).to.have.length(2);
    expect(keys.set?.keys[0]).to.equal(before);
  });

  it("a fetch that failed makes the keys stale, and keeps them", () => {
    keys.update(state());
    keys.update(state({ isStale: true, why: "it answered 503" }));
    expect(keys.status(now)).to.include({ state: "stale", why: "it answered 503" });
    expect(keys.set?.size).to.equal(1);
  });

  it("a known kid is not asked for", async () => {
    keys.update(state());
    expect(await load("a")).to.equal(undefined);
    expect(asked).to.equal(0);
  });

  it("a flood of unknown kids is one question a second", async () => {
    keys.update(state({ fetchedAt: now - 60_000 }));
    wait = 30_000;
    expect(await load("x")).to.equal(30_000);
    for (let n = 0; n < 100; n++) expect(await load(`x${n}`)).to.equal(1000);
    expect(asked).to.equal(1);
    now += 1000;
    await load("y");
    expect(asked).to.equal(2);
  });

  it("after new keys have come, unknown kids are asked for at once", async () => {
    keys.update(state({ fetchedAt: now - 60_000 }));
    wait = 30_000;
    await load("x");
    keys.update(state({ fetchedAt: now - 1 }));
    await load("y");
    expect(asked).to.equal(2);
  });
});

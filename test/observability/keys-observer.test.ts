import { expect } from "chai";
import { keysObserver } from "../../src/observability/keys-observer.js";
import { createMemoryLog } from "../support/log.js";

// The log lines about fetches of keys.

const NOTHING = { added: [], removed: [], leftOut: [] };

function observing() {
  const { log, text } = createMemoryLog();
  const observer = keysObserver({ realm: "r", location: "https://issuer.example/jwks" }, log, () => {});
  const lines = (): readonly Record<string, unknown>[] =>
    text()
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { observer, lines };
}

describe("the log lines about key fetches", () => {
  it("failed fetches are logged at the first, second, fourth and so on, with the time that the set remains valid", () => {
    const { observer, lines } = observing();
    for (let failures = 1; failures <= 20; failures++) observer.failed("it answered 503", failures, 10_999 - failures);
    expect(lines().map(({ failures, left }) => [failures, left])).to.deep.equal([
      [1, 10],
      [2, 10],
      [4, 10],
      [8, 10],
      [16, 10],
    ]);
  });

  it("a failure with another cause is logged at once", () => {
    const { observer, lines } = observing();
    const causes = ["a", "a", "a", "b", "b", "b", "a"];
    for (const [index, why] of causes.entries()) observer.failed(why, index + 1, 0);
    expect(lines().map(({ failures, why }) => `${String(failures)}${String(why)}`)).to.deep.equal([
      "1a",
      "2a",
      "4b",
      "7a",
    ]);
  });

  it("constantly changing causes are logged a limited number of times, counted from zero after a good fetch", () => {
    const { observer, lines } = observing();
    const fail = (): void => {
      for (let failures = 1; failures <= 1000; failures++) observer.failed(`cause ${failures}`, failures, 0);
    };
    fail();
    const first = lines().length;
    expect(first).to.be.within(16, 16 + 10);
    observer.fetched(NOTHING, 1000, false);
    fail();
    expect(lines()).to.have.length(2 * first + 1);
  });

  it("keys at fault are logged as warnings before those set aside, ten of one set", () => {
    const { observer, lines } = observing();
    const aside = { why: "it is for encryption", kind: "set aside", cause: "set aside", algorithms: [] } as const;
    const weak = { why: "it has 1024 bits", kind: "worthless", cause: "weak", algorithms: ["RS256"] } as const;
    const sets = Array.from({ length: 12 }, (_, index) => ({ index, kid: `k${index}`, ...aside }));
    observer.fetched({ ...NOTHING, leftOut: [...sets, { index: 12, ...weak }] }, 0, false);
    const told = lines().map(({ level, msg, index, kid, cause }) => [level, msg, index, kid, cause]);
    expect(told[0]).to.deep.equal([40, "key refused", 12, undefined, "weak"]);
    expect(told.slice(1, 10)).to.deep.equal(
      sets.slice(0, 9).map(({ index, kid }) => [30, "key refused", index, kid, "set aside"]),
    );
    expect(lines().slice(10)).to.have.length(1);
    expect(lines()[10]).to.include({ level: 30, msg: "more keys refused", omitted: 3 });
  });

  it("an expired certificate of a key is logged once, and again only after it was absent", () => {
    const { observer, lines } = observing();
    for (const expired of [["a"], ["a"], ["a", "b"], [], ["a"]]) observer.fetched(NOTHING, 0, false, expired);
    expect(lines().map(({ msg, kids, level }) => [msg, kids, level])).to.deep.equal(
      [["a"], ["b"], ["a"]].map((kids) => ["certificates of keys expired", kids, 40]),
    );
  });

  it("the loss of verdicts is logged as an error, and their return too", () => {
    const { observer, lines } = observing();
    observer.failed("it answered 503", 1, 5000);
    observer.out("it answered 503", 1);
    observer.fetched(NOTHING, 2, true);
    observer.failed("it answered 503", 1, 5000);
    observer.fetched(NOTHING, 1, false);
    observer.fetched(NOTHING, 0, false);
    expect(lines().map(({ level, msg }) => [level, msg])).to.deep.equal([
      [40, "keys cannot be fetched"],
      [50, "keys cannot be fetched: no verdicts are given"],
      [30, "keys can be fetched again: verdicts are given"],
      [40, "keys cannot be fetched"],
      [30, "keys can be fetched again"],
    ]);
  });
});

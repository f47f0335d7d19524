import { expect } from "chai";
import { type Drill, type Seen, startDrill } from "./outage-drill.js";

describe("a service whose issuers are all in trouble", function () {
  this.timeout(120_000);
  let drill: Drill;
  let seen: ReadonlyMap<string, Seen>;
  before(async () => {
    drill = await startDrill();
    seen = await drill.trouble(5);
  });
  after(() => drill.close());

  /** The answers to tokens of one kind, issuer by issuer. */
  const answersTo = (kind: string): readonly (readonly [string, readonly string[]])[] =>
    [...seen].map(([name, { counts }]) => {
      const answers = Object.keys(counts).filter((key) => key.startsWith(`${kind}: `));
      return [name, answers.map((key) => key.slice(kind.length + 2))];
    });

  it("a service in an outage verifies every good token whose key it knows", () => {
    for (const [name, answers] of answersTo("good")) expect(answers, name).to.deep.equal(["verified"]);
  });

  it("a service in an outage does not reject good tokens without a kid", () => {
    for (const [name, answers] of answersTo("without kid")) expect(answers.join(), name).not.to.include("rejected");
  });

  it("a service in an outage verifies no bad token", () => {
    for (const [name, answers] of answersTo("bad")) {
      expect(answers, name).not.to.have.length(0);
      expect(answers, name).not.to.include("verified");
    }
  });

  it("a service in an outage asks every issuer, and none more often than its pauses allow", () => {
    for (const [name, { fetches, allowed }] of seen) expect(fetches, name).to.be.within(1, allowed);
  });

  it("a service that recovered verifies with the new keys, and no longer with the withdrawn ones", async () => {
    await drill.recover();
    expect(await drill.stale()).to.deep.equal([]);
    await drill.forget();
  });
});

import { expect } from "chai";
import { openStoreAt, readStoreAt } from "../../src/directory/stores.js";
import { Bench, masterKeys, NOW, putClient, refusal } from "./support.js";

describe("a store's URL", () => {
  let bench: Bench;
  const at = (url: string) => ({ url, masterKeys: masterKeys(1), clock: () => NOW });
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.release());

  it("a URL of the form sqlite:FILE opens that file for writing and reading", async () => {
    const store = at(`sqlite:${bench.path}`);
    expect(readStoreAt(store), "before it was made").to.equal(undefined);
    const writing = openStoreAt(store);
    const position = await writing.apply([putClient("c", "secret")], "tester");
    const reading = readStoreAt(store);
    expect(await reading?.position()).to.deep.equal(position);
    await reading?.close();
    await writing.close();
  });

  it("a URL of any other form is refused without being repeated, since it may have a password", async () => {
    for (const url of ["postgres://user:hidden@host/db", "sqlite:", "verifier.db"]) {
      const { message } = await refusal(
        () => openStoreAt(at(url)),
        "unusable",
        /must be sqlite: and the name of a file/,
      );
      expect(message).not.to.include("hidden");
    }
  });
});

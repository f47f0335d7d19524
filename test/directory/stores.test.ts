import { expect } from "chai";
import { sqlDirectory } from "../../src/directory/sql/directory.js";
import { openStoreAt, readStoreAt } from "../../src/directory/stores.js";
import { applyTo, Bench, headOf, masterKeys, NOW, putClient, refusal } from "./support.js";

describe("the store at an address", () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.release());

  it("a file is made when it is opened to write, and not when it is opened to read", async () => {
    const options = {
      address: { engine: "sqlite" as const, file: bench.path },
      masterKeys: masterKeys(1),
      clock: () => NOW,
    };
    expect(await readStoreAt(options), "before it was made").to.equal(undefined);
    const writing = await openStoreAt(options);
    const position = await applyTo(sqlDirectory(writing), putClient("c", "secret"));
    const reading = await readStoreAt(options);
    if (reading === undefined) throw new Error("nothing to read");
    const directory = sqlDirectory(reading);
    expect(await headOf(directory)).to.deep.equal(position);
    await refusal(applyTo(directory, putClient("d", "secret")), "unusable", /opened for reading only/);
    await directory.close();
    await writing.engine.close();
  });
});

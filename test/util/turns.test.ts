import { expect } from "chai";
import { nextTurn } from "../../src/util/turns.js";

const immediate = () => new Promise((resolve) => setImmediate(resolve));

describe("nextTurn", () => {
  it("wakes one waiter in each turn of the event loop, in the order in which they came", async () => {
    const woken: string[] = [];
    const wait = async (name: string, times: number): Promise<void> => {
      for (let turn = 1; turn <= times; turn++) {
        await nextTurn();
        woken.push(`${name}${turn}`);
      }
    };
    const all = Promise.all([wait("a", 2), wait("b", 1), wait("c", 2)]);
    expect(woken).to.deep.equal([]);
    for (const expected of ["a1", "b1", "c1", "a2", "c2"]) {
      await immediate();
      expect(woken.at(-1)).to.equal(expected);
    }
    expect(woken).to.have.length(5);
    await all;
  });

  it("wakes a waiter that comes after all others were woken", async () => {
    await nextTurn();
    await nextTurn();
  });
});

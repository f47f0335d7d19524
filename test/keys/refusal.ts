import { expect } from "chai";
import { KeyError } from "../../src/keys/key.js";

/** Returns the error of a refused key; fails if the key is accepted or anything else is thrown. */
export function refusal(load: () => unknown): KeyError {
  try {
    load();
  } catch (error) {
    expect(error).to.be.instanceOf(KeyError);
    return error as KeyError;
  }
  throw new Error("the key was taken");
}

import { expect } from "chai";
import { KeyError } from "../../src/keys/key.js";

/** The error of a key that is refused; fails where it is taken, or where something else is thrown. */
export function refusal(load: () => unknown): KeyError {
  try {
    load();
  } catch (error) {
    expect(error).to.be.instanceOf(KeyError);
    return error as KeyError;
  }
  throw new Error("the key was taken");
}

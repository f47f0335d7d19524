import { type DescMessage, fromJson, type JsonValue, ScalarType, toBinary } from "@bufbuild/protobuf";
import { expect } from "chai";
import fc from "fast-check";
import { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { readMessage, UnreadableMessage } from "../../src/http/read-message.js";
import { readRegistry } from "../../src/wire/registry.js";

// Requests in JSON, against protobuf's own runtime: what we take, it takes, and for the same message.

const TYPE = readRegistry().getMessage("tokenverifier.v1.VerifyTokenRequest") as DescMessage;

/** The bytes of what a reader made of a value; undefined where it refused it. */
function ours(value: Record<string, unknown>): string | undefined {
  try {
    const fields = readMessage(TYPE, value) as Partial<VerifyTokenRequest>;
    const message = VerifyTokenRequest.fromPartial(fields);
    return Buffer.from(VerifyTokenRequest.encode(message).finish()).toString("hex");
  } catch (error) {
    if (error instanceof UnreadableMessage) return undefined;
    throw error;
  }
}

/** Null is as good as nothing, says the mapping; their runtime takes one in a oneof for a second member of it. */
function withoutNulls(type: DescMessage, value: Record<string, unknown>): Record<string, unknown> {
  const kept = Object.entries(value).filter(([name, member]) => member !== null || !names(type).includes(name));
  return Object.fromEntries(
    kept.map(([name, member]) => {
      const within = type.fields.find((field) => field.name === name || field.jsonName === name)?.message;
      const isObject = typeof member === "object" && member !== null && !Array.isArray(member);
      return [name, within && isObject ? withoutNulls(within, member as Record<string, unknown>) : member];
    }),
  );
}

function theirs(value: Record<string, unknown>): string | undefined {
  try {
    return Buffer.from(toBinary(TYPE, fromJson(TYPE, withoutNulls(TYPE, value) as JsonValue))).toString("hex");
  } catch {
    return undefined;
  }
}

const names = (type: DescMessage): string[] => [
  ...new Set(type.fields.flatMap(({ name, jsonName }) => [name, jsonName])),
];

const noise = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 3 }) },
  fc.constantFrom<unknown>(null, true, false, 0, 1, -1.5, [], {}, "true", ["a"], { a: 1 }),
);
const CREDENTIALS = TYPE.fields.find(({ name }) => name === "client_credentials")?.message as DescMessage;
const object = (type: DescMessage, value: fc.Arbitrary<unknown>): fc.Arbitrary<Record<string, unknown>> =>
  fc.dictionary(
    fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names(type)) }, fc.string({ maxLength: 5 })),
    value,
    {
      maxKeys: 4,
      noNullPrototype: true,
    },
  );
const requests = object(TYPE, fc.oneof({ weight: 2, arbitrary: noise }, object(CREDENTIALS, noise)));

/** Whether a field stands in an object by both its names, of which their runtime takes the last. */
function isDoubled(type: DescMessage, value: Record<string, unknown>): boolean {
  return type.fields.some(
    ({ name, jsonName }) => name !== jsonName && Object.hasOwn(value, name) && Object.hasOwn(value, jsonName),
  );
}

describe("readMessage", () => {
  it("agrees with protobuf's runtime, and refuses besides only what stands there twice", () => {
    let taken = 0;
    fc.assert(
      fc.property(requests, (value) => {
        const read = ours(value);
        if (read !== undefined) {
          taken++;
          expect(read).to.equal(theirs(value));
        } else if (theirs(value) !== undefined) {
          const within = [value["client_credentials"], value["clientCredentials"]].filter(
            (one): one is Record<string, unknown> => typeof one === "object" && one !== null,
          );
          expect(isDoubled(TYPE, value) || within.some((one) => isDoubled(CREDENTIALS, one))).to.equal(true);
        }
      }),
      { numRuns: 5000 },
    );
    expect(taken).to.be.greaterThan(500);
  });

  it("has a reader for every field of the request", () => {
    const check = (type: DescMessage): void => {
      for (const field of type.fields) {
        if (field.fieldKind === "message") check(field.message);
        else
          expect([field.fieldKind, field.scalar], field.toString()).to.be.deep.oneOf([
            ["scalar", ScalarType.STRING],
            ["scalar", ScalarType.BOOL],
          ]);
      }
    };
    check(TYPE);
  });

  it("says so where it has none", () => {
    const other = readRegistry().getMessage("tokenverifier.v1.Check") as DescMessage;
    expect(() => readMessage(other, { result: "CHECK_RESULT_PASSED" })).to.throw(TypeError, "no reader for the field");
  });
});

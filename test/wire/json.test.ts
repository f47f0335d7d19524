import { type DescMessage, fromBinary, fromJson, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { expect } from "chai";
import fc from "fast-check";
import { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Verified } from "../../src/contract/verifier.js";
import { readDescriptors } from "../../src/grpc/descriptors.js";
import { encodeVerdict } from "../../src/wire/answers.js";
import { requestFromJson, UnreadableMessage, verdictToJson } from "../../src/wire/json.js";
import { verdict } from "./arbitrary-verdict.js";

// Compares the contract's JSON with that of protobuf's own runtime, which uses the compiler's descriptors.

const { registry } = readDescriptors();
const REQUEST = registry.getMessage("tokenverifier.v1.VerifyTokenRequest") as DescMessage;
const RESPONSE = registry.getMessage("tokenverifier.v1.VerifyTokenResponse") as DescMessage;

/** Returns the bytes of the request that we read from a value, or undefined if we refuse it. */
function ours(value: Record<string, unknown>): string | undefined {
  try {
    const message = requestFromJson(Buffer.from(JSON.stringify(value)));
    return Buffer.from(VerifyTokenRequest.encode(message).finish()).toString("hex");
  } catch (error) {
    if (error instanceof UnreadableMessage) return undefined;
    throw error;
  }
}

/** Removes nulls, which the mapping treats as absent; protobuf's runtime counts a null in a oneof as a second member. */
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
    return Buffer.from(toBinary(REQUEST, fromJson(REQUEST, withoutNulls(REQUEST, value) as JsonValue))).toString("hex");
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
const CREDENTIALS = REQUEST.fields.find(({ name }) => name === "client_credentials")?.message as DescMessage;
const object = (type: DescMessage, value: fc.Arbitrary<unknown>): fc.Arbitrary<Record<string, unknown>> =>
  fc.dictionary(
    fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names(type)) }, fc.string({ maxLength: 5 })),
    value,
    {
      maxKeys: 4,
      noNullPrototype: true,
    },
  );
const requests = object(REQUEST, fc.oneof({ weight: 2, arbitrary: noise }, object(CREDENTIALS, noise)));

/** Returns whether an object has a field under both of its names, of which protobuf's runtime takes the last. */
function isDoubled(type: DescMessage, value: Record<string, unknown>): boolean {
  return type.fields.some(
    ({ name, jsonName }) => name !== jsonName && Object.hasOwn(value, name) && Object.hasOwn(value, jsonName),
  );
}

describe("a request in JSON", () => {
  it("a request in JSON reads as in protobuf's runtime, which also accepts a field under both of its names", () => {
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
          expect(isDoubled(REQUEST, value) || within.some((one) => isDoubled(CREDENTIALS, one))).to.equal(true);
        }
      }),
      { numRuns: 5000 },
    );
    expect(taken).to.be.greaterThan(500);
  });

  it("bytes in JSON are base64 in either alphabet, with padding or without", () => {
    const withBytes = (sha256: unknown): Record<string, unknown> => ({ proof: { clientCertificate: { sha256 } } });
    for (const good of ["", "AAAA", "AAA=", "AAA", "AA==", "AA", "+/+/", "-_-_", "AAAAAA"]) {
      expect(ours(withBytes(good)), good)
        .to.be.a("string")
        .that.equals(theirs(withBytes(good)));
    }
    for (const bad of ["A", "AAAAA", "A===", "AAA==", "AA=", "AAAA=", "AA AA", "AA\n", "é", "AA.A", 1, {}, true]) {
      expect(ours(withBytes(bad)), JSON.stringify(bad)).to.equal(undefined);
    }
    expect(() => requestFromJson(Buffer.from(JSON.stringify(withBytes(1))))).to.throw(
      'The member "sha256" of "clientCertificate" of "proof" must be bytes in base64.',
    );
    expect(() => requestFromJson(Buffer.from('{"proof":{"clientCertificate":{"sha256":"","der":""}}}'))).to.throw(
      'The members "sha256" and "der" of "clientCertificate" of "proof" exclude each other.',
    );
  });

  it("a request in JSON may have every field of the proto, under either of its names", () => {
    const sample = (type: DescMessage): [string, unknown][] =>
      type.fields.flatMap((field) => {
        const values = field.message ? sample(field.message).map((one) => Object.fromEntries([one])) : ["text", true];
        return [field.name, field.jsonName].flatMap((name) => values.map((value): [string, unknown] => [name, value]));
      });
    for (const one of sample(REQUEST)) {
      const value = Object.fromEntries([one]);
      expect(ours(value), JSON.stringify(value)).to.equal(theirs(value));
    }
  });
});

describe("a verdict in JSON", () => {
  it("a verdict's JSON is what protobuf's runtime writes for its bytes", () => {
    fc.assert(
      fc.property(verdict, (one) => {
        const written = JSON.stringify(verdictToJson(one));
        const reference = toJson(RESPONSE, fromBinary(RESPONSE, encodeVerdict(one)));
        expect(written).to.equal(JSON.stringify(reference));
      }),
      { numRuns: 500 },
    );
  });

  it("a verdict with a time outside the years 1 to 9999 is not written as JSON", () => {
    const [one] = fc.sample(
      verdict.filter((one): one is Verified => one.kind === "verified"),
      1,
    );
    if (one === undefined) expect.fail();
    for (const seconds of [253_402_300_800, -62_135_596_801, 2 ** 62, Number.NaN]) {
      const cacheableUntil = { seconds, nanos: 0 };
      const late = { ...one, evidence: { ...one.evidence, cacheableUntil } };
      expect(() => verdictToJson(late)).to.throw(RangeError, "outside the years 1 to 9999");
    }
  });
});

import { BinaryReader } from "@bufbuild/protobuf/wire";
import { expect } from "chai";
import fc from "fast-check";
import {
  BatchVerifyTokensRequest,
  StreamVerifyTokensRequest,
  VerifyTokenRequest,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import type { VerificationRequest } from "../../src/contract/verifier.js";
import { Secret } from "../../src/util/secret.js";
import { requestFromWire } from "../../src/wire/messages.js";
import { strictReader } from "../../src/wire/protobuf.js";
import { readBatch, readRequest, readStreamMessage, withWorkload } from "../../src/wire/requests.js";

// The generated code is the reference: what it reads, the reader of requests reads, and what it refuses is refused.

/** Most requests of a list in these tests, and the fields that a reader then admits. */
const MOST = 4;
const MOST_FIELDS = 1000 + 16 * MOST;

const REFUSED = "refused";

/** A request with its secrets in the clear, so that two can be compared. */
function revealed({ token, credential, proof, ...rest }: VerificationRequest): unknown {
  const { dpop, clientCertificate } = proof ?? {};
  return {
    ...rest,
    token: token.reveal(),
    credential: credential && JSON.parse(JSON.stringify(credential, reveal)),
    proof: proof && {
      dpop: dpop && { ...dpop, proof: dpop.proof.reveal() },
      clientCertificate: clientCertificate && {
        form: clientCertificate.form,
        bytes: Buffer.from(clientCertificate.bytes).toString("hex"),
      },
    },
  };
}

function reveal(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const own = this[key];
  return own instanceof Secret ? own.reveal() : value;
}

function orRefused<Value>(read: () => Value): Value | typeof REFUSED {
  try {
    return read();
  } catch {
    return REFUSED;
  }
}

const ours = {
  request: (bytes: Buffer) => orRefused(() => revealed(readRequest(bytes))),
  batch: (bytes: Buffer) => orRefused(() => listed(readBatch(bytes, MOST))),
  stream: (bytes: Buffer) =>
    orRefused(() => {
      const { id, requests } = readStreamMessage(bytes, MOST);
      return { id, requests: listed(requests) };
    }),
};

const listed = (requests: readonly VerificationRequest[]) =>
  requests.length > MOST ? "too many" : requests.map(revealed);

const reference = {
  request: (bytes: Buffer) =>
    orRefused(() => revealed(requestFromWire(VerifyTokenRequest.decode(strictReader(bytes))))),
  batch: (bytes: Buffer) =>
    orRefused(() => {
      if (hasTooMany(bytes, 1)) return "too many";
      const { requests } = BatchVerifyTokensRequest.decode(strictReader(bytes, MOST_FIELDS));
      return listed(requests.map((one) => requestFromWire(one)));
    }),
  stream: (bytes: Buffer) =>
    orRefused(() => {
      if (hasTooMany(bytes, 2)) return { id: "", requests: "too many" };
      const { id, requests } = StreamVerifyTokensRequest.decode(strictReader(bytes, MOST_FIELDS));
      return { id, requests: listed(requests.map((one) => requestFromWire(one))) };
    }),
};

/** Whether a message has too many fields of a number before the first one that cannot be read. */
function hasTooMany(bytes: Buffer, field: number): boolean {
  // Such a short message can only have too many if it has empty ones, which are decoded.
  if (bytes.length <= 2 * MOST) return false;
  const reader = new BinaryReader(bytes);
  for (let count = 0; reader.pos < reader.len; ) {
    const [number, wireType] = reader.tag();
    if (number === field && ++count > MOST) return true;
    reader.skip(wireType, number);
  }
  return false;
}

type Kind = keyof typeof ours;
const KINDS: readonly Kind[] = ["request", "batch", "stream"];

function expectSame(kind: Kind, bytes: Buffer): void {
  expect(ours[kind](bytes), bytes.toString("hex")).to.deep.equal(reference[kind](bytes));
}

/** A varint, with so many bytes more than it needs. */
function varint(value: number, extra = 0): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  for (let index = 0; index < extra; index++) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 128;
    bytes.push(0);
  }
  return Buffer.from(bytes);
}

const delimited = (number: number, content: Uint8Array): Buffer =>
  Buffer.concat([varint(number * 8 + 2), varint(content.length), content]);
const flag = (number: number, ...value: number[]): Buffer => Buffer.concat([varint(number * 8), Buffer.from(value)]);

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.constantFrom("", "clowk", "realm-a", "realm-b", "a".repeat(63), "é".repeat(32), "a".repeat(65), "x".repeat(300)),
);
const textBytes = text.map((value) => Buffer.from(value));
const badBytes = fc
  .constantFrom("ff", "c080", "eda080", "f4908080", "e282", "efbfbd", "61ff")
  .map((hex) => Buffer.from(hex, "hex"));
const stringBytes = fc.oneof({ arbitrary: textBytes, weight: 12 }, { arbitrary: badBytes, weight: 1 });

/** A field that no message has, or a known one of another wire type, or no field at all. */
const oddField = fc.oneof(
  fc.constantFrom(7, 15, 16, 100, 2 ** 28).chain((number) => stringBytes.map((content) => delimited(number, content))),
  fc.integer({ min: 1, max: 9 }).map((number) => flag(number, 1)),
  fc.integer({ min: 1, max: 9 }).map((number) => Buffer.concat([varint(number * 8 + 1), Buffer.alloc(8)])),
  fc.integer({ min: 1, max: 9 }).map((number) => Buffer.concat([varint(number * 8 + 5), Buffer.alloc(4)])),
  // Groups: empty, with a field, nested, closed by another number, and never closed.
  fc
    .constantFrom("0b0c", "0b08010c", "0b131414 0c", "0b14", "0b", "0c", "3b3c")
    .map((hex) => Buffer.from(hex.replaceAll(" ", ""), "hex")),
  // Field 0, wire types 6 and 7, tags and values that are too long.
  fc
    .constantFrom(
      "00",
      "02",
      "0200",
      "0e",
      "0f",
      "8a8080808000",
      "8a80808080808080808001",
      "ffffffff7f",
      "28ffffffffffffffffffff01",
      "2880808080808080808001",
    )
    .map((hex) => Buffer.from(hex, "hex")),
);

/** A field whose tag or length is longer than it need be. */
const overlong = (number: number, content: Buffer) =>
  fc
    .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 9 }))
    .map(([tag, length]) => Buffer.concat([varint(number * 8 + 2, tag), varint(content.length, length), content]));

/** A delimited field, sometimes of odd spelling or of a length that does not fit. */
const spelled = (number: number, content: Buffer): fc.Arbitrary<Buffer> =>
  fc.oneof(
    { arbitrary: fc.constant(delimited(number, content)), weight: 30 },
    { arbitrary: overlong(number, content), weight: 1 },
    {
      arbitrary: fc
        .integer({ min: -3, max: 3 })
        .map((by) => Buffer.concat([varint(number * 8 + 2), varint(Math.max(0, content.length + by)), content])),
      weight: 1,
    },
  );

type FieldOf = fc.Arbitrary<Buffer>;

/** A message of these fields: mostly each at most once and in order, sometimes in any order and number, with odd ones between. */
function messageOf(fields: readonly FieldOf[]): fc.Arbitrary<Buffer> {
  const plain = fc
    .tuple(...fields.map((field) => fc.option(field, { nil: Buffer.alloc(0) })))
    .map((parts) => Buffer.concat(parts));
  const wild = fc
    .array(fc.oneof({ arbitrary: fc.oneof(...fields), weight: 4 }, { arbitrary: oddField, weight: 1 }), {
      maxLength: 6,
    })
    .map((parts) => Buffer.concat(parts));
  return fc.oneof({ arbitrary: plain, weight: 3 }, { arbitrary: wild, weight: 1 });
}

const string = (number: number): FieldOf => stringBytes.chain((content) => spelled(number, content));
const nested = (number: number, message: fc.Arbitrary<Buffer>): FieldOf =>
  message.chain((content) => spelled(number, content));
const bool = (number: number): FieldOf =>
  fc.oneof(
    { arbitrary: fc.constantFrom(0, 1, 127).map((value) => flag(number, value)), weight: 5 },
    {
      arbitrary: fc.constantFrom([128, 0], [128, 1], [128, 128, 2], [255]).map((value) => flag(number, ...value)),
      weight: 1,
    },
  );

const request = messageOf([
  string(1),
  string(2),
  fc.oneof(string(3), nested(4, messageOf([string(1), string(2)]))),
  bool(5),
  nested(
    6,
    messageOf([
      nested(1, messageOf([string(1), string(2), string(3), bool(4)])),
      nested(2, messageOf([fc.oneof(string(1), string(2))])),
    ]),
  ),
]);
const list = (number: number) =>
  fc
    .array(fc.oneof({ arbitrary: nested(number, request), weight: 12 }, { arbitrary: oddField, weight: 1 }), {
      maxLength: MOST + 2,
    })
    .map((parts) => Buffer.concat(parts));
const MESSAGES: Readonly<Record<Kind, fc.Arbitrary<Buffer>>> = {
  request,
  batch: list(1),
  stream: fc.oneof(
    fc.tuple(string(1), list(2)).map((parts) => Buffer.concat(parts)),
    fc.tuple(list(2), string(1)).map((parts) => Buffer.concat(parts)),
    list(2),
  ),
};

/** Changes bytes: one is set, dropped or added, a piece is repeated or cut off. */
const mutation = fc
  .tuple(fc.constantFrom("set", "flip", "drop", "add", "repeat", "cut"), fc.nat(), fc.nat(255))
  .map(([what, where, value]) => (bytes: Buffer): Buffer => {
    const at = bytes.length === 0 ? 0 : where % bytes.length;
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
    const one = Buffer.from([what === "flip" ? (tail[0] ?? 0) ^ (1 << (value & 7)) : value]);
    if (what === "cut") return head;
    if (what === "drop") return Buffer.concat([head, tail.subarray(1)]);
    if (what === "add") return Buffer.concat([head, one, tail]);
    if (what === "repeat") return Buffer.concat([head, tail, tail]);
    return Buffer.concat([head, one, tail.subarray(1)]);
  });

describe("reading requests", () => {
  for (const kind of KINDS) {
    it(`a ${kind} of any fields reads as the generated code reads it, or is refused as there`, () => {
      fc.assert(
        fc.property(MESSAGES[kind], (bytes) => expectSame(kind, bytes)),
        { numRuns: 3_000 },
      );
    });

    it(`a ${kind} of mutated bytes reads as the generated code reads it, or is refused as there`, () => {
      fc.assert(
        fc.property(MESSAGES[kind], fc.array(mutation, { minLength: 1, maxLength: 4 }), (bytes, mutations) =>
          expectSame(
            kind,
            mutations.reduce((changed, mutate) => mutate(changed), bytes),
          ),
        ),
        { numRuns: 5_000 },
      );
    });
  }

  const [realm, token, key] = [
    delimited(1, Buffer.from("r")),
    delimited(2, Buffer.from("t")),
    delimited(3, Buffer.from("k")),
  ];
  const clientOf = (...parts: Buffer[]): Buffer => delimited(4, Buffer.concat(parts));
  const HAND_MADE: Readonly<Record<string, readonly Buffer[]>> = {
    nothing: [],
    "a realm twice": [realm, delimited(1, Buffer.from("s")), token],
    "two members of the oneof": [realm, token, key, clientOf(realm)],
    "the same member of the oneof twice": [
      clientOf(delimited(1, Buffer.from("a"))),
      clientOf(delimited(2, Buffer.from("b"))),
    ],
    "the oneof's members in turn": [
      clientOf(delimited(1, Buffer.from("a"))),
      key,
      clientOf(delimited(2, Buffer.from("b"))),
    ],
    "a proof twice": [delimited(6, delimited(1, token)), delimited(6, delimited(2, token))],
    "an empty proof": [delimited(6, Buffer.alloc(0))],
    "a certificate without a form": [delimited(6, delimited(2, Buffer.alloc(0)))],
    "a certificate of both forms": [delimited(6, delimited(2, Buffer.concat([realm, token])))],
    "explain twice": [flag(5, 1), flag(5, 0)],
    "explain at the end without a value": [flag(5)],
    "explain of eleven bytes": [flag(5, ...Array<number>(10).fill(255), 1)],
    "a token that is not UTF-8": [delimited(2, Buffer.from([0xff]))],
    "a token that holds the sign for bad bytes": [delimited(2, Buffer.from("\ufffd"))],
    "a token of other letters": [delimited(2, Buffer.from("é€😀"))],
    "a token as long as a length of four bytes takes": [delimited(2, Buffer.alloc(2 ** 21, "a"))],
    "a token that reaches past the end": [Buffer.from([0x12, 5, 97])],
    "a client that reaches past its end": [Buffer.from([0x22, 2, 0x0a, 5, 97, 98, 99, 100, 101])],
    "field 0": [realm, Buffer.from([0])],
    "an end of a group": [realm, Buffer.from([0x0c]), token],
    "1000 fields": Array<Buffer>(1000).fill(realm),
    "1001 fields": Array<Buffer>(1001).fill(realm),
    "1001 unknown fields": Array<Buffer>(1001).fill(flag(9, 0)),
  };
  for (const [name, parts] of Object.entries(HAND_MADE)) {
    it(`a request with ${name} reads as the generated code reads it, alone and in a list`, () => {
      const bytes = Buffer.concat(parts);
      expectSame("request", bytes);
      const plain = Buffer.concat([realm, token]);
      for (const [kind, number] of [
        ["batch", 1],
        ["stream", 2],
      ] as const) {
        expectSame(kind, delimited(number, bytes));
        expectSame(kind, Buffer.concat([plain, bytes, plain].map((one) => delimited(number, one))));
      }
    });
  }

  it("names of realms that differ in one letter are not mistaken for each other", () => {
    const names = ["realm", "reelm", "roalm", "ralem", "Realm", "realn", "", "r", "rm", "\u0100", "\u0101"];
    for (const name of [...names, ...names.toReversed(), ...names]) {
      const { realm: read } = readRequest(delimited(1, Buffer.from(name)));
      expect(read).to.equal(name);
    }
  });

  it("requests in a row with the same credential share one object for it, and others do not", () => {
    const other = delimited(3, Buffer.from("l"));
    const parts = [key, key, other, clientOf(realm), clientOf(realm), clientOf(token), token];
    const requests = readBatch(Buffer.concat(parts.map((one) => delimited(1, one))), 10);
    const credentials = requests.map(({ credential }) => credential);
    expect(credentials[0]).to.equal(credentials[1]);
    expect(credentials[3]).to.equal(credentials[4]);
    expect(new Set(credentials)).to.have.property("size", 5);
    expect(credentials[6]).to.equal(undefined);
  });

  it("a list that is too long is read no further than one request more, and its id is empty", () => {
    const list = (number: number, count: number) =>
      Buffer.concat(Array.from({ length: count }, () => delimited(number, token)));
    const bad = Buffer.from([0xff]);
    expect(readBatch(Buffer.concat([list(1, MOST + 1), bad]), MOST)).to.have.length(MOST + 1);
    const { id, requests } = readStreamMessage(Buffer.concat([delimited(1, realm), list(2, MOST + 1), bad]), MOST);
    expect([id, requests.length]).to.deep.equal(["", MOST + 1]);
    expect(() => readBatch(Buffer.concat([list(1, MOST), bad]), MOST)).to.throw();
  });

  it("a request has the names in the certificate of its connection, and otherwise is the same", () => {
    const request = readRequest(token);
    expect(withWorkload(request, ["DNS:a"])).to.deep.equal({ ...request, workload: ["DNS:a"] });
    expect(withWorkload(request, undefined)).to.equal(request);
  });
});

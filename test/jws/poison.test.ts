import { readdirSync, readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { expect } from "chai";
import fc from "fast-check";
import { deriveMasterKeys } from "../../src/directory/master-keys.js";
import { readJsonLines } from "../../src/directory/transfer/json-lines.js";
import { readCompact, readJwt, unverifiedIssuer } from "../../src/jws/compact.js";
import { readJson, readObject } from "../../src/jws/json.js";
import { jsonProblem } from "../../src/jws/json-problem.js";
import { memberText } from "../../src/jws/raw-text.js";
import { readDocument } from "../../src/keys/remote/answer.js";
import { Secret } from "../../src/util/secret.js";
import { requestFromJson } from "../../src/wire/json.js";
import { POISONS, poison } from "../support/poison.js";
import { anyObject, hasDouble, treeValue, whimsical, write } from "./json-tree.js";

// JSON.parse misreads escaped names once it has seen a name that ends in a backslash (test/support/poison.ts). Every
// reader of untrusted text is tested here after that, in the same process.

const NODE = Number.parseInt(process.versions.node, 10);

const TEXT = '{"iss":"x","ex\\u0070":1,"\\u0061":{"b\\u0063":[{"d\\u0065":true}]}}';
const VALUE = { iss: "x", exp: 1, a: { bc: [{ de: true }] } };
const encode = (text: string): string => Buffer.from(text).toString("base64url");

const KEYS = deriveMasterKeys([new Secret(Buffer.alloc(32, 1).toString("base64"))]);

/** Each reader, with a text and the result it must return. */
const READERS: Readonly<Record<string, readonly [read: () => unknown, expected: unknown]>> = {
  readObject: [() => readObject(Buffer.from(TEXT)), { text: TEXT, value: VALUE }],
  readJson: [() => readJson(Buffer.from(`[${TEXT}]`)), [VALUE]],
  "readJson, of a duplicate": [() => readJson(Buffer.from('{"iss":"x","exp":2,"ex\\u0070":1}')), { iss: "x", exp: 1 }],
  "readObject, of a duplicate": [() => readObject(Buffer.from('{"iss":"x","exp":2,"ex\\u0070":1}')), undefined],
  jsonProblem: [
    () => jsonProblem(Buffer.from('{"iss":"x","exp":2,"ex\\u0070":1}')),
    'The member "exp" appears twice in one object.',
  ],
  "readCompact, of a header": [
    () => {
      const jws = readCompact(`${encode('{"typ":"JWT","al\\u0067":"HS256"}')}.e30.`, { ignoreHeaders: new Set() });
      return jws.ok && jws.header;
    },
    { typ: "JWT", alg: "HS256" },
  ],
  "readCompact, of a refused header": [
    () => readCompact(`${encode('{"alg":"HS256","jk\\u0075":"x"}')}.e30.`, { ignoreHeaders: new Set() }),
    { ok: false, reason: "HEADER_REFUSED", claim: "jku" },
  ],
  "readJwt, of claims": [
    () => {
      const jwt = readJwt(`e30.${encode(TEXT)}.`, { ignoreHeaders: new Set() });
      return jwt.ok && jwt.claims;
    },
    VALUE,
  ],
  unverifiedIssuer: [() => unverifiedIssuer(`e30.${encode('{"sub":"x","is\\u0073":"y"}')}.`), "y"],
  memberText: [() => memberText(TEXT, "exp"), "1"],
  "memberText, of what is deeper": [() => memberText(TEXT, "a"), '{"bc":[{"de":true}]}'],
  "readDocument, of an issuer's keys": [
    () => readDocument(Buffer.from('{"x":1,"key\\u0073":[]}'), "keys"),
    { x: 1, keys: [] },
  ],
  "readJsonLines, of an import": [
    async () => {
      const line = '{"user":{"instance":"i","i\\u0064":"u","emai\\u006c":"e@example.com"}}';
      for await (const read of readJsonLines(Readable.from([Buffer.from(line)]), KEYS)) return read;
      return undefined;
    },
    {
      line: 1,
      entry: {
        kind: "putUser",
        instanceId: "i",
        id: "u",
        email: "e@example.com",
        name: null,
        avatarUrl: null,
        provider: null,
      },
    },
  ],
  requestFromJson: [
    () => {
      const { realm, token } = requestFromJson(Buffer.from('{"realm":"a","toke\\u006e":"b"}'));
      return { realm, token };
    },
    { realm: "a", token: "b" },
  ],
};

/**
 * The uses of JSON.parse in src, none of untrusted objects: package.json, a string literal that Node wrote, and rows
 * whose member names this program wrote.
 */
const TRUSTED = [
  "directory/feed.ts",
  "directory/sql/import-revocations.ts",
  "directory/sql/key-sets.ts",
  "directory/sql/replicas.ts",
  "directory/sql/write.ts",
  "util/version.ts",
  "util/workload-names.ts",
];

describe("readers after JSON.parse is poisoned", () => {
  beforeEach(poison);

  it("JSON.parse misreads an escaped name on Node 24 and later once it is poisoned", () => {
    JSON.parse(POISONS[0] ?? "");
    const exp = (JSON.parse('{"iss":"x","ex\\u0070":1}') as { exp?: number }).exp;
    expect(exp).to.equal(NODE >= 24 ? undefined : 1);
  });

  for (const [name, [read, expected]] of Object.entries(READERS)) {
    it(`${name} reads escaped names right`, async () => {
      for (const text of POISONS) {
        JSON.parse(text);
        expect(await read(), text).to.deep.equal(expected);
      }
    });
  }

  it("readObject and readJson read every name right, even after they read the poison themselves", () => {
    const names = fc.array(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(names, anyObject, fc.infiniteStream(fc.boolean()), (endings, tree, whims) => {
        for (const name of endings) {
          const poisonous = `{${JSON.stringify(`${name}\\`)}:0}`;
          JSON.parse(poisonous);
          expect(readObject(Buffer.from(poisonous))?.value).to.deep.equal({ [`${name}\\`]: 0 });
        }
        const bytes = Buffer.from(
          write(
            tree,
            whimsical(() => whims.next().value as boolean),
          ),
        );
        expect(readJson(bytes)).to.deep.equal(treeValue(tree));
        expect(readObject(bytes)?.value).to.deep.equal(hasDouble(tree) ? undefined : treeValue(tree));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("JSON.parse", () => {
  it("JSON.parse reads only text that this program or Node wrote", () => {
    const src = new URL("../../src/", import.meta.url);
    const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
    const users = files.filter((file) => /JSON\.parse\(/.test(readFileSync(new URL(file, src), "utf8")));
    expect(users.map((file) => file.replaceAll("\\", "/")).sort()).to.deep.equal(TRUSTED);
  });
});

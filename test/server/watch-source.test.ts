import { createSecretKey } from "node:crypto";
import { expect } from "chai";
import type { WatchEvent } from "../../src/contract/watch.js";
import { noDirectory } from "../../src/directory/directory.js";
import type { Touched } from "../../src/directory/feed.js";
import { buildRealms } from "../../src/server/realms.js";
import { createWatchSource } from "../../src/server/watch-source.js";
import { makeFolder } from "../support/deployment.js";
import { revocationOf } from "../support/revoke.js";
import { STATIC_KEYS } from "../support/view.js";

const partner = (more = ""): string => `
masterKey: \${MASTER_KEY}
realms:
  partner: { algorithms: [ES256, HS256], issuer: https://a.example, audience: null, callers: clients, keys: [{ pemFile: ./p256.pem, kid: k }, { secret: "\${hs256}" }]${more} }
  other: { algorithms: [ES256], issuer: https://b.example, audience: null, keys: [{ pemFile: ./p256.pem }] }
  any: { byIssuer: [other] }
  clowk: { preset: clowk }
`;

const ROOT = createSecretKey(Buffer.alloc(32, "r"));

/** The source of the realms of a configuration. */
function sourceOf(configuration: string, root = ROOT) {
  const folder = makeFolder(configuration);
  folder.remove();
  const { realms } = buildRealms(folder.config.realms, STATIC_KEYS, [], () => undefined, root);
  const directory = { ...noDirectory, position: { number: 3, mark: "AAAAAAAAAAAAAAAAAAAAAA" } };
  return createWatchSource({ realms: () => realms, directory, digestRoot: Buffer.alloc(32), clock: () => 0 });
}

/** What a source tells of changes. */
function told(touched: Touched): WatchEvent[] {
  const source = sourceOf(partner());
  const events: WatchEvent[] = [];
  source.onChange((event) => events.push(event));
  source.take({ kind: "changes", changes: [{ ...touched, number: 1, mark: "m" }] });
  expect(events.pop()).to.have.property("kind", "position");
  return events;
}

describe("what watchers are told of a service", () => {
  it("realms may be watched whose callers are known, unless they route or say otherwise", () => {
    const source = sourceOf(partner());
    const isOpen = (name: string): boolean | undefined => source.realm(name)?.isOpen;
    expect(["partner", "other", "any", "clowk", "none"].map(isOpen)).to.deep.equal([
      true,
      false,
      false,
      true,
      undefined,
    ]);
    expect(sourceOf(partner(", watch: nobody")).realm("partner")?.isOpen).to.equal(false);
  });

  it("a realm's version is the same in every process with equal settings, and differs with any of them", () => {
    const version = (more?: string): string | undefined => sourceOf(partner(more)).realm("partner")?.version;
    expect(version()).to.equal(version());
    expect(version(", clockTolerance: 5s")).not.to.equal(version());
  });

  it("keys have the same names in every process on one store; those of secrets differ at another store", () => {
    const names = (root?: typeof ROOT) => sourceOf(partner(), root).realm("partner")?.trustedKeys;
    const [publicKey, secret] = names() ?? [];
    expect(names()).to.deep.equal([publicKey, secret]);
    const [samePublic, otherSecret] = names(createSecretKey(Buffer.alloc(32, "s"))) ?? [];
    expect(samePublic).to.equal(publicKey);
    expect(otherSecret).not.to.equal(secret);
  });

  it("a key is found by its kid and by its thumbprint, and an instance's keys by neither", () => {
    const source = sourceOf(partner());
    const { trustedKeys = [], keysNamed = () => undefined } = source.realm("partner") ?? {};
    expect(keysNamed("k")).to.deep.equal([trustedKeys[0]]);
    expect(keysNamed("unknown")).to.deep.equal([]);
    expect(source.realm("clowk")?.keysNamed("k")).to.equal(undefined);
  });

  it("a realm that did not change is the same object", () => {
    const source = sourceOf(partner());
    expect(source.realm("partner")).to.equal(source.realm("partner"));
  });

  const CHANGES: Readonly<Record<string, readonly [change: Touched, events: readonly object[]]>> = {
    "a user": [
      { kind: "user", instanceId: "i", userId: "u" },
      [{ kind: "subjects", selectors: [{ kind: "subject", value: "u" }] }],
    ],
    "an instance": [
      { kind: "instance", instanceId: "i" },
      [{ kind: "subjects", selectors: [{ kind: "instance", value: "i" }] }, { kind: "callers" }],
    ],
    "a client": [{ kind: "client", clientId: "c" }, [{ kind: "callers" }]],
    "revocations, by realm and time": [
      {
        kind: "revoked",
        revocations: [
          revocationOf({ realm: "partner", kind: "jti", value: "j", issuer: "https://a.example" }),
          revocationOf({ realm: "partner", kind: "subject", value: "s" }, 5),
          revocationOf({ realm: "partner", kind: "session", value: "x" }, 5),
          revocationOf({ realm: "", kind: "digest", value: "d" }),
        ],
      },
      [
        { kind: "revoked", realm: "partner", selectors: [{ kind: "jti", value: "j" }], issuedBefore: null },
        {
          kind: "revoked",
          realm: "partner",
          selectors: [
            { kind: "subject", value: "s" },
            { kind: "session", value: "x" },
          ],
          issuedBefore: 5,
        },
        { kind: "revoked", realm: undefined, selectors: [{ kind: "digest", value: "d" }], issuedBefore: null },
      ],
    ],
    "revocations taken back": [
      { kind: "unrevoked", selectors: [{ realm: "partner", kind: "key", value: "k" }] },
      [{ kind: "unrevoked", realm: "partner", selectors: [{ kind: "key", value: "k" }] }],
    ],
    "an import": [{ kind: "reset" }, [{ kind: "reset" }]],
    "an import of revocations": [{ kind: "reset-revocations" }, [{ kind: "reset" }]],
  };
  for (const [what, [change, events]] of Object.entries(CHANGES)) {
    it(`watchers are told of ${what}`, () => expect(told(change)).to.deep.equal(events));
  }

  it("each commit is followed by its position, and what it changed comes before it", () => {
    const source = sourceOf(partner());
    const events: WatchEvent[] = [];
    source.onChange((event) => events.push(event));
    const user = { kind: "user", instanceId: "i", userId: "u" } as const;
    source.take({
      kind: "changes",
      changes: [
        { ...user, number: 1, mark: "a" },
        { kind: "client", clientId: "c", number: 2, mark: "a" },
        { ...user, number: 3, mark: "b" },
      ],
    });
    expect(events.map((event) => (event.kind === "position" ? event.position : event.kind))).to.deep.equal([
      "subjects",
      "callers",
      { number: 2, mark: "a" },
      "subjects",
      { number: 3, mark: "b" },
    ]);
  });

  it("another history is a reset, followed by its position", () => {
    const source = sourceOf(partner());
    const kinds: string[] = [];
    source.onChange(({ kind }) => kinds.push(kind));
    source.take({ kind: "restart" });
    source.take({ kind: "caughtUp", now: 0, steady: 0 });
    expect(kinds).to.deep.equal(["reset", "position"]);
  });
});

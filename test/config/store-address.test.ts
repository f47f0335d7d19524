import { expect } from "chai";
import { certify, pki } from "../support/certificates.js";
import { type Files, load, wrongs } from "./harness.js";

// Where the store is, as a configuration says it.

const { authority, server } = pki();
const FILES: Files = {
  "ca.pem": authority.cert,
  "db.pem": server.cert,
  "db.key": server.key,
  "other.pem": certify("x").cert,
};
const EXAMPLE = "sqlite:./data/verifier.db or postgres://token_verifier@db.example:5432/verifier";

/** A configuration with its store written so. */
const config = (store: string): string => `store: ${store}\nrealms: {}\n`;
const addressOf = (store: string) => load(config(store), FILES).store.address;
const issuesOf = (store: string): string[] => wrongs(() => load(config(store), FILES));

/** What of an address is compared: no password as text, and of TLS only the name that is checked. */
function summary(store: string): Readonly<Record<string, unknown>> {
  const address = addressOf(store);
  if (address.engine === "sqlite") return address;
  const { tls, password, passwordFile, ...rest } = address;
  return {
    ...rest,
    ...(password && { password: password.reveal() }),
    ...(passwordFile && { passwordFile: passwordFile.split("/").at(-1) }),
    tls: tls?.serverName ?? "off",
  };
}

const REMOTE = {
  engine: "postgres",
  host: "db.example",
  port: 5432,
  database: "verifier",
  user: "u",
  schema: "token_verifier",
  pool: 4,
  tls: "db.example",
};

const GOOD: readonly (readonly [what: string, store: string, expected: Readonly<Record<string, unknown>>])[] = [
  ["a database with all defaults", "postgres://u@db.example/verifier", REMOTE],
  ["the other name of the scheme", "postgresql://u@db.example/verifier", REMOTE],
  ["a port", "postgres://u@db.example:6432/verifier", { ...REMOTE, port: 6432 }],
  ["a password in the URL", "postgres://u:secret@db.example/verifier", { ...REMOTE, password: "secret" }],
  [
    "special characters in percent encoding",
    "postgres://us%40er:p%40%2F%3A%25@db.example/data%20base",
    { ...REMOTE, user: "us@er", password: "p@/:%", database: "data base" },
  ],
  ["a user of its own", "{ url: postgres://db.example/verifier, user: u }", REMOTE],
  ["a user over the URL's", "{ url: postgres://x@db.example/verifier, user: u }", REMOTE],
  ["a password", "{ url: postgres://u@db.example/verifier, password: secret }", { ...REMOTE, password: "secret" }],
  [
    "a file with the password, which is not read now",
    "{ url: postgres://u@db.example/verifier, passwordFile: ./not-there.password }",
    { ...REMOTE, passwordFile: "not-there.password" },
  ],
  [
    "a schema and a pool",
    "{ url: postgres://u@db.example/verifier, schema: mine, pool: 9 }",
    { ...REMOTE, schema: "mine", pool: 9 },
  ],
  ["verify-full, which is what is done", "postgres://u@db.example/verifier?sslmode=verify-full", REMOTE],
  ["TLS off on purpose", "{ url: postgres://u@db.example/verifier, tls: off }", { ...REMOTE, tls: "off" }],
  [
    "a name that the certificate must have",
    "{ url: postgres://u@192.0.2.1/verifier, tls: { serverName: db.example, caFile: ./ca.pem } }",
    { ...REMOTE, host: "192.0.2.1" },
  ],
  ...["localhost", "127.0.0.1", "127.9.9.9"].map(
    (host) => [`${host} without TLS`, `postgres://u@${host}/verifier`, { ...REMOTE, host, tls: "off" }] as const,
  ),
  ["::1 without TLS", "'postgres://u@[::1]:5432/verifier'", { ...REMOTE, host: "::1", tls: "off" }],
  [
    "the folder of a unix socket, without TLS",
    "postgres://u@%2Frun%2Fpostgresql/verifier",
    { ...REMOTE, host: "/run/postgresql", tls: "off" },
  ],
  [
    "TLS to this machine on purpose",
    "{ url: postgres://u@localhost/verifier, tls: {} }",
    { ...REMOTE, host: "localhost", tls: "localhost" },
  ],
];

const URL_OF = "postgres://u@db.example/verifier";
const BAD: readonly (readonly [what: string, store: string, issue: string])[] = [
  ["another scheme", "mysql://u@db.example/verifier", `store: must be ${EXAMPLE}`],
  ["a name alone", "verifier.db", `store: must be ${EXAMPLE}`],
  ["sqlite without a file", "'sqlite:'", `store: must be ${EXAMPLE}`],
  [
    "several hosts",
    "postgres://u@one.example,two.example/verifier",
    "store: names several hosts: give one name that follows the primary",
  ],
  [
    "a password that is not escaped",
    "postgres://u:a/b@db.example/verifier",
    `store: is no URL: write it as ${EXAMPLE}, and special characters of the password in percent encoding`,
  ],
  [
    "a port that is none",
    "postgres://u@db.example:99999/verifier",
    `store: is no URL: write it as ${EXAMPLE}, and special characters of the password in percent encoding`,
  ],
  [
    "a lone percent sign",
    "postgres://u:100%@db.example/verifier",
    "store: has a `%` that begins no escape: write it as %25",
  ],
  ["no host", "postgres:///verifier", `store: names no host: write it as ${EXAMPLE}`],
  ["no database", "postgres://u@db.example", `store: names no database: write it as ${EXAMPLE}`],
  ["no database, with a slash", "postgres://u@db.example/", `store: names no database: write it as ${EXAMPLE}`],
  ["no user", "postgres://db.example/verifier", "store.user: is missing: name the database's user here or in the URL"],
  ...["require", "prefer", "disable", "verify-ca"].map(
    (mode) =>
      [
        `sslmode=${mode}`,
        `${URL_OF}?sslmode=${mode}`,
        "store: has the parameter sslmode, whose weaker values check no certificate: leave it out, and use store.tls",
      ] as const,
  ),
  [
    "another parameter",
    `${URL_OF}?options=-csearch_path%3Dx`,
    "store: has a parameter after `?`: leave it out; the long form of store has keys for what is needed",
  ],
  ...[
    `{ url: postgres://u:p@db.example/verifier, password: q }`,
    `{ url: postgres://u:p@db.example/verifier, passwordFile: ./f }`,
    `{ url: ${URL_OF}, password: q, passwordFile: ./f }`,
  ].map(
    (store, index) =>
      [
        `two passwords (${index + 1})`,
        store,
        "store: has more than one of a password in the URL, store.password and store.passwordFile: give one",
      ] as const,
  ),
  ...["user: u", "password: p", "passwordFile: ./p", "schema: s", "tls: off", "pool: 3", "maxClockOffset: 3s"].map(
    (key) =>
      [
        `${key} with a file`,
        `{ url: "sqlite:./x.db", ${key} }`,
        `store.${key.split(":")[0]}: belongs to a postgres: store; a file needs none`,
      ] as const,
  ),
];

describe("the address of the store", () => {
  for (const [what, store, expected] of GOOD) {
    it(`${what} is taken`, () => expect(summary(store)).to.deep.equal(expected));
  }

  for (const [what, store, issue] of BAD) {
    it(`${what} is refused, with what would be right`, () => {
      const [found, ...more] = issuesOf(store);
      expect(found).to.equal(issue);
      expect(more).to.deep.equal([]);
    });
  }

  it("an authority and a certificate of this client are read, and must be usable", () => {
    const tls = (files: string): string => `{ url: ${URL_OF}, tls: { ${files} } }`;
    const address = addressOf(tls("caFile: ./ca.pem, certFile: ./db.pem, keyFile: ./db.key"));
    expect(address.engine === "postgres" && address.tls?.material.ca).to.equal(authority.cert);
    expect(issuesOf(tls("caFile: ./absent.pem"))[0]).to.match(/^store\.tls\.caFile: .*absent\.pem/);
    expect(issuesOf(tls("certFile: ./other.pem, keyFile: ./db.key"))[0]).to.match(/^store\.tls/);
    expect(issuesOf(tls("certFile: ./db.pem"))[0]).to.match(/^store\.tls/);
  });

  it("a password is shown in no message", () => {
    for (const url of [
      "postgres://u:hunter2@a,b/x",
      "postgres://u:hunter2%@h/x",
      "postgres://u:hunter2@h/x?y=1",
      "postgres://u:hunter2@h",
    ]) {
      expect(issuesOf(`'${url}'`).join()).not.to.include("hunter2");
    }
    expect(JSON.stringify(addressOf("postgres://u:hunter2@db.example/verifier"))).not.to.include("hunter2");
  });
});

import { expect } from "chai";
import { FetchError, readDocument } from "../../../src/keys/remote/answer.js";
import type { Wanted } from "../../../src/keys/remote/found.js";
import { pki } from "../../support/certificates.js";
import { jwkOf, keyOf } from "../../support/keys.js";

// A URL of keys that yields something else: the message says what was found, and what to write.

const jwk = jwkOf("p256");
const certificate = pki().server.cert;
const METADATA = {
  issuer: "https://a.example",
  jwks_uri: "https://a.example/jwks",
  token_endpoint: "https://a.example/t",
};

/** A key set in UTF-16, as PowerShell writes files. */
const UTF16 = Buffer.from(JSON.stringify({ keys: [jwk] }), "utf16le");

/** What a URL gives, and the message for each kind of document that is wanted there; undefined if it is taken. */
const ROWS: readonly (readonly [
  what: string,
  given: unknown,
  messages: Readonly<Record<Wanted, string | undefined>>,
])[] = [
  [
    "a JWK Set",
    { keys: [jwk] },
    {
      keys: undefined,
      certificates: "it gave a JWK Set, not a map of certificates: write jwksUri with this URL",
      metadata: "it gave a JWK Set, not the issuer's metadata: write jwksUri with this URL",
    },
  ],
  [
    "OpenID metadata",
    METADATA,
    {
      keys: "it gave an issuer's metadata, not a JWK Set: write discovery with this URL",
      certificates: "it gave an issuer's metadata, not a map of certificates: write discovery with this URL",
      metadata: undefined,
    },
  ],
  [
    "a map of certificates",
    { a: certificate, b: certificate },
    {
      keys: "it gave a map of certificates, not a JWK Set: write x509Uri with this URL",
      certificates: undefined,
      metadata: "it gave a map of certificates, not the issuer's metadata: write x509Uri with this URL",
    },
  ],
  ...(
    [
      ["a map of public keys", { a: keyOf("p256").publicPem }, undefined],
      ["a single JWK", jwk, "a single JWK: write it as jwk"],
      ["a list of JWKs", [jwk], 'a list of JWKs: ask the issuer for an object as {"keys": [...]}'],
      ["a JSON list", ["a"], "a JSON list: check the URL"],
      ["an error as JSON", { kind: "Status", code: 404 }, "another JSON object: check the URL"],
      ["an empty object", {}, "another JSON object: check the URL"],
      ["a list under another name", { keyz: [jwk] }, "another JSON object: check the URL"],
      [
        "keys by name under keys",
        { keys: { a: jwk } },
        'JWKs by name: ask the issuer for an object as {"keys": [...]}',
      ],
      ["keys by name", { a: jwk, b: jwk }, 'JWKs by name: ask the issuer for an object as {"keys": [...]}'],
      ["keys that are a text", { keys: "none" }, "another JSON object: check the URL"],
      ["a set in an envelope", { data: { keys: [jwk] } }, "a JWK Set inside another object: ask the issuer"],
      ["bundles by trust domain", { trust_domains: { a: { keys: [jwk] } } }, "a JWK Set inside another object: ask"],
      ["a set as a JSON text", JSON.stringify(JSON.stringify({ keys: [jwk] })), "JSON inside a JSON text: ask"],
      ["a set in UTF-16", UTF16.toString("latin1"), "a text in UTF-16: ask the issuer for UTF-8"],
      ["a certificate", certificate, "a certificate in PEM: save it and write pemFile"],
      ["a public key", keyOf("p256").publicPem ?? "", "a key in PEM: save it and write pemFile"],
      ["a page to sign in", " \n<!DOCTYPE html><title>Sign in</title>", "an HTML page: open the URL in a browser"],
      ["SAML metadata", '<?xml version="1.0"?><EntityDescriptor/>', "XML: check the URL"],
      ["nothing", "", "an empty body: check the URL"],
      ["a signed key set", "eyJhbGciOiJFUzI1NiJ9.eyJrZXlzIjpbXX0.c2ln", "a signed document: ask the issuer"],
    ] as const
  ).map(([what, given, message]): (typeof ROWS)[number] => [
    what,
    given,
    {
      keys: split(message, "a JWK Set") ?? "it gave a map of certificates, not a JWK Set: write x509Uri with this URL",
      certificates: split(message, "a map of certificates"),
      metadata:
        split(message, "the issuer's metadata") ??
        "it gave a map of certificates, not the issuer's metadata: write x509Uri with this URL",
    },
  ]),
];

/** The beginning of a message from what was found and its remedy. */
function split(message: string | undefined, wanted: string): string | undefined {
  const [what, fix] = /^(.*?): (.*)$/s.exec(message ?? "")?.slice(1) ?? [];
  return what === undefined ? undefined : `it gave ${what}, not ${wanted}: ${fix}`;
}

describe("a document that is not what its URL is configured for", () => {
  for (const [what, given, messages] of ROWS) {
    const bytes = Buffer.from(typeof given === "string" ? given : JSON.stringify(given));
    for (const [wanted, message] of Object.entries(messages) as [Wanted, string | undefined][]) {
      it(`${what} in place of ${wanted} is ${message === undefined ? "taken" : "named, with what to write"}`, () => {
        for (const start of ["", "\ufeff"]) {
          const read = (): unknown => readDocument(Buffer.concat([Buffer.from(start), bytes]), wanted);
          if (message === undefined) expect(read()).to.deep.equal(given);
          else expect(read).to.throw(FetchError, message);
        }
      });
    }
  }

  it("no message repeats anything of the document", () => {
    for (const text of [
      "<html>hidden</html>",
      '{"hidden":"hidden"}',
      '[{"kty":"hidden"}]',
      "hidden",
      '{"a":1,"a":"hidden"}',
    ]) {
      expect(() => readDocument(Buffer.from(text), "keys"))
        .to.throw(FetchError)
        .with.property("message")
        .that.does.not.include("hidden");
    }
  });
});

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a configuration names its variables
import { dirname, join } from "node:path";
import { expect } from "chai";
import { loadConfig } from "../../src/config/load.js";
import { jwkOf } from "../support/keys.js";
import { type Env, folderWith, load, wrongs } from "./harness.js";
import {
  FILES,
  GOOD,
  issued,
  MASTER,
  OTHER_MASTER,
  PRESETS,
  partner,
  pem,
  routed,
  SECRET,
  withKey,
} from "./samples.js";

describe("a wrong configuration", () => {
  interface Wrong {
    readonly text: string;
    readonly is: readonly (string | RegExp)[];
    readonly env?: Env;
  }
  const top = (line: string): string => `${GOOD}${line}\n`;
  const claimed = (claims: string): string =>
    partner(`algorithms: [ES256], claims: ${claims}, keys: [{ pemFile: ./p256.pem }]`);
  const WHICH_DURATION = "such as 500ms, 30s, 10m or 1h";

  const cases: Record<string, Wrong> = {
    "an unknown key": {
      text: top("prot: 5"),
      is: [/^prot: is not a key that exists here; there are grpc, http, admin, metrics, store, masterKey, /],
    },
    "an unknown nested key": {
      text: top("limits: { bdy: 1KiB }"),
      is: [
        "limits.bdy: is not a key that exists here; there are body, headers, message, batch, streams, watches, connections, perAddress, idle, connectionAge, request - did you mean body?",
      ],
    },
    "an unknown key of a long form": {
      text: top("http: { address: 127.0.0.1:0, face: {} }"),
      is: [
        /^http\.face: is not a key that exists here; there are address, faces, rpc, cors, tls - did you mean faces\?$/,
      ],
    },
    "a misspelled algorithm": {
      text: withKey("{ pemFile: ./p256.pem }", "ES257"),
      is: [/^realms\.partner\.algorithms\[0\]: .* - did you mean ES256\?$/],
    },
    "an unknown key of a realm": {
      text: withKey("{ pemFile: ./p256.pem }").replace("issuer", "isuer"),
      is: [
        /^realms\.partner\.issuer: is missing: give a text or a list of texts, or null to turn the check off$/,
        /^realms\.partner\.isuer: is not a key that exists here; there are algorithms, issuer, /,
      ],
    },
    "an unknown way with bound tokens": {
      text: partner("algorithms: [ES256], bound: refused, keys: [{ pemFile: ./p256.pem }]"),
      is: [/^realms\.partner\.bound: must be one of refuse, require, ignore/],
    },
    "an HMAC for proofs": {
      text: partner("algorithms: [ES256], proofAlgorithms: [ES256, HS256], keys: [{ pemFile: ./p256.pem }]"),
      is: [/^realms\.partner\.proofAlgorithms\[1\]: must be one of ES256, ES384, /],
    },
    "no algorithm for proofs": {
      text: partner("algorithms: [ES256], proofAlgorithms: [], keys: [{ pemFile: ./p256.pem }]"),
      is: [/^realms\.partner\.proofAlgorithms: must /],
    },
    "bound tokens of a vendor": {
      text: "grpc: 127.0.0.1:0\nrealms:\n  fiserv: { preset: fiserv, bound: require, keys: [{ pemFile: ./rsa.pem }] }\n",
      is: [/^realms\.fiserv\.bound: is not a key that exists here/],
    },
    "bound tokens of a routing realm": {
      text: routed("any: { byIssuer: [one], bound: require }"),
      is: [/^realms\.any\.bound: is not a key that exists here/],
    },
    "no room for revocations": { text: top("revocations: { max: 99 }"), is: [/^revocations\.max: must be /] },
    "a realm that is stale at once": {
      text: "grpc: 127.0.0.1:0\nrealms:\n  fiserv: { preset: fiserv, staleFor: 500ms, keys: [{ pemFile: ./rsa.pem }] }\n",
      is: [/^realms\.fiserv\.staleFor: must be a duration/],
    },
    "no room for proofs": { text: top("proofs: { max: 0 }"), is: [/^proofs\.max: must be /] },
    "an unknown key of a key": {
      text: withKey("{ pemFile: ./p256.pem, algo: ES256 }"),
      is: ["realms.partner.keys[0].algo: is not a key that exists here; there are pemFile, alg, kid, issuer"],
    },
    "a list in place of a mapping": { text: top("limits: []"), is: ["limits: must be a mapping"] },
    "a text in place of a mapping": { text: top("drain: 5s"), is: ["drain: must be a mapping"] },
    "a number in place of a text": {
      text: top("masterKey: 5"),
      is: ["masterKey: must be a text: put it in quotes"],
    },
    "a text in place of a number": { text: top('limits: { batch: "10" }'), is: ["limits.batch: must be a number"] },
    "a fraction in place of a whole number": {
      text: top("limits: { batch: 1.5 }"),
      is: ["limits.batch: must be a whole number"],
    },
    "a number that is too small": { text: top("limits: { streams: 0 }"), is: ["limits.streams: must be at least 1"] },
    "a number that is too large": {
      text: top("limits: { batch: 100001 }"),
      is: ["limits.batch: must be at most 100000"],
    },
    "yes in place of true": {
      text: partner("algorithms: [ES256], typRequired: yes, keys: [{ pemFile: ./p256.pem }]"),
      is: ["realms.partner.typRequired: must be true or false"],
    },
    "a duration without a unit": {
      text: top("drain: { delay: 5 }"),
      is: [`drain.delay: must be a duration of at most 24d, ${WHICH_DURATION}`],
    },
    "a duration with a fraction": { text: top("limits: { idle: 1.5m }"), is: [/^limits\.idle: must be a duration/] },
    "a duration too long for a timer": {
      text: top("drain: { timeout: 25d }"),
      is: [/^drain\.timeout: must be a duration .* at most 24d/],
    },
    "a duration that is too short": {
      text: top("limits: { request: 99ms }"),
      is: [/^limits\.request: must be a duration of at least 100ms/],
    },
    "a size without a unit": {
      text: top("limits: { body: 65536 }"),
      is: ["limits.body: must be a size such as 64KiB or 4MiB, from 1024 to 67108864 bytes"],
    },
    "headers above what HTTP/2 can hold": {
      text: top("limits: { headers: 129KiB }"),
      is: ["limits.headers: must be a size such as 64KiB or 4MiB, from 1024 to 131072 bytes"],
    },
    "a size in another unit": {
      text: top("limits: { body: 64KB }"),
      is: [/^limits\.body: must be a size such as 64KiB/],
    },
    "a rate without a duration": {
      text: top("failures: { perClient: 20 }"),
      is: ["failures.perClient: must be a number within a duration, such as 20/1m"],
    },
    "a rate of zero": {
      text: top("failures: { perAddress: 0/1m }"),
      is: [/^failures\.perAddress: must be a number within/],
    },
    "an unknown log level": {
      text: top("log: { level: loud }"),
      is: ["log.level: must be one of trace, debug, info, warn, error, fatal, silent"],
    },
    "an address without a port": {
      text: top("admin: localhost"),
      is: [
        "admin: must be an address such as 127.0.0.1:50052 or unix:/path, or {address: ..., keys: [{name: ..., file: ..., role: ...}], certificates: [{san: ..., role: ...}], tls: {...}}",
      ],
    },
    "two bad addresses, each with its own example": {
      text: top("metrics: nowhere").replace("127.0.0.1:0", "50051"),
      is: [/^grpc: must be an address such as 127\.0\.0\.1:50051 or/, /^metrics.*127\.0\.0\.1:9464/],
    },
    "an address with a port that does not exist": {
      text: top("http: 127.0.0.1:65536"),
      is: ["http: has a port out of range: give 1 to 65535, or 0 for any free port"],
    },
    "a v6 address without brackets": {
      text: top('http: "::1:8080"'),
      is: [/^http: must be an address such as 127\.0\.0\.1:8080/],
    },
    "a URL as an address": { text: top('http: "http://127.0.0.1:8080"'), is: [/^http: must be an address/] },
    "unix without a path": { text: top('http: "unix:"'), is: [/^http: must be an address/] },
    "a port alone as an address": { text: top("http: 8080"), is: [/^http: must be an address/] },
    "a store of another kind": {
      text: top("store: mysql://x"),
      is: ["store: must be sqlite:./data/verifier.db or postgres://token_verifier@db.example:5432/verifier"],
    },
    "a store that is a number": {
      text: top("store: 5"),
      is: [/^store: must be sqlite: and the name of a file, such as sqlite:/],
    },
    "an invalid network": {
      text: top("trustedProxies: [10.0.0.0/33]"),
      is: ["trustedProxies[0]: must be an IP address, or a network such as 10.0.0.0/8"],
    },
    "an invalid name of a realm": {
      text: `${GOOD}  "a b": { preset: clowk }\n`,
      is: ['realms["a b"]: a realm\'s name has 1 to 64 letters, digits, dots, dashes and underscores'],
    },
    "a realm that is not a mapping": { text: `${GOOD}  other: 5\n`, is: ["realms.other: must be a mapping"] },
    "a realm that is empty": { text: `${GOOD}  other:\n`, is: ["realms.other: must be a mapping"] },
    "a missing mapping of realms": { text: "grpc: 127.0.0.1:0\n", is: ["realms: is missing: it must be a mapping"] },
    "an unknown preset": {
      text: `${GOOD}  other: { preset: okta }\n`,
      is: [`realms.other.preset: must be one of ${PRESETS}, rfc9068; leave it out for a realm of any other issuer`],
    },
    "keys that contradict a preset": {
      text: `realms:\n  integuru: { preset: integuru, algorithms: [RS256], issuer: x, keys: [{ secret: ${SECRET} }] }\n`,
      is: [
        "realms.integuru.algorithms: is not a key that exists here; there are preset, maxTokenLength, explain, watch, staleFor, keys, userClaim, members",
        /^realms\.integuru\.issuer: is not a key that exists here/,
      ],
    },
    "keys for a preset whose instances have their own": {
      text: `masterKey: ${MASTER}\nrealms:\n  clowk: { preset: clowk, keys: [{ secret: ${SECRET} }] }\n`,
      is: ["realms.clowk.keys: leave it out: each instance's own secret keys verify its tokens"],
    },
    "a preset without the keys that it needs": {
      text: "realms:\n  integuru: { preset: integuru }\n",
      is: ["realms.integuru.keys: is missing: give the keys that verify its tokens"],
    },
    "a public key for a preset that takes secrets": {
      text: "realms:\n  integuru: { preset: integuru, keys: [{ pemFile: ./p256.pem }] }\n",
      is: [/^realms\.integuru\.keys\[0\]\.pemFile: .* fits none of the realm's algorithms: HS256$/],
    },
    "a secret for a preset that takes public keys": {
      text: `masterKey: ${MASTER}\nrealms:\n  fiserv: { preset: fiserv, keys: [{ secret: ${SECRET} }] }\n`,
      is: [
        "realms.fiserv.keys[0].secret: a secret verifies HS256, HS384 or HS512, and this realm takes RS256: give a public key",
      ],
    },
    "a realm without algorithms, issuer, audience and keys": {
      text: "realms:\n  partner: {}\n",
      is: [
        "realms.partner.algorithms: is missing: it must be a list",
        /^realms\.partner\.issuer: is missing: .* null/,
        /^realms\.partner\.audience: is missing: .* null/,
        "realms.partner.keys: is missing: it must be a list",
      ],
    },
    "an empty audience": {
      text: GOOD.replace("audience: null", "audience: []"),
      is: [/^realms\.partner\.audience: must /],
    },
    "the algorithm none": {
      text: withKey("{ pemFile: ./p256.pem }", "none"),
      is: [
        /^realms\.partner\.algorithms\[0\]: must be one of HS256, .*EdDSA, Ed25519, ML-DSA-44, ML-DSA-65, ML-DSA-87$/,
      ],
    },
    "the algorithm ES256K, which is left out on purpose": {
      text: withKey("{ pemFile: ./p256.pem }", "ES256K"),
      is: [/^realms\.partner\.algorithms\[0\]: must be one of HS256, /],
    },
    "an empty list of keys": {
      text: partner("algorithms: [ES256], keys: []"),
      is: ["realms.partner.keys: must not be empty"],
    },
    "a key without a form": {
      text: withKey("{ alg: ES256 }"),
      is: [/^realms\.partner\.keys\[0\]: must have exactly one of secret, secretBase64, secretFile, pem, /],
    },
    "a key with two forms": {
      text: withKey("{ pemFile: ./p256.pem, secret: x }"),
      is: [/^realms\.partner\.keys\[0\]: must have exactly one of/],
    },
    "a key that is not a mapping": {
      text: withKey("./p256.pem"),
      is: [/^realms\.partner\.keys\[0\]: must have exactly one of/],
    },
    "a private key": {
      text: withKey("{ pemFile: ./private.pem }"),
      is: ["realms.partner.keys[0].pemFile: this is a private key: give the public key: openssl pkey -in KEY -pubout"],
    },
    "a private JWK": {
      text: withKey(`{ jwk: ${JSON.stringify({ ...jwkOf("p256"), d: "AAAA" })} }`),
      is: [
        'realms.partner.keys[0].jwk: the JWK holds the private member "d": give the public key, and replace this one',
      ],
    },
    "a private key in a set": {
      text: withKey(`{ jwks: { keys: [${JSON.stringify({ ...jwkOf("p256"), d: "AAAA" })}] } }`),
      is: [/^realms\.partner\.keys\[0\]\.jwks: keys\[0\]: the JWK holds the private member "d"/],
    },
    "a symmetric key in a set": {
      text: withKey("{ jwks: { keys: [{ kty: oct, k: AAAA }] } }", "HS256"),
      is: [/^realms\.partner\.keys\[0\]\.jwks: keys\[0\]: a symmetric key \(kty "oct"\) in a set of public keys/],
    },
    "a set without a usable key": {
      text: withKey(`{ jwks: { keys: [${JSON.stringify(jwkOf("rsa"))}] } }`),
      is: [
        "realms.partner.keys[0].jwks: the set has no usable key for ES256 (keys[0]: a key of type rsa fits none of the realm's algorithms: ES256)",
      ],
    },
    "a secret that is too short": {
      text: withKey("{ secretFile: ./short.key }", "HS256"),
      is: [
        "realms.partner.keys[0].secretFile: the secret has 5 bytes, HS256 needs at least 32: try openssl rand -base64 32",
      ],
    },
    "a secret that is not base64": {
      text: withKey('{ secretBase64: "not base64!" }', "HS256"),
      is: [/^realms\.partner\.keys\[0\]\.secretBase64: is neither base64 nor base64url: openssl rand/],
    },
    "a key file that does not exist": {
      text: withKey("{ pemFile: ./none.pem }"),
      is: ["realms.partner.keys[0].pemFile: ./none.pem cannot be read (ENOENT: there is no such file)"],
    },
    "a key file that is a folder": {
      text: withKey("{ pemFile: . }"),
      is: ["realms.partner.keys[0].pemFile: . cannot be read (EISDIR: it is a folder, not a file)"],
    },
    "a jwkFile that is not JSON": {
      text: withKey("{ jwkFile: ./p256.pem }"),
      is: ["realms.partner.keys[0].jwkFile: the file is not JSON: PEM goes under pemFile"],
    },
    "a set of other uses than the configuration takes": {
      text: withKey(
        `{ jwks: { keys: [${JSON.stringify({ ...jwkOf("p256"), use: "x509-svid" })}, ${JSON.stringify({ ...jwkOf("p256"), use: "jwt-svid" })}] } }`,
      ),
      is: [
        'realms.partner.keys[0].jwks: the set has no usable key for ES256 (keys[0]: the key\'s "use" is "x509-svid", not "sig": give a key that is for verifying signatures); it has keys whose "use" is "x509-svid", "jwt-svid": name those that sign tokens, as in use: [jwt-svid]',
      ],
    },
    "a use that is for encryption": {
      text: withKey(`{ jwks: { keys: [${JSON.stringify(jwkOf("p256"))}] }, use: [sig, enc] }`),
      is: ["realms.partner.keys[0].use[1]: enc is for encryption: keys of this use sign no tokens"],
    },
    "an empty list of uses": {
      text: withKey(`{ jwks: { keys: [${JSON.stringify(jwkOf("p256"))}] }, use: [] }`),
      is: [/^realms\.partner\.keys\[0\]\.use: /],
    },
    "a use beside a single key": {
      text: withKey("{ pemFile: ./p256.pem, use: [sig] }"),
      is: [/^realms\.partner\.keys\[0\].*use/],
    },
    "a weak secret of 7 bytes": {
      text: withKey("{ secret: '1234567', weak: true }", "HS256"),
      is: [
        "realms.partner.keys[0].secret: the secret has 7 bytes, HS256 needs at least 8: try openssl rand -base64 32",
      ],
    },
    "the text of a public key as a weak secret": {
      text: withKey(`{ secret: ${JSON.stringify(pem("p256"))}, weak: true }`, "HS256"),
      is: [/^realms\.partner\.keys\[0\]\.secret: the secret is the text of a PEM file/],
    },
    "weak beside a public key": {
      text: withKey("{ pemFile: ./p256.pem, weak: true }"),
      is: [/^realms\.partner\.keys\[0\].*weak/],
    },
    "a map of certificates in place of a set": {
      text: withKey(`{ jwks: { a: "-----BEGIN CERTIFICATE-----" } }`),
      is: ["realms.partner.keys[0].jwks: this is a map of kid to certificate, not a JWK Set: give its URL as x509Uri"],
    },
    "a secret that fits several algorithms": {
      text: withKey(`{ secret: ${SECRET} }`, "HS256, HS384"),
      is: ['realms.partner.keys[0].secret: a secret is for one algorithm: set "alg" to one of HS256, HS384'],
    },
    "an alg that is not the realm's": {
      text: withKey("{ pemFile: ./rsa.pem, alg: RS256 }"),
      is: [
        /^realms\.partner\.keys\[0\]\.pemFile: the key is for "RS256", which is not among the realm's algorithms: ES256$/,
      ],
    },
    "a variable that is not set": {
      text: withKey('{ secret: "${SIGNING_KEY}" }', "HS256"),
      is: [
        "realms.partner.keys[0].secret: the environment variable SIGNING_KEY is not set: set it, or write $${ for a literal ${",
      ],
    },
    "an unset variable named like a member of every object": {
      text: top("admin: ${toString}"),
      is: [/^admin: the environment variable toString is not set/],
    },
    "a ${ without a name": {
      text: withKey('{ secret: "0123456789abcdef${0123456789abcdef" }', "HS256"),
      is: ["realms.partner.keys[0].secret: a ${ without NAME} after it: write ${NAME}, or write $${ for a literal ${"],
    },
    "an unknown form of a condition": {
      text: claimed("{ scope: { has: read } }"),
      is: [
        "realms.partner.claims.scope.has: is not a key that exists here; there are oneOf, includes, includesAny, prefix, absent",
      ],
    },
    "a misspelled form of a condition": {
      text: claimed("{ scope: { include: read } }"),
      is: [/^realms\.partner\.claims\.scope\.include: is not a key .* - did you mean includes\?$/],
    },
    "a condition without a form": {
      text: claimed("{ scope: {} }"),
      is: ["realms.partner.claims.scope: says nothing: give oneOf, includes, includesAny, prefix or absent"],
    },
    "a condition that is null": {
      text: claimed("{ act: null }"),
      is: ["realms.partner.claims.act: must not be null: write {absent: true} for a claim that must not be there"],
    },
    "a condition that is a list of null": {
      text: claimed("{ act: [null] }"),
      is: [/^realms\.partner\.claims\.act: must be a text, a number, true or false, a list of these, or a mapping /],
    },
    "empty lists in every form of a condition": {
      text: claimed("{ a: [], b: { oneOf: [] }, c: { includes: [] }, d: { includesAny: [] }, e: { prefix: [] } }"),
      is: [
        "realms.partner.claims.a: must not be an empty list: no token could meet it",
        "realms.partner.claims.b.oneOf: must not be an empty list: no token could meet it",
        "realms.partner.claims.c.includes: must not be an empty list: no token could meet it",
        "realms.partner.claims.d.includesAny: must not be an empty list: no token could meet it",
        "realms.partner.claims.e.prefix: must not be an empty list: no token could meet it",
      ],
    },
    "empty prefixes": {
      text: claimed('{ a: { prefix: "" }, b: { prefix: [x, ""] } }'),
      is: [
        "realms.partner.claims.a.prefix: must not be empty: every text begins with an empty one",
        "realms.partner.claims.b.prefix[1]: must not be empty: every text begins with an empty one",
      ],
    },
    "a prefix that is a number": {
      text: claimed("{ a: { prefix: 3 } }"),
      is: ["realms.partner.claims.a.prefix: must be a text or a list of texts"],
    },
    "numbers in conditions that lose digits": {
      text: claimed("{ a: 9007199254740992, b: [1, 1e300], c: { includes: -9007199254740992 } }"),
      is: ["a", "b", "c.includes"].map(
        (place) =>
          `realms.partner.claims.${place}: must be a number from -9007199254740991 to 9007199254740991: others lose digits`,
      ),
    },
    "a claim that must be absent and have a value": {
      text: claimed("{ act: { absent: true, prefix: x } }"),
      is: ["realms.partner.claims.act: absent combines with no other form: leave out absent, or the others"],
    },
    "absent: false": {
      text: claimed("{ act: { absent: false } }"),
      is: ["realms.partner.claims.act.absent: must be true; a claim that must be there is named in requiredClaims"],
    },
    "claims that must be absent and are required": {
      text: claimed("{ exp: { absent: true }, /iat: { absent: true } }, maxLifetime: 1h"),
      is: [
        /^realms\.partner\.claims\.exp: must be absent and is required, by requiredClaims \(default \[exp\]\), issuer/,
        /^realms\.partner\.claims\["\/iat"\]: must be absent and is required/,
      ],
    },
    "two scopes in one text": {
      text: claimed('{ scope: { includes: "read write" } }'),
      is: ["realms.partner.claims.scope: has white space in a scope: write a list, one scope each"],
    },
    "pointers into lists": {
      text: claimed("{ /roles/0: a, /roles/-: b }, requiredClaims: [/groups/12]"),
      is: [
        'realms.partner.requiredClaims[0]: must lead through objects only: "12" is an element of a list; to find a member of a list, name the list and write {includes: ...}',
        /^realms\.partner\.claims\["\/roles\/0"\]: must lead through objects only: "0" is /,
        /^realms\.partner\.claims\["\/roles\/-"\]: must lead through objects only: "-" is /,
      ],
    },
    "empty pointers": {
      text: claimed('{ "": a }, requiredClaims: [""]'),
      is: [
        "realms.partner.requiredClaims[0]: must name a claim: an empty pointer is the whole payload",
        'realms.partner.claims[""]: must name a claim: an empty pointer is the whole payload',
      ],
    },
    "a condition on a claim named like the prototype": {
      text: claimed("{ __proto__: x }"),
      is: ['realms.partner.claims.__proto__: must be written as a pointer to that member: "/__proto__"'],
    },
    "a pointer with a bare tilde": {
      text: claimed("{ /a~b: x }"),
      is: ['realms.partner.claims["/a~b"]: has a ~ that is not escaped: in a pointer write ~0 for ~'],
    },
    "an unknown leniency": {
      text: claimed("{}, lenient: [nullClaim]"),
      is: ["realms.partner.lenient[0]: must be one of nonStringIds, nullClaims - did you mean nullClaims?"],
    },
    "an invalid token length": {
      text: partner("algorithms: [ES256], maxTokenLength: lots, keys: [{ pemFile: ./p256.pem }]"),
      is: [/^realms\.partner\.maxTokenLength: must be a (number of characters|size)/],
    },
    "a header that cannot be ignored": {
      text: partner("algorithms: [ES256], ignoreHeaders: [alg], keys: [{ pemFile: ./p256.pem }]"),
      is: [/^realms\.partner\.ignoreHeaders\[0\]: must be one of b64, zip,/],
    },
    "`valid` as a member": {
      text: `realms:\n  integuru: { preset: integuru, members: { valid: x }, keys: [{ secret: ${SECRET} }] }\n`,
      is: ["realms.integuru.members.valid: `valid` is the answer's own member: choose another name"],
    },
    "a missing master key that callers need": {
      text: "realms:\n  clowk: { preset: clowk }\n",
      is: [
        "masterKey: is missing: the secrets of the callers of the realm clowk are sealed with it; make one with: openssl rand -base64 32",
      ],
    },
    "a missing master key that a seed needs": {
      text: top("directory: ./directory.yaml"),
      is: [/^masterKey: is missing: the secrets of the directory seed are sealed/],
    },
    "a master key that is too short": {
      text: top("masterKey: c2hvcnQ="),
      is: ["masterKey: must be 32 bytes in base64: openssl rand -base64 32 makes one"],
    },
    "a master key without padding": {
      text: top(`masterKey: ${MASTER.replace("=", "")}`),
      is: [/^masterKey: must be 32 bytes in base64/],
    },
    "a master key in hex": {
      text: top(`masterKey: "${"ab".repeat(32)}"`),
      is: [/^masterKey: must be 32 bytes in base64/],
    },
    "a masterKeyFile that does not exist": {
      text: top("masterKeyFile: ./none.key"),
      is: ["masterKeyFile: ./none.key cannot be read (ENOENT: there is no such file)"],
    },
    "a masterKeyFile without a master key": {
      text: top("masterKeyFile: ./short.key"),
      is: ["masterKeyFile: must be 32 bytes in base64: openssl rand -base64 32 makes one"],
    },
    "one bad master key of several": {
      text: top(`masterKeys: [${MASTER}, x]`),
      is: [/^masterKeys\[1\]: must be 32 bytes in base64/],
    },
    "a duplicate master key": {
      text: top(`masterKeys: [${MASTER}, ${OTHER_MASTER}, ${MASTER}]`),
      is: ["masterKeys[2]: is in the list twice: leave one out"],
    },
    "an empty list of master keys": { text: top("masterKeys: []"), is: ["masterKeys: must not be empty"] },
    "both masterKey and masterKeyFile": {
      text: top(`masterKey: ${MASTER}\nmasterKeyFile: ./master.key`),
      is: ["masterKeyFile: give one of masterKey, masterKeyFile and masterKeys"],
    },
    "both masterKeyFile and masterKeys": {
      text: top(`masterKeyFile: ./master.key\nmasterKeys: [${MASTER}]`),
      is: ["masterKeys: give one of masterKey, masterKeyFile and masterKeys"],
    },
    "a face bound to an unknown realm": {
      text: top("http: { address: 127.0.0.1:0, faces: { clowk: nowhere } }"),
      is: ["http.faces.clowk: must name a realm with the preset clowk"],
    },
    "a face bound to a realm without a preset": {
      text: top("http: { address: 127.0.0.1:0, faces: { clowk: partner } }"),
      is: ["http.faces.clowk: must name a realm with the preset clowk"],
    },
    "a face bound to another vendor's realm": {
      text: `http: { address: 127.0.0.1:0, faces: { fiserv: mine } }\nrealms:\n  mine: { preset: integuru, keys: [{ secret: ${SECRET} }] }\n`,
      is: ["http.faces.fiserv: must name a realm with the preset fiserv"],
    },
    "a face bound to a realm with its own errors": {
      text: "http: { address: 127.0.0.1:0, faces: { integuru: mine } }\nrealms:\n  mine: { preset: integuru }\n",
      is: ["realms.mine.keys: is missing: give the keys that verify its tokens"],
    },
    "a face that does not exist": {
      text: top("http: { address: 127.0.0.1:0, faces: { okta: partner } }"),
      is: [`http.faces.okta: is not a vendor's face: there are ${PRESETS}`],
    },
    "a route to an unknown realm, to itself, to a route, to a preset, and twice to one realm": {
      text:
        routed("any: { byIssuer: [nowhere, any, other, mine, one, one] }", "other: { byIssuer: [one] }") +
        `  mine: { preset: integuru, keys: [{ secret: ${SECRET} }] }\n`,
      is: [
        "realms.any.byIssuer[0]: there is no realm nowhere",
        "realms.any.byIssuer[1]: is a realm by issuer itself: name the realms that it names",
        "realms.any.byIssuer[2]: is a realm by issuer itself: name the realms that it names",
        "realms.any.byIssuer[3]: mine checks no issuer, so no token can be routed to it: give it an issuer, or leave it out here",
        "realms.any.byIssuer[5]: is in the list twice: leave one out",
      ],
    },
    "a route to a realm that checks no issuer": {
      text: routed("any: { byIssuer: [one, open] }", `open: ${issued("null")}`),
      is: [/^realms\.any\.byIssuer\[1\]: open checks no issuer/],
    },
    "a route to two realms with one issuer": {
      text: routed("any: { byIssuer: [one, two] }", `two: ${issued("[https://two.example, https://one.example]")}`),
      is: [
        "realms.any.byIssuer[1]: has the issuer https://one.example, which one has too: a token must have one target",
      ],
    },
    "a route to realms with different callers": {
      text: `masterKey: ${MASTER}\n${routed("any: { byIssuer: [one, two] }", `two: ${issued("https://two.example", "callers: clients, ")}`)}`,
      is: ["realms.any.byIssuer[1]: must take the same callers as the others: one takes callers: anyone, two clients"],
    },
    "a route with a setting of a realm": {
      text: routed("any: { byIssuer: [one], audience: null }"),
      is: ["realms.any.audience: is not a key that exists here; there are byIssuer"],
    },
    "a route without a realm": {
      text: routed("any: { byIssuer: [] }"),
      is: ["realms.any.byIssuer: must not be empty"],
    },
    "a route that is not a list": {
      text: routed("any: { byIssuer: one }"),
      is: ["realms.any.byIssuer: must be a list"],
    },
    "a route to a realm with its own errors": {
      text: "realms:\n  any: { byIssuer: [one] }\n  one: { algorithms: [ES256], issuer: x, audience: null, keys: [] }\n",
      is: ["realms.one.keys: must not be empty"],
    },
    "a face bound to a route": {
      text: `http: { address: 127.0.0.1:0, faces: { clowk: any } }\n${routed("any: { byIssuer: [one] }")}`,
      is: ["http.faces.clowk: must name a realm with the preset clowk"],
    },
    "an unknown realm in http.rpc": {
      text: top("http: { address: 127.0.0.1:0, rpc: [partner, nowhere] }"),
      is: ["http.rpc[1]: there is no realm nowhere: name one that is configured"],
    },
    "a realm in http.rpc named like a member of every object": {
      text: top("http: { address: 127.0.0.1:0, rpc: [constructor] }"),
      is: ["http.rpc[0]: there is no realm constructor: name one that is configured"],
    },
    "a realm in http.rpc with its own errors": {
      text: "http: { address: 127.0.0.1:0, rpc: [mine] }\nrealms:\n  mine: { preset: integuru }\n",
      is: ["realms.mine.keys: is missing: give the keys that verify its tokens"],
    },
    "a text in place of the list http.rpc": {
      text: top("http: { address: 127.0.0.1:0, rpc: partner }"),
      is: ["http.rpc: must be a list"],
    },
    "http.cors without http.rpc": {
      text: top("http: { address: 127.0.0.1:0, cors: { origins: [https://app.example] } }"),
      is: [/^http\.cors: has no effect without http\.rpc: /],
    },
    "http.cors without origins": {
      text: top("http: { address: 127.0.0.1:0, rpc: [partner], cors: { maxAge: 1m } }"),
      is: ["http.cors.origins: is missing: it must be a list"],
    },
    "http.cors with an empty list of origins": {
      text: top("http: { address: 127.0.0.1:0, rpc: [partner], cors: { origins: [] } }"),
      is: ["http.cors.origins: must not be empty"],
    },
    "http.cors with invalid origins": {
      text: top('http: { address: 127.0.0.1:0, rpc: [partner], cors: { origins: ["*", app.example, "https://x/"] } }'),
      is: [
        /^http\.cors\.origins\[1\]: must be an origin such as https:\/\/app\.example/,
        /^http\.cors\.origins\[2\]: must/,
      ],
    },
    "http.cors with too long a maxAge": {
      text: top('http: { address: 127.0.0.1:0, rpc: [partner], cors: { origins: ["*"], maxAge: 2d } }'),
      is: ["http.cors.maxAge: must be a duration of at most 1d, such as 500ms, 30s, 10m or 1h"],
    },
    "many problems at once": {
      text:
        'grpc: nowhere\nadmin: "${ADMIN}"\nlog: { level: loud }\nunknown: 1\nmasterKeys: [x]\n' +
        "realms:\n  one: { preset: okta }\n  two: { preset: integuru }\n" +
        "  three: { algorithms: [none], issuer: null, keys: [] }\n" +
        "  four: { algorithms: [ES256], issuer: 5, audience: null, keys: [{ pemFile: ./none.pem }, { secret: x, pem: y }] }\n",
      is: [
        /^admin: the environment variable ADMIN is not set/,
        /^grpc: must be an address/,
        /^log\.level: must be one of/,
        /^unknown: is not a key that exists here/,
        /^realms\.one\.preset: must be one of/,
        /^realms\.two\.keys: is missing/,
        /^realms\.three\.algorithms\[0\]: must be one of/,
        /^realms\.three\.audience: is missing/,
        /^realms\.three\.keys: must not be empty/,
        /^realms\.four\.issuer: must be a text or a list of texts, or null/,
        /^realms\.four\.keys\[0\]\.pemFile: \.\/none\.pem cannot be read/,
        /^realms\.four\.keys\[1\]: must have exactly one of/,
        /^masterKeys\[0\]: must be 32 bytes/,
      ],
    },
  };

  for (const [what, { text, is, env }] of Object.entries(cases)) {
    it(`a configuration with ${what} is refused`, () => {
      const found = wrongs(() => load(text, FILES, env));
      for (const [at, want] of is.entries()) {
        if (typeof want === "string") expect(found, found.join("\n")).to.include(want);
        else
          expect(
            found.some((one) => want.test(one)),
            `${want} (${at}) in\n${found.join("\n")}`,
          ).to.equal(true);
      }
      expect(found.length, found.join("\n")).to.equal(is.length);
    });
  }

  describe("as YAML", () => {
    for (const [what, text, ...is] of [
      ["nothing in it", "", ": the file must hold a mapping of settings"],
      ["only comments", "# nothing\n", ": the file must hold a mapping of settings"],
      ["a list", "- a\n", ": the file must hold a mapping of settings"],
      ["a text", "hello\n", ": the file must hold a mapping of settings"],
      [
        "a duplicate key",
        "grpc: 127.0.0.1:0\ngrpc: 127.0.0.1:1\n",
        "line 2, column 1: the mapping has this key already: keep one",
      ],
      [
        "a duplicate nested key",
        "realms:\n  a: { x: 1, x: 2 }\n",
        "line 2, column 14: the mapping has this key already: keep one",
      ],
      ["an unclosed bracket", "realms: {\n", /^line \d+, column \d+: /],
      [
        "an unquoted variable within braces",
        "realms: { a: { keys: [{ pemFile: ${FILE} }] } }\n",
        /^line 1, column \d+: .*; put variables in quotes: "\$\{NAME\}"$/,
      ],
      ["an unclosed bracket that causes more errors", "realms: { a: [x\nb: 1\nc: 2\n", /^line \d+/],
      ["a tab", "realms:\n\ta: 1\n", /^line 2, column 1: /],
      [
        "a second document",
        "a: 1\n---\nb: 2\n",
        /^line 2, column \d+: a second document begins here: the file must hold one$/,
      ],
      [
        "an alias without an anchor",
        "masterKey: *here\n",
        "line 1, column 12: the alias has no anchor before it: put a text that begins with * in quotes",
      ],
      [
        "an unknown tag",
        "masterKey: !here x\n",
        "line 1, column 12: there is no such tag: put a text that begins with ! in quotes",
      ],
    ] as const) {
      it(`a file with ${what} is refused`, () => {
        const found = wrongs(() => load(text));
        for (const want of is) {
          if (typeof want === "string") expect(found).to.include(want);
          else
            expect(
              found.some((one) => want.test(one)),
              found.join("\n"),
            ).to.equal(true);
        }
      });
    }

    it("a configuration file that does not exist, or is a folder, is refused", () => {
      const folder = folderWith({});
      const reading = (file: string) => wrongs(() => loadConfig(file, { env: {} }));
      expect(reading(join(folder, "none.yaml"))).to.deep.equal([
        ": the file cannot be read (ENOENT: there is no such file)",
      ]);
      expect(reading(folder)).to.deep.equal([": the file cannot be read (EISDIR: it is a folder, not a file)"]);
    });

    it("aliases that multiply are refused before they fill the memory", () => {
      const levels = "abcdefgh".split("").map(
        (name, at, all) =>
          `${name}: &${name} [${
            at === 0
              ? "x"
              : Array(10)
                  .fill(`*${all[at - 1]}`)
                  .join(",")
          }]`,
      );
      expect(wrongs(() => load(levels.join("\n")))).to.have.length(1);
    });
  });

  describe("in an error", () => {
    const MARK = "S3CRETmarker";
    const places: Record<string, string> = {
      "a master key": `masterKey: ${MARK}\nrealms: {}\n`,
      "a master key after a *": `masterKey: *${MARK}\nrealms: {}\n`,
      "a master key after a &": `masterKey: &${MARK}\nrealms: {}\n`,
      "a master key after a !": `masterKey: !${MARK} x\nrealms: {}\n`,
      "a master key after a @": `masterKey: @${MARK}\nrealms: {}\n`,
      "a master key after a |": `masterKey: |${MARK}\nrealms: {}\n`,
      "a master key after a %": `masterKey: x\n%${MARK}\nrealms: {}\n`,
      "a master key after another value": `masterKey: "a" ${MARK}\nrealms: {}\n`,
      "a master key with an escape": `masterKey: "\\x${MARK}"\nrealms: {}\n`,
      "a master key in an unclosed quote": `masterKey: "${MARK}\nrealms: {}\n`,
      "a master key without a space before it": `masterKey:${MARK}\nrealms: {}\n`,
      "a master key with a colon": `masterKey: a: ${MARK}\nrealms: {}\n`,
      "a master key with brackets": `masterKey: ]${MARK}\nrealms: {}\n`,
      "a master key with a ${": `masterKey: "\${${MARK}! more"\nrealms: {}\n`,
      "a master key with a ${ and another word": `masterKey: "\${${MARK} ${MARK}}"\nrealms: {}\n`,
      "a list of master keys": `masterKeys: [${MARK}, {a: ${MARK}}]\nrealms: {}\n`,
      "a list in place of one master key": `masterKey: [${MARK}]\nrealms: {}\n`,
      "a secret": `realms:\n  a: { algorithms: [HS256, HS512], issuer: null, audience: null, keys: [{ secret: ${MARK} }] }\n`,
      "a short secret": `realms:\n  integuru: { preset: integuru, keys: [{ secret: ${MARK} }] }\n`,
      "a secret of the wrong type": `realms:\n  integuru: { preset: integuru, keys: [{ secret: [${MARK}] }] }\n`,
      "a secret beside another form": `realms:\n  integuru: { preset: integuru, keys: [{ secret: ${MARK}, pem: ${MARK} }] }\n`,
      "a secret in place of the list of keys": `realms:\n  integuru: { preset: integuru, keys: ${MARK} }\n`,
      "a secret as an entry of keys": `realms:\n  integuru: { preset: integuru, keys: [${MARK}] }\n`,
      "a secret in base64": `realms:\n  integuru: { preset: integuru, keys: [{ secretBase64: "${MARK}!" }] }\n`,
      "a PEM": `realms:\n  a: { algorithms: [ES256], issuer: null, audience: null, keys: [{ pem: "-----BEGIN PRIVATE KEY-----${MARK}" }] }\n`,
      "a JWK's private member": `realms:\n  a: { algorithms: [ES256], issuer: null, audience: null, keys: [{ jwk: { kty: EC, crv: P-256, x: ${MARK}, y: "${MARK}!", d: ${MARK} } }] }\n`,
      "a JWK's secret": `realms:\n  a: { algorithms: [HS256], issuer: null, audience: null, keys: [{ jwk: { kty: oct, k: ${MARK} } }, { jwk: { kty: oct, k: "${MARK}!" } }, { jwk: { kty: oct, k: [${MARK}] } }] }\n`,
      "a JWK set": `realms:\n  a: { algorithms: [HS256], issuer: null, audience: null, keys: [{ jwks: { keys: [{ kty: oct, k: ${MARK} }, ${MARK}] } }] }\n`,
      "the contents of a file": `masterKeyFile: ./marked\nrealms:\n  integuru: { preset: integuru, keys: [{ secretFile: ./marked }, { pemFile: ./marked }, { jwkFile: ./marked }, { jwksFile: ./marked }] }\n`,
      "the value of a variable":
        'masterKey: "${MARKED}"\ngrpc: "${MARKED}"\nstore: "${MARKED}"\nrealms:\n  integuru: { preset: integuru, keys: [{ secret: "${MARKED}" }] }\n',
      "the URL of the store": `store: "mysql://user:${MARK}@host:5432/db"\nrealms: {}\n`,
    };
    for (const [what, text] of Object.entries(places)) {
      it(`an error shows nothing of ${what}`, () => {
        const file = join(folderWith({ marked: `${MARK}\n`, "verifier.yaml": text }), "verifier.yaml");
        let shown = "";
        try {
          loadConfig(file, { env: { MARKED: MARK } });
        } catch (error) {
          shown = `${String(error)}\n${(error as Error).stack}\n${JSON.stringify(error)}`;
        }
        expect(shown).to.include("ConfigError");
        // The random name of the folder could contain the mark by chance.
        shown = shown.replaceAll(dirname(file), "");
        expect(shown).not.to.include(MARK);
        expect(shown).not.to.include("S3");
      });
    }
  });
});

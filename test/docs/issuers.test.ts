import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { expect } from "chai";
import { pino } from "pino";
import { CLAIM_RULES } from "../../src/cli/check/claim-rules.js";
import { applyRules } from "../../src/cli/check/findings.js";
import { ISSUER_RULES } from "../../src/cli/check/issuer-rules.js";
import { REALM_RULES } from "../../src/cli/check/realm-rules.js";
import { RECIPE_RULES } from "../../src/cli/check/recipes.js";
import { type Config, loadConfig } from "../../src/config/load.js";
import type { Outcome } from "../../src/contract/verifier.js";
import { type Core, openCore } from "../../src/server/core.js";
import { Secret } from "../../src/util/secret.js";
import { certify } from "../support/certificates.js";
import { NOW } from "../support/clock.js";
import { type ConnectProxy, startProxy } from "../support/connect-proxy.js";
import { jwkOf, keyOf } from "../support/keys.js";
import { makeToken } from "../support/token.js";
import { readGuide } from "./guide.js";

// Runs every realm of docs/guides/issuers.md as it is written there. The test stands for the network: a proxy leads each https
// request to a server that publishes what the issuer would, with a certificate that Node trusts meanwhile.

const GUIDE = readGuide("issuers");

type Json = Readonly<Record<string, unknown>>;

/** A realm of the guide, with the token that is shown for it. */
interface Recipe {
  readonly realm: string;
  readonly yaml: string;
  readonly header: Json;
  readonly claims: Json;
}

const RECIPES: readonly Recipe[] = Array.from(
  GUIDE.text.matchAll(/^```yaml\n(realms:\n {2}(\w+):\n[\s\S]*?)^```\n\n^```json\n(.*)\n([\s\S]*?)^```/gm),
  ([, yaml = "", realm = "", header = "", claims = ""]) => ({
    realm,
    yaml,
    header: JSON.parse(header) as Json,
    claims: JSON.parse(claims) as Json,
  }),
);

/** The public key of a test key as a set has it. */
const published = (name: string, members: Json): Json => ({ ...jwkOf(name), ...members });
const RSA = (kid: string, more: Json = {}): Json => published("rsa", { kid, use: "sig", ...more });
const RS256 = (kid: string): Json => RSA(kid, { alg: "RS256" });
const ES256 = (kid: string): Json => published("p256", { kid, use: "sig", alg: "ES256" });
const keySet = (...keys: readonly Json[]): Json => ({ keys });

/** Documents by URL: an issuer's metadata and its key set. */
const discovered = (issuer: string, jwksUri: string, set: Json, at = issuer): Record<string, Json> => ({
  [`${at.replace(/\/$/, "")}/.well-known/openid-configuration`]: { issuer, jwks_uri: jwksUri },
  [jwksUri]: set,
});

/** A key as Entra publishes it: without `alg`, and with the issuer whose tokens it signs. */
const entraKey = (tenant: string): Json =>
  RSA("entra-1", { x5t: "entra-1", issuer: `https://login.microsoftonline.com/${tenant}/v2.0` });
const TENANT = "11111111-2222-3333-4444-555555555555";
const STRANGER = "99999999-8888-7777-6666-555555555555";
const entraIssuer = (tenant: string): string => `https://login.microsoftonline.com/${tenant}/v2.0`;

const POOL = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI";
const cognito = discovered(POOL, `${POOL}/.well-known/jwks.json`, keySet(RS256("cognito-1"), RS256("cognito-2")));
const GOOGLE_KEYS = "https://www.googleapis.com/oauth2/v3/certs";
const GITHUB = "https://token.actions.githubusercontent.com";
const SUPABASE = "https://abcdefghijklmnopqrst.supabase.co/auth/v1";
const SECRETS = "/var/run/secrets/kubernetes.io/serviceaccount/";

/** A change of the token that the guide shows, and the verdict on it. Claims that are undefined are left out. */
type Bad = readonly [what: string, claims: Json, verdict: string];

interface Issuer {
  /** What the issuer publishes, by URL; a text is not JSON. */
  readonly documents: Readonly<Record<string, Json>>;
  readonly bad: readonly Bad[];
}

const ISSUERS: Readonly<Record<string, Issuer>> = {
  entra: {
    documents: discovered(entraIssuer(TENANT), `${entraIssuer(TENANT)}/keys`, keySet(entraKey(TENANT))),
    bad: [
      ["the issuer of another tenant", { iss: entraIssuer(STRANGER), tid: STRANGER }, "rejected ISSUER_MISMATCH iss"],
      [
        "the issuer of version 1",
        { iss: `https://sts.windows.net/${TENANT}/`, ver: "1.0" },
        "rejected ISSUER_MISMATCH iss",
      ],
      [
        "the audience of another API",
        { aud: "00000003-0000-0000-c000-000000000000" },
        "rejected AUDIENCE_MISMATCH aud",
      ],
      ["what an ID token has", { scp: undefined }, "rejected CLAIM_MISSING scp"],
      ["another scope", { scp: "access_as_user.read files.read" }, "rejected CLAIM_MISMATCH scp"],
    ],
  },
  customers: {
    documents: discovered(
      entraIssuer("{tenantid}"),
      "https://login.microsoftonline.com/organizations/discovery/v2.0/keys",
      keySet(entraKey("{tenantid}")),
      entraIssuer("organizations"),
    ),
    bad: [
      ["a tenant that is not listed", { iss: entraIssuer(STRANGER), tid: STRANGER }, "rejected CLAIM_MISMATCH tid"],
      ["a tenant that claims to be another", { iss: entraIssuer(STRANGER) }, "rejected ISSUER_MISMATCH iss"],
      ["no tid", { tid: undefined }, "rejected ISSUER_MISMATCH iss"],
      ["the audience of another API", { aud: "api://other" }, "rejected AUDIENCE_MISMATCH aud"],
    ],
  },
  google: {
    documents: discovered("https://accounts.google.com", GOOGLE_KEYS, keySet(RS256("google-1"))),
    bad: [
      [
        "the audience of another application",
        { aud: "evil.apps.googleusercontent.com" },
        "rejected AUDIENCE_MISMATCH aud",
      ],
      ["no hd, as a private account has it", { hd: undefined }, "rejected CLAIM_MISSING hd"],
      ["the domain of another organisation", { hd: "evil.example" }, "rejected CLAIM_MISMATCH hd"],
      ["an address that is not verified", { email_verified: false }, "rejected CLAIM_MISMATCH email_verified"],
    ],
  },
  apple: {
    documents: { "https://appleid.apple.com/auth/keys": keySet(RS256("apple-1")) },
    bad: [
      ["the audience of another team's app", { aud: "com.evil.app" }, "rejected AUDIENCE_MISMATCH aud"],
      ["no nonce", { nonce: undefined }, "rejected CLAIM_MISSING nonce"],
    ],
  },
  keycloak: {
    documents: discovered(
      "https://sso.acme.example/realms/acme",
      "https://sso.acme.example/realms/acme/protocol/openid-connect/certs",
      keySet(RS256("keycloak-1"), published("rsa-other", { kid: "keycloak-enc", use: "enc", alg: "RSA-OAEP" })),
    ),
    bad: [
      ["the issuer of another realm", { iss: "https://sso.acme.example/realms/other" }, "rejected ISSUER_MISMATCH iss"],
      ["the audience of a client without the mapper", { aud: "account" }, "rejected AUDIENCE_MISMATCH aud"],
      ["what an ID token has", { typ: "ID" }, "rejected CLAIM_MISMATCH typ"],
      ["no role admin", { realm_access: { roles: ["user"] } }, "rejected CLAIM_MISMATCH /realm_access/roles"],
      ["no roles", { realm_access: undefined }, "rejected CLAIM_MISSING /realm_access/roles"],
      [
        "roles under a dotted name",
        { realm_access: {}, "realm_access.roles": ["admin"] },
        "rejected CLAIM_MISSING /realm_access/roles",
      ],
    ],
  },
  auth0: {
    documents: discovered(
      "https://acme.eu.auth0.com/",
      "https://acme.eu.auth0.com/.well-known/jwks.json",
      keySet(RS256("auth0-1")),
    ),
    bad: [
      ["the issuer of another tenant", { iss: "https://evil.eu.auth0.com/" }, "rejected ISSUER_MISMATCH iss"],
      ["what an ID token has", { aud: "myClientId" }, "rejected AUDIENCE_MISMATCH aud"],
      ["no permission", { permissions: [] }, "rejected CLAIM_MISMATCH permissions"],
    ],
  },
  okta: {
    documents: discovered(
      "https://acme.okta.com/oauth2/default",
      "https://acme.okta.com/oauth2/default/v1/keys",
      keySet(RS256("okta-1")),
    ),
    bad: [
      ["the issuer of another org", { iss: "https://evil.okta.com/oauth2/default" }, "rejected ISSUER_MISMATCH iss"],
      [
        "the issuer of the org server",
        { iss: "https://acme.okta.com", aud: "https://acme.okta.com" },
        "rejected ISSUER_MISMATCH iss",
      ],
      ["the id of another application", { cid: "0oaOther" }, "rejected CLAIM_MISMATCH cid"],
      ["another scope", { scp: ["openid"] }, "rejected CLAIM_MISMATCH scp"],
    ],
  },
  cognito: {
    documents: cognito,
    bad: [
      ["the issuer of another pool", { iss: `${POOL}x` }, "rejected ISSUER_MISMATCH iss"],
      ["the client id of another app", { client_id: "2example" }, "rejected CLAIM_MISMATCH client_id"],
      [
        "what an ID token has",
        { token_use: "id", aud: "1example23456789", client_id: undefined },
        "rejected CLAIM_MISMATCH token_use",
      ],
      ["another scope", { scope: "openid" }, "rejected CLAIM_MISMATCH scope"],
    ],
  },
  firebase: {
    documents: {
      "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com": {
        "firebase-1": certify("securetoken.system.gserviceaccount.com", { keys: keyOf("rsa").signer }).cert,
        "firebase-2": certify("securetoken.system.gserviceaccount.com", { keys: keyOf("rsa-other").signer }).cert,
      },
    },
    bad: [
      [
        "what another project has",
        { iss: "https://securetoken.google.com/evil", aud: "evil" },
        "rejected ISSUER_MISMATCH iss",
      ],
      ["another audience", { aud: "evil" }, "rejected AUDIENCE_MISMATCH aud"],
      [
        "what an anonymous user has",
        { firebase: { identities: {}, sign_in_provider: "anonymous" } },
        "rejected CLAIM_MISMATCH /firebase/sign_in_provider",
      ],
      ["no auth_time", { auth_time: undefined }, "rejected CLAIM_MISSING auth_time"],
    ],
  },
  github: {
    documents: discovered(GITHUB, `${GITHUB}/.well-known/jwks`, keySet(RS256("github-1"))),
    bad: [
      ["the id of another owner", { repository_owner_id: "6666" }, "rejected CLAIM_MISMATCH repository_owner_id"],
      [
        "a repository whose owner begins alike",
        { sub: "repo:acme-evil/api:ref:refs/heads/main" },
        "rejected CLAIM_MISMATCH sub",
      ],
      ["another repository", { sub: "repo:acme/api-docs:ref:refs/heads/main" }, "rejected CLAIM_MISMATCH sub"],
      ["another branch", { ref: "refs/heads/try" }, "rejected CLAIM_MISMATCH ref"],
      [
        "the audience that GitHub gives by itself",
        { aud: "https://github.com/acme" },
        "rejected AUDIENCE_MISMATCH aud",
      ],
    ],
  },
  gitlab: {
    documents: discovered("https://gitlab.com", "https://gitlab.com/oauth/discovery/keys", keySet(RS256("gitlab-1"))),
    bad: [
      ["another group", { namespace_id: "73" }, "rejected CLAIM_MISMATCH namespace_id"],
      ["what another project has", { project_id: "2003" }, "rejected CLAIM_MISMATCH project_id"],
      ["a branch that is not protected", { ref_protected: "false" }, "rejected CLAIM_MISMATCH ref_protected"],
      ["what a person has who signs in", { sub: "1", aud: "app-id" }, "rejected AUDIENCE_MISMATCH aud"],
    ],
  },
  kubernetes: {
    documents: { "https://kubernetes.default.svc/openid/v1/jwks": keySet(RS256("kubernetes-1")) },
    bad: [
      [
        "the audience of a pod's default token",
        { aud: ["https://kubernetes.default.svc"] },
        "rejected AUDIENCE_MISMATCH aud",
      ],
      [
        "another namespace",
        { "kubernetes.io": { namespace: "other" } },
        "rejected CLAIM_MISMATCH /kubernetes.io/namespace",
      ],
      ["the name of another account", { sub: "system:serviceaccount:shop:cron" }, "rejected CLAIM_MISMATCH sub"],
      ["no exp", { exp: undefined }, "rejected CLAIM_MISSING exp"],
    ],
  },
  spiffe: {
    documents: {
      "https://spire.acme.example/": {
        spiffe_sequence: 7,
        spiffe_refresh_hint: 300,
        keys: [
          { ...published("p256-other", { use: "x509-svid" }), x5c: ["MAo="] },
          published("p256", { kid: "spiffe-1", use: "jwt-svid" }),
        ],
      },
    },
    bad: [
      ["another trust domain", { sub: "spiffe://evil.example/shop/web" }, "rejected CLAIM_MISMATCH sub"],
      ["another part of the trust domain", { sub: "spiffe://acme.example/shop-evil" }, "rejected CLAIM_MISMATCH sub"],
      ["the audience of another service", { aud: ["spiffe://acme.example/pay/api"] }, "rejected AUDIENCE_MISMATCH aud"],
    ],
  },
  cloudflare: {
    documents: {
      "https://acme.cloudflareaccess.com/cdn-cgi/access/certs": {
        ...keySet(RS256("cloudflare-1"), RS256("cloudflare-0")),
        public_cert: { kid: "cloudflare-1", cert: "" },
        public_certs: [],
      },
    },
    bad: [
      ["the audience of another application of the team", { aud: ["0".repeat(64)] }, "rejected AUDIENCE_MISMATCH aud"],
      ["the issuer of another team", { iss: "https://evil.cloudflareaccess.com" }, "rejected ISSUER_MISMATCH iss"],
      ["the type of the team's session", { type: "org" }, "rejected CLAIM_MISMATCH type"],
    ],
  },
  iap: {
    documents: { "https://www.gstatic.com/iap/verify/public_key-jwk": keySet(ES256("iap-1"), ES256("iap-2")) },
    bad: [
      [
        "the audience of another application behind IAP",
        { aud: "/projects/666/global/backendServices/1" },
        "rejected AUDIENCE_MISMATCH aud",
      ],
      ["the domain of another organisation", { hd: "evil.example" }, "rejected CLAIM_MISMATCH hd"],
      ["a lifetime of an hour", { exp: 1800003600 }, "rejected LIFETIME_TOO_LONG exp"],
    ],
  },
  supabase: {
    documents: { [`${SUPABASE}/.well-known/jwks.json`]: keySet(ES256("supabase-1")) },
    bad: [
      ["what another project has", { iss: SUPABASE.replace("abc", "evil") }, "rejected ISSUER_MISMATCH iss"],
      ["what an anonymous user has", { is_anonymous: true }, "rejected CLAIM_MISMATCH is_anonymous"],
      ["another role", { role: "service_role" }, "rejected CLAIM_MISMATCH role"],
    ],
  },
  clerk: {
    documents: { "https://clerk.acme.example/.well-known/jwks.json": keySet(RS256("clerk-1")) },
    bad: [
      ["another origin", { azp: "https://evil.example" }, "rejected CLAIM_MISMATCH azp"],
      ["no origin", { azp: undefined }, "rejected CLAIM_MISSING azp"],
      ["the issuer of another instance", { iss: "https://clerk.evil.example" }, "rejected ISSUER_MISMATCH iss"],
    ],
  },
  alb: {
    documents: cognito,
    bad: [
      ["the client id of another app of the pool", { client_id: "2example" }, "rejected CLAIM_MISMATCH client_id"],
      ["another use", { token_use: "id" }, "rejected CLAIM_MISMATCH token_use"],
    ],
  },
};

/** The part of Node's tls that sets what `tls.connect` trusts by default; @types/node 22 lacks it. */
const trust = tls as unknown as {
  getCACertificates(type: "default"): readonly string[];
  setDefaultCACertificates(certificates: readonly string[]): void;
};

describe("docs/guides/issuers.md", () => {
  const folder = mkdtempSync(join(tmpdir(), "issuers-guide-"));
  const trusted = trust.getCACertificates("default");
  const all: ReadonlyMap<string, Json> = new Map(
    Object.values(ISSUERS).flatMap(({ documents }) => Object.entries(documents)),
  );
  const hosts = [...new Set([...all.keys()].map((url) => new URL(url).hostname))];
  const authority = certify("the test's authority", { isAuthority: true });
  const { cert, key } = certify("the internet", { issuer: authority, names: hosts.map((host) => ["DNS", host]) });
  const bearers: string[] = [];
  let internet: https.Server;
  let proxy: ConnectProxy;

  before(async () => {
    trust.setDefaultCACertificates([...trusted, authority.cert]);
    writeFileSync(join(folder, "token"), "a-service-account's-token\n");
    internet = https.createServer({ cert, key }, (req, res) => {
      const document = all.get(`https://${req.headers.host}${req.url}`);
      if (req.headers.authorization !== undefined) bearers.push(req.headers.authorization);
      res.writeHead(document === undefined ? 404 : 200, { "Content-Type": "application/json" });
      res.end(JSON.stringify(document ?? {}));
    });
    await new Promise<void>((resolve) => internet.listen(0, "127.0.0.1", resolve));
    proxy = await startProxy(() => (internet.address() as AddressInfo).port);
  });
  after(() => {
    trust.setDefaultCACertificates(trusted);
    proxy.close();
    internet.close();
    internet.closeAllConnections();
    rmSync(folder, { recursive: true });
  });

  /** Loads a realm of the guide in a world with the documents of its issuer. */
  function configured(yaml: string): Config {
    const files: Readonly<Record<string, string>> = {
      "/verifier.yaml": `grpc: 127.0.0.1:0\n${yaml}`,
      [`${SECRETS}ca.crt`]: authority.cert,
    };
    return loadConfig("/verifier.yaml", {
      env: { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` },
      readFile: (file) => files[file] ?? expect.fail(`reads ${file}`),
    });
  }

  function open(yaml: string): Promise<Core> {
    const config = mounted(configured(yaml), join(folder, "token"));
    return openCore(config, { clock: () => NOW + 30_000, log: pino({ level: "silent" }), readOnlyAt: NOW });
  }

  async function ask(core: Core, realm: string, token: string): Promise<string> {
    const request = { realm, token: new Secret(token), credential: undefined, explain: false };
    const call = { requestId: "guide", address: "", deadline: NOW + 60_000 };
    return summary(await core.verifier.verify(request, call));
  }

  it("the test knows each realm of the guide and no other", () => {
    expect(RECIPES.map(({ realm }) => realm)).to.deep.equal(Object.keys(ISSUERS));
    expect(GUIDE.blocks("yaml")).to.have.length(RECIPES.length);
  });

  for (const { realm, yaml, header, claims } of RECIPES) {
    describe(realm, () => {
      const { bad } = ISSUERS[realm] as Issuer;
      const signer = header["alg"] === "ES256" ? "p256" : "rsa";
      const sign = (changes: Json, by = signer): string =>
        makeToken({ key: by, header, claims: { ...claims, ...changes } });
      let core: Core;
      before(async () => {
        core = await open(yaml);
      });
      after(() => core.close());

      it(`${realm}: the token that the guide shows is verified`, async () => {
        expect(await ask(core, realm, sign({}))).to.equal("verified");
      });

      it(`${realm}: the same token with another's signature is refused`, async () => {
        expect(await ask(core, realm, sign({}, `${signer}-other`))).to.equal("rejected SIGNATURE_INVALID");
      });

      for (const [what, changes, verdict] of bad) {
        it(`${realm}: the token with ${what} is ${verdict}`, async () => {
          expect(await ask(core, realm, sign(changes))).to.equal(verdict);
        });
      }
    });
  }

  it("kubernetes: the keys are asked for with the token of the service account, and no other issuer gets it", async () => {
    bearers.length = 0;
    for (const { realm, yaml, header, claims } of RECIPES) {
      const core = await open(yaml);
      await ask(core, realm, makeToken({ key: "rsa", header: { ...header, alg: "RS256" }, claims }));
      await core.close();
    }
    expect(bearers).to.deep.equal(["Bearer a-service-account's-token"]);
  });

  it("check finds in the guide's realms only the nulls that the guide says it will", () => {
    const rules = [...REALM_RULES, ...ISSUER_RULES, ...CLAIM_RULES, ...RECIPE_RULES];
    const found = RECIPES.flatMap(({ yaml }) => applyRules(rules, "warning", configured(yaml)));
    expect(found.map(({ check, place }) => `${place} ${check}`)).to.deep.equal([
      "realms.cognito.audience audience-unchecked",
      "realms.clerk.audience audience-unchecked",
      "realms.alb.audience audience-unchecked",
    ]);
  });

  it("alb: the token of x-amzn-oidc-data is refused as malformed", async () => {
    const { yaml } = RECIPES.find(({ realm }) => realm === "alb") ?? expect.fail();
    const core = await open(yaml);
    const data = makeToken({
      key: "p256",
      header: {
        typ: "JWT",
        kid: "alb-1",
        alg: "ES256",
        iss: POOL,
        client: "1example23456789",
        signer: "arn:aws:elb",
        exp: 1,
      },
      claims: { sub: "jane", iss: POOL, exp: 1800000120 },
    });
    const padded = data.split(".").map((part) => part.padEnd(Math.ceil(part.length / 4) * 4, "="));
    expect(padded.join(".")).to.not.equal(data);
    expect(await ask(core, "alb", padded.join("."))).to.equal("rejected TOKEN_MALFORMED");
    await core.close();
  });

  it("github: both forms of the subject are verified", async () => {
    const { yaml, header, claims } = RECIPES.find(({ realm }) => realm === "github") ?? expect.fail();
    const core = await open(yaml);
    for (const sub of ["repo:acme/api:ref:refs/heads/main", "repo:acme@1001/api@2002:ref:refs/heads/main"]) {
      expect(await ask(core, "github", makeToken({ key: "rsa", header, claims: { ...claims, sub } }))).to.equal(
        "verified",
      );
    }
    await core.close();
  });
});

/** Gives the entries with `bearerTokenFile`, which is read at each fetch, a file that exists. */
function mounted(config: Config, file: string): Config {
  const realms = config.realms.map((realm) => ({
    ...realm,
    remotes: realm.remotes.map((entry) => {
      const { bearerTokenFile, ...credentials } = entry.credentials ?? { origin: "" };
      if (bearerTokenFile === undefined) return entry;
      return { ...entry, credentials: { ...credentials, bearerTokenFile: { ...bearerTokenFile, file } } };
    }),
  }));
  return { ...config, realms };
}

function summary(outcome: Outcome): string {
  if (outcome.kind === "verified") return "verified";
  if (outcome.kind === "rejected") return `rejected ${outcome.reason} ${outcome.claim}`.trim();
  return `no verdict ${outcome.reason}`;
}

import { expect } from "chai";
import { parse } from "yaml";
import { lacking, placeOf, RECIPES, recipeOf } from "../../src/cli/check/recipes.js";
import type { RealmSettings } from "../../src/config/realms.js";
import { readGuide } from "../docs/guide.js";
import { folderOf, run } from "./harness.js";

// How `check` recognises the issuers of docs/guides/issuers.md.

const GUIDE = readGuide("issuers");

/** The settings of a realm with an issuer, as `check` gets them. */
const settings = (more: Readonly<Record<string, unknown>>): RealmSettings => ({
  vendor: undefined,
  byIssuer: undefined,
  settings: { maxTokenLength: 1, audience: null, claims: {}, ...more },
});
const of = (issuer: string): RealmSettings => settings({ issuer: [issuer] });

/** Each realm of the guide: the anchor of its section and its settings. */
const REALMS = GUIDE.text
  .split(/^## /m)
  .slice(1)
  .flatMap((section) => {
    const anchor = (section.split("\n", 1)[0] ?? "").toLowerCase().replaceAll(" ", "-");
    return Array.from(section.matchAll(/^```yaml\n([\s\S]*?)^```/gm), ([, yaml = ""]) => {
      const { realms } = parse(yaml) as { realms: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
      const [first] = Object.entries(realms);
      const [name, realm] = first ?? expect.fail();
      const list = (value: unknown): unknown => (value === null ? null : [value].flat());
      const given = settings({ ...realm, issuer: list(realm["issuer"]), audience: list(realm["audience"]) });
      return { name, anchor, realm: given };
    });
  });

describe("check's recipes", () => {
  it("there is a recipe for each section of the guide, in its order; AWS ALB passes on another issuer's token", () => {
    const headings = Array.from(GUIDE.text.matchAll(/^## (.*)$/gm), ([, heading]) => heading);
    expect([...new Set(RECIPES.map(({ heading }) => heading)), "AWS ALB"]).to.deep.equal(headings);
  });

  it("the guide lists its sections at its top", () => {
    const listed = Array.from(GUIDE.text.matchAll(/\[([^\]]+)\]\(#[a-z0-9-]+\)/g), ([, name]) => name);
    expect([...new Set(RECIPES.map(({ heading }) => heading)), "AWS ALB"]).to.deep.equal(listed);
  });

  for (const { name, anchor, realm } of REALMS) {
    it(`${name}: the realm of the guide is recognised, and has all that its recipe requires`, () => {
      const recipe = recipeOf(realm) ?? expect.fail("is not recognised");
      expect(placeOf(recipe)).to.equal(`docs/guides/issuers.md#${anchor === "aws-alb" ? "cognito" : anchor}`);
      expect(lacking(recipe, realm)).to.deep.equal([]);
    });
  }

  const known: Readonly<Record<string, string | undefined>> = {
    "https://login.microsoftonline.com/{tid}/v2.0": "Entra (multi-tenant)",
    "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0": "Entra",
    "https://sts.windows.net/11111111-2222-3333-4444-555555555555/": "Entra",
    "http://localhost:8080/auth/realms/acme": "Keycloak",
    "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC": "Kubernetes",
    "https://witty-cat-1.clerk.accounts.dev": "Clerk",
    "https://acme.okta.com": "Okta",
    "https://issuer.example": undefined,
    "https://login.microsoftonline.com.evil.example/x/v2.0": undefined,
    "https://gitlab.com.evil.example": undefined,
    "https://evil.example/?https://accounts.google.com": undefined,
  };
  for (const [issuer, name] of Object.entries(known)) {
    it(`${issuer} is ${name ?? "no issuer of a recipe"}`, () => expect(recipeOf(of(issuer))?.name).to.equal(name));
  }

  it("a realm without conditions lacks each list of claims, and an audience counts as a condition on aud", () => {
    const lacks = (issuer: string, more = {}) => {
      const realm = settings({ issuer: [issuer], ...more });
      return lacking(recipeOf(realm) ?? expect.fail(), realm);
    };
    const pool = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_A";
    expect(lacks(pool)).to.deep.equal([["token_use"], ["client_id", "aud"]]);
    expect(lacks(pool, { audience: ["1example"] })).to.deep.equal([["token_use"]]);
    expect(lacks(pool, { claims: { client_id: {}, token_use: {} } })).to.deep.equal([]);
  });

  it("check prints the recipe's name and place, and --json has both", async () => {
    const folder = folderOf(
      "grpc: 127.0.0.1:0\nrealms:\n  jobs: { algorithms: [RS256], issuer: https://gitlab.com, audience: a, keys: [{ pemFile: ./fiserv.pem }] }\n",
    );
    const { stdout } = await run(["check", "--config", "verifier.yaml"], folder);
    expect(stdout).to.contain("\n  recipe: GitLab, docs/guides/issuers.md#gitlab\n");
    expect(stdout.replaceAll(/\s+/g, " ")).to.contain(
      "realms.jobs.claims has no condition on sub or project_id or project_path or namespace_id or namespace_path, which the recipe for GitLab (docs/guides/issuers.md#gitlab) requires (recipe-incomplete)",
    );
    const { realms } = JSON.parse((await run(["check", "--config", "verifier.yaml", "--json"], folder)).stdout);
    expect(realms[0].recipe).to.deep.equal({ name: "GitLab", guide: "docs/guides/issuers.md#gitlab" });
  });
});

import type { Config } from "../../config/load.js";
import { genericSettings, type RealmSettings } from "../../config/realms.js";
import { ACCESS_TOKENS } from "../../verifier/generic.js";
import type { CheckRule } from "./findings.js";

/** A recipe of docs/guides/issuers.md, and the realms that it is for. */
export interface Recipe {
  readonly name: string;
  /** The heading of the guide. */
  readonly heading: string;
  /** Fits the issuer of a realm. */
  readonly issuer?: RegExp;
  /** Fits the audience of a realm, for issuers that name themselves in no token. */
  readonly audience?: RegExp;
  /** For each list, the realm needs a condition on one of these claims; an `audience` is one on `aud`. */
  readonly needs: readonly (readonly string[])[];
}

const recipe = (heading: string, issuer: RegExp, ...needs: readonly (readonly string[])[]): Recipe => ({
  name: heading,
  heading,
  issuer,
  needs,
});

const REPOSITORY = [
  "sub",
  "repository",
  "repository_id",
  "repository_owner",
  "repository_owner_id",
  "job_workflow_ref",
];
const PROJECT = ["sub", "project_id", "project_path", "namespace_id", "namespace_path"];
const ENTRA = { heading: "Entra", needs: [["scp", "roles"]] };

/** All recipes whose realms can be recognised, in the order of the guide. The first that fits a realm is its recipe. */
export const RECIPES: readonly Recipe[] = [
  {
    ...ENTRA,
    name: "Entra (multi-tenant)",
    issuer: /^https:\/\/login\.microsoftonline\.com\/\{/,
  },
  { ...ENTRA, name: "Entra", issuer: /^https:\/\/(login\.microsoftonline\.com\/[^/]+\/v2\.0$|sts\.windows\.net\/)/ },
  recipe("Google", /^(https:\/\/)?accounts\.google\.com$/),
  recipe("Apple", /^https:\/\/appleid\.apple\.com$/),
  recipe("Keycloak", /^https?:\/\/[^/]+(\/auth)?\/realms\/[^/]+$/, ["typ"]),
  recipe("Auth0", /^https:\/\/[^/]+\.auth0\.com\/$/),
  recipe("Okta", /^https:\/\/[^/]+\.(okta|oktapreview|okta-emea)\.com(\/|$)/, ["cid"]),
  recipe("Cognito", /^https:\/\/cognito-idp\.[^/]+\.amazonaws\.com\//, ["token_use"], ["client_id", "aud"]),
  recipe("Firebase", /^https:\/\/securetoken\.google\.com\//),
  recipe("GitHub Actions", /^https:\/\/token\.actions\.githubusercontent\.com(\/|$)/, REPOSITORY),
  recipe("GitLab", /^https:\/\/gitlab\.com$/, PROJECT),
  recipe("Kubernetes", /^https:\/\/(kubernetes\.default\.svc|oidc\.eks\.|container\.googleapis\.com\/v1\/projects\/)/),
  { name: "SPIFFE", heading: "SPIFFE", audience: /^spiffe:\/\//, needs: [["sub"]] },
  recipe("Cloudflare Access", /^https:\/\/[^/]+\.cloudflareaccess\.com$/, ["type"]),
  recipe("Google IAP", /^https:\/\/cloud\.google\.com\/iap$/),
  recipe("Supabase", /^https:\/\/[^/]+\.supabase\.co\/auth\/v1$/, ["role"]),
  recipe("Clerk", /^https:\/\/(clerk\.[^/]+|[^/]+\.clerk\.accounts\.dev)$/, ["azp", "aud"]),
];

/** The recipe for a realm's issuer; undefined for an issuer that no recipe knows. */
export function recipeOf(realm: RealmSettings): Recipe | undefined {
  const { issuer, audience } = genericSettings(realm);
  return RECIPES.find(
    (one) => issuer?.some((text) => one.issuer?.test(text)) || audience?.some((text) => one.audience?.test(text)),
  );
}

/** What a recipe needs and a realm lacks: claims, one of which should have a condition. */
export function lacking(recipe: Recipe, realm: RealmSettings): readonly (readonly string[])[] {
  const { audience, claims = {}, preset } = genericSettings(realm);
  // The header's `typ`, which that preset requires, refuses ID tokens as Keycloak's claim `typ` does.
  const typed = preset === ACCESS_TOKENS ? ["typ"] : [];
  const checked = new Set([...Object.keys(claims), ...(audience ? ["aud"] : []), ...typed]);
  return recipe.needs.filter((names) => !names.some((name) => checked.has(name)));
}

/** Where a recipe is, such as `docs/guides/issuers.md#entra`. */
export const placeOf = ({ heading }: Recipe): string =>
  `docs/guides/issuers.md#${heading.toLowerCase().replaceAll(" ", "-")}`;

/** Realms that lack what the recipe for their issuer requires. */
export const RECIPE_RULES: readonly CheckRule<Pick<Config, "realms">>[] = [
  {
    name: "recipe-incomplete",
    level: "warning",
    find: ({ realms }) =>
      realms.flatMap((realm) => {
        const recipe = recipeOf(realm);
        if (recipe === undefined) return [];
        return lacking(recipe, realm).map((names) => ({
          place: `realms.${realm.name}.claims`,
          message: `has no condition on ${names.join(" or ")}, which the recipe for ${recipe.name} (${placeOf(recipe)}) requires`,
        }));
      }),
    fix: "Add the condition as the recipe has it. Leave it out only if another condition refuses the same tokens.",
  },
];

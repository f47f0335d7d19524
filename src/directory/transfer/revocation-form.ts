import { z } from "zod";
import { checkCommand } from "../commands.js";
import { SELECTOR_KINDS, type Selector, TIMELESS_KINDS } from "../revocation.js";
import { attempt, type FormContext } from "./entry-forms.js";
import type { PutRevocation } from "./import.js";

// Revocations as people write them in an import.

const text = (what: string) => z.string().optional().describe(what);
const seconds = z.number().int();

/** A revocation: a realm, one selector, and what limits it. */
export const revocationForm = z.strictObject({
  realm: z.string().describe("The realm. Empty with `digest` for every realm."),
  jti: text("The token's `jti`."),
  digest: text("The SHA-256 of the token's header and payload, in base64url."),
  subject: text("The text of the claim that names the user."),
  session: text("The token's `sid`."),
  client: text("The token's `client_id`, else its `azp`."),
  instance: text("The instance whose secret key signed; beside another selector, limits it to that instance's tokens."),
  key: text("The `kid` or the RFC 7638 thumbprint of the key that verified."),
  all: z.literal(true).optional().describe("Every token of the realm."),
  issuer: text("Limits it to tokens with this `iss`."),
  issuedBefore: seconds
    .nullable()
    .optional()
    .describe("Refuses tokens whose `iat` is not later, in seconds since 1970; null refuses all, for good."),
  exp: seconds.optional().describe("The token's `exp`, after which the revocation is forgotten. Default: never."),
  comment: text("Why, for operators."),
});

/** The revocation of a form; undefined, with issues, if it cannot be stored. */
export function revocationOf(form: z.infer<typeof revocationForm>, context: FormContext): PutRevocation | undefined {
  const { place, issues } = context;
  const named = SELECTOR_KINDS.filter((kind) => kind !== "instance" && form[kind] !== undefined);
  const [kind = form.instance === undefined ? undefined : ("instance" as const)] = named;
  if (kind === undefined || named.length > 1) {
    issues.push({ place, message: `must have one of ${SELECTOR_KINDS.join(", ")}` });
    return undefined;
  }
  const { issuedBefore, exp = null, comment = "" } = form;
  const isTimeless = TIMELESS_KINDS.has(kind);
  if (isTimeless ? typeof issuedBefore === "number" : issuedBefore === undefined) {
    const message = isTimeless
      ? `is not for ${kind}, which refuses tokens whenever they were issued: leave it out`
      : "is missing: it must be a number of seconds since 1970, or null to refuse tokens whenever they are issued";
    issues.push({ place: `${place}.issuedBefore`, message });
    return undefined;
  }
  const selector: Selector = {
    realm: form.realm,
    kind,
    value: kind === "all" ? "" : (form[kind] ?? ""),
    ...(kind !== "instance" && form.instance !== undefined && { instance: form.instance }),
    ...(form.issuer !== undefined && { issuer: form.issuer }),
  };
  const revocation = { selector, issuedBefore: issuedBefore ?? null, exp };
  return attempt(() => {
    checkCommand({ kind: "revoke", revocations: [revocation], comment });
    return { kind: "putRevocation", revocation, comment };
  }, context);
}

/** The form of a revocation. */
export function formOfRevocation({ revocation, comment }: PutRevocation): z.infer<typeof revocationForm> {
  const { selector, issuedBefore, exp } = revocation;
  const { realm, kind, value, instance, issuer } = selector;
  return {
    realm,
    ...(instance !== undefined && { instance }),
    ...(issuer !== undefined && { issuer }),
    [kind]: kind === "all" ? true : value,
    ...((issuedBefore !== null || !TIMELESS_KINDS.has(kind)) && { issuedBefore }),
    ...(exp !== null && { exp }),
    ...(comment !== "" && { comment }),
  };
}

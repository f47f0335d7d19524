import { Revocation as RevocationMessage } from "../../../gen/tokenverifier/admin/v1/revocation_service.js";
import { SelectorKind as KindNumber, Selector as SelectorMessage } from "../../../gen/tokenverifier/admin/v1/types.js";
import { isText } from "../../directory/commands.js";
import type { StoredRevocation } from "../../directory/operator-store.js";
import {
  type Revocation,
  revocationKey,
  SELECTOR_KINDS,
  type Selector,
  type SelectorKind,
} from "../../directory/revocation.js";
import { changing, contentOf } from "./changes.js";
import { type AskedRevocation, type Handlers, invalid, type OperationsContext } from "./context.js";
import { changeMessage, millisOf, timestamp } from "./messages.js";
import { readPage } from "./pages.js";

/** The most revocations of a request. */
const MAX_REVOCATIONS = 1_000;

/** The longest comment, in UTF-16 code units. */
const MAX_COMMENT = 1_024;

/** The methods about revocations. */
export function revocationHandlers(context: OperationsContext): Handlers<"revoke" | "listRevocations" | "unrevoke"> {
  const { store, clock, makeRevocation } = context;
  return {
    revoke(request, operator) {
      const { requestId, revocations, comment } = request;
      const change = { kind: "revoke", requestId, subject: { count: revocations.length, comment } } as const;
      return changing(context, operator, change, async (by) => {
        checkCount(revocations, "revocations");
        checkComment(comment);
        const now = clock();
        const complete = revocations.map((one, at) => makeRevocation(askedOf(one, `revocations[${at}]`), now));
        const command = { kind: "revoke", revocations: complete, comment } as const;
        const applied = await store.change(command, contentOf(request), by);
        const { subject } = applied as { readonly subject: { readonly revocations?: readonly FlatRevocation[] } };
        return { change: changeMessage(applied), revocations: (subject.revocations ?? []).map(flatMessage) };
      });
    },
    async listRevocations(request) {
      const { realm, kind, value, withinInstance } = request;
      const filter = {
        realm: realm || undefined,
        kind: kind === KindNumber.SELECTOR_KIND_UNSPECIFIED ? undefined : kindOf(kind),
        value: value || undefined,
        instance: withinInstance || undefined,
      };
      const { entries, nextPageToken } = await readPage(request, {
        storeId: store.id,
        of: ["revocations", realm, kind, value, withinInstance],
        read: (after, limit) => store.revocations(filter, after?.[0], limit),
        placeOf: ({ selector }) => [revocationKey(selector).toString("base64url")],
      });
      return { revocations: entries.map(entryMessage), nextPageToken };
    },
    unrevoke(request, operator) {
      const { requestId, selectors, comment } = request;
      const change = { kind: "unrevoke", requestId, subject: { count: selectors.length, comment } } as const;
      return changing(context, operator, change, async (by) => {
        checkCount(selectors, "selectors");
        if (comment === "") throw invalid("`comment` is missing. Say why these tokens are good again.");
        checkComment(comment);
        const removed = selectors.map((one, at) => selectorOf(one, `selectors[${at}]`));
        const command = { kind: "unrevoke", selectors: removed, comment } as const;
        return { change: changeMessage(await store.change(command, contentOf(request), by)) };
      });
    },
  };
}

function checkCount(list: readonly unknown[], field: string): void {
  if (list.length >= 1 && list.length <= MAX_REVOCATIONS) return;
  throw invalid(`\`${field}\` has ${list.length} elements. Send 1 to ${MAX_REVOCATIONS}.`);
}

function checkComment(comment: string): void {
  if (isText(comment, MAX_COMMENT)) return;
  throw invalid(`\`comment\` is not at most ${MAX_COMMENT} characters of valid Unicode without NUL.`);
}

/** The number of a kind in the proto. */
const kindNumber = (kind: SelectorKind): KindNumber =>
  KindNumber[`SELECTOR_KIND_${kind.toUpperCase() as Uppercase<SelectorKind>}`];

/** The kind of a number. @throws OperatorError for one of a later version */
function kindOf(number: KindNumber): SelectorKind {
  const kind = SELECTOR_KINDS.find((one) => kindNumber(one) === number);
  if (kind === undefined) throw invalid("`kind` is not known to this version of the service.");
  return kind;
}

/** A selector as a message has it. */
export function selectorMessage({ realm, kind, value, instance, issuer }: Selector): SelectorMessage {
  const by: SelectorMessage["by"] = kind === "all" ? { $case: "all", value: true } : { $case: kind, value };
  return SelectorMessage.fromPartial({
    realm,
    by,
    ...(instance !== undefined && { withinInstance: instance }),
    ...(issuer !== undefined && { issuer }),
  });
}

/** The selector of a message. @throws OperatorError */
function selectorOf(message: SelectorMessage | undefined, field: string): Selector {
  const { realm = "", by, withinInstance, issuer } = message ?? {};
  if (by === undefined || by.value === false) {
    throw invalid(`\`${field}\` does not say what selects tokens. Set one of ${SELECTOR_KINDS.join(", ")}.`);
  }
  return {
    realm,
    kind: by.$case,
    value: typeof by.value === "string" ? by.value : "",
    ...(withinInstance !== undefined && { instance: withinInstance }),
    ...(issuer !== undefined && { issuer }),
  };
}

/** What a message asks to revoke. @throws OperatorError */
function askedOf({ selector, reach, expiresAt }: RevocationMessage, field: string): AskedRevocation {
  return {
    ...selectorOf(selector, `${field}.selector`),
    ...(reach?.$case === "issuedBefore" && {
      issuedBefore: Math.floor(millisOf(reach.value, `${field}.issued_before`) / 1000),
    }),
    ...(reach?.$case === "ban" && { ban: reach.value }),
    // The second from which the token is certainly expired.
    ...(expiresAt !== undefined && { exp: Math.ceil(millisOf(expiresAt, `${field}.expires_at`) / 1000) }),
  };
}

/** A revocation as the audit has it. */
type FlatRevocation = Selector & Pick<Revocation, "issuedBefore" | "exp">;

const flatMessage = ({ issuedBefore, exp, ...selector }: FlatRevocation): RevocationMessage =>
  revocationMessage({ selector, issuedBefore, exp });

/** A revocation as a message has it. */
function revocationMessage({ selector, issuedBefore, exp }: Revocation): RevocationMessage {
  const isTimeless = selector.kind === "jti" || selector.kind === "digest" || selector.kind === "key";
  const reach: RevocationMessage["reach"] =
    issuedBefore === null
      ? { $case: "ban", value: true }
      : { $case: "issuedBefore", value: timestamp(issuedBefore * 1000) };
  return RevocationMessage.fromPartial({
    selector: selectorMessage(selector),
    ...(!isTimeless && { reach }),
    ...(exp !== null && { expiresAt: timestamp(exp * 1000) }),
  });
}

const entryMessage = ({ at, comment, ...revocation }: StoredRevocation) => ({
  revocation: revocationMessage(revocation),
  madeAt: timestamp(at),
  comment,
});

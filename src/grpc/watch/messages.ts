import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import {
  type DigestKey,
  type Selector,
  SelectorKind,
  WatchChangesResponse,
} from "../../../gen/tokenverifier/v1/token_verifier.js";
import type { Position } from "../../contract/verdict-parts.js";
import type { WatchedRealm, WatchSelector } from "../../contract/watch.js";
import { positionToWire } from "../../wire/messages.js";
import { durationFromMillis } from "../../wire/protobuf.js";

// The messages to watchers, and the digests in them.

const DAY = 24 * 3_600_000;

/** Milliseconds before the end of a day from which its watchers are given the next day's key. */
const LEAD = 2 * 3_600_000;

/** Bytes of a selector's digest. */
const DIGEST_BYTES = 16;

/** A day, counted from 1970. @param now milliseconds since 1970 */
export const dayOf = (now: number): number => Math.floor(now / DAY);

/** The key of a realm's digests on a day. */
function digestKey(root: Buffer, realm: string, day: number): Buffer {
  return createHmac("sha256", root).update(`watch\n${day}\n${realm}`).digest();
}

/** The keys that a watcher needs from now on. */
export function digestKeys(root: Buffer, realm: string, now: number): DigestKey[] {
  const days = [...new Set([dayOf(now), dayOf(now + LEAD)])];
  return days.map((id) => ({ id, key: digestKey(root, realm, id) }));
}

/** Makes a realm's selectors, with the key of one day. */
export class SelectorWriter {
  readonly day: number;
  readonly #key: KeyObject;

  constructor(root: Buffer, realm: string, day: number) {
    this.day = day;
    this.#key = createSecretKey(digestKey(root, realm, day));
  }

  /** Encodes selectors. A key is named by its marks; where they are unknown, all tokens are selected. */
  write(selectors: readonly WatchSelector[], { keysNamed }: Pick<WatchedRealm, "keysNamed">): Selector[] {
    return selectors.flatMap(({ kind, value }): Selector[] => {
      if (kind === "all") return [ALL];
      if (kind !== "key") return [{ kind: KINDS[kind], digest: selectorDigest(this.#key, kind, value) }];
      const marks = keysNamed(value);
      return marks === undefined ? [ALL] : marks.map((mark) => ({ kind: KINDS.key, digest: bytes(mark) }));
    });
  }
}

const KINDS = {
  jti: SelectorKind.SELECTOR_KIND_JTI,
  digest: SelectorKind.SELECTOR_KIND_DIGEST,
  subject: SelectorKind.SELECTOR_KIND_SUBJECT,
  session: SelectorKind.SELECTOR_KIND_SESSION,
  client: SelectorKind.SELECTOR_KIND_CLIENT,
  instance: SelectorKind.SELECTOR_KIND_INSTANCE,
  key: SelectorKind.SELECTOR_KIND_KEY,
} as const;

const ALL: Selector = { kind: SelectorKind.SELECTOR_KIND_ALL, digest: Buffer.alloc(0) };

function selectorDigest(key: KeyObject, kind: string, value: string): Buffer {
  return createHmac("sha256", key).update(`${kind.toUpperCase()}\n${value}`).digest().subarray(0, DIGEST_BYTES);
}

type Message = NonNullable<WatchChangesResponse["message"]>;

/** Encodes a message. @param position up to which its reader then has all changes */
export function encodeWatch(message: Message, position: Position | undefined): Buffer {
  const response = { position: position && positionToWire(position), message };
  return Buffer.from(WatchChangesResponse.encode(response).finish());
}

/** The keys of a realm that watchers may trust. */
export const trustedKeys = ({ trustedKeys }: WatchedRealm): Buffer[] => trustedKeys.map(bytes);

/** Bytes in base64url. */
export const bytes = (base64url: string): Buffer => Buffer.from(base64url, "base64url");

/** A ping's answer. @param feedAge milliseconds */
export const pong = (ping: bigint, feedAge: number | undefined): Message => ({
  $case: "pong",
  value: { ping, feedAge: feedAge === undefined ? undefined : durationFromMillis(feedAge) },
});

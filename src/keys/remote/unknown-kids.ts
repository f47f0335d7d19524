import { hash } from "node:crypto";

/** Most `kid`s that are remembered for a realm. Anyone can make them up. */
const MAX_KIDS = 1000;

/**
 * The `kid`s that tokens of a realm asked for in vain, and when first. A fetch that begins after that, and does not bring
 * the `kid`, shows that the issuer has no such key; without this memory every further token with it would have to wait for
 * another fetch. Holds digests, because a `kid` may be as long as a token.
 */
export class UnknownKids {
  /** In the order of the first questions. */
  readonly #asked = new Map<string, number>();

  /** Remembers a question; the oldest of too many is forgotten. @returns when the `kid` was first asked for */
  note(kid: string, since: number): number {
    const digest = digestOf(kid);
    // After the clock was set back, an earlier question may seem to be later than this one.
    const first = Math.min(this.#asked.get(digest) ?? since, since);
    this.#asked.set(digest, first);
    if (this.#asked.size > MAX_KIDS) {
      const [oldest] = this.#asked.keys();
      if (oldest !== undefined) this.#asked.delete(oldest);
    }
    return first;
  }

  /** When a `kid` was first asked for; undefined if it is not remembered. */
  firstAsked(kid: string): number | undefined {
    return this.#asked.size === 0 ? undefined : this.#asked.get(digestOf(kid));
  }

  /** Number of `kid`s remembered. */
  get size(): number {
    return this.#asked.size;
  }

  /** Forgets all: after a change of the keys, an unknown `kid` may be the next of the same rotation. */
  clear(): void {
    this.#asked.clear();
  }
}

const digestOf = (kid: string): string => hash("sha256", kid, "base64");

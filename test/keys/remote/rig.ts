import { loadPublishedKeys } from "../../../src/keys/jwks.js";
import type { KeySet } from "../../../src/keys/key-set.js";
import { FetchError } from "../../../src/keys/remote/answer.js";
import type { FetchedSet, Memory } from "../../../src/keys/remote/documents.js";
import type { RemoteSettings } from "../../../src/keys/remote/held-keys.js";
import type { SetChanges } from "../../../src/keys/remote/published-set.js";
import { RemoteKeys, type SavedSet } from "../../../src/keys/remote/remote-keys.js";
import { jwkOf } from "../../support/keys.js";
import { VirtualTime } from "./virtual-time.js";

/** Returns a key set with an ES256 key under each of these kids. */
export const documentOf = (...kids: readonly string[]): { readonly keys: readonly object[] } => ({
  keys: kids.map((kid) => ({ ...jwkOf("p256"), kid })),
});

/** Returns the kids of a set, in order. */
export const kidsOf = (set: KeySet | undefined): readonly (string | undefined)[] | undefined =>
  set?.keys.map(({ kid }) => kid);

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** The default settings of the configuration. */
export const SETTINGS: RemoteSettings = {
  refreshMin: 5 * MINUTE,
  refreshMax: HOUR,
  staleIfError: 24 * HOUR,
  cooldown: 30 * SECOND,
  timeout: 5 * SECOND,
};

/** A fetch that is running. */
interface Asked {
  readonly at: number;
  readonly last: Memory | undefined;
  /** Ends the fetch with a document. @param lifetime in seconds */
  give(document: unknown, lifetime?: number, etag?: string): Promise<void>;
  /** Ends the fetch with an unchanged answer. */
  same(lifetime?: number): Promise<void>;
  fail(why?: string): Promise<void>;
  /** Ends the fetch with an unexpected error. */
  break(): Promise<void>;
}

/** Remote keys with virtual time, and a record of everything they fetch, save and report. */
export class Rig {
  readonly time: VirtualTime;
  /** Every fetch that was started. */
  readonly asked: Asked[] = [];
  readonly saved: SavedSet[] = [];
  readonly changes: SetChanges[] = [];
  readonly failures: [why: string, failures: number][] = [];
  /** The reports that no set counts any more: when, and why. */
  readonly outs: [at: number, why: string, failures: number][] = [];
  /** Whether a good fetch ended such a time, for each good fetch. */
  readonly returns: boolean[] = [];
  /** The time left of the set at each failure, in milliseconds. */
  readonly lefts: number[] = [];
  readonly keys: RemoteKeys;
  #open = 0;
  mostOpen = 0;

  constructor(settings: Partial<RemoteSettings> = {}, saved?: SavedSet, random = 0, time = new VirtualTime()) {
    this.time = time;
    this.keys = new RemoteKeys(
      { ...SETTINGS, ...settings },
      (value) => loadPublishedKeys(value, { algorithms: ["ES256"] }),
      {
        clock: time.clock,
        after: time.after,
        random: () => random,
        fetch: (last) => this.#ask(last),
        save: (set) => this.saved.push(set),
        observer: {
          fetched: (changes, _failures, wasOut) => {
            this.changes.push(changes);
            this.returns.push(wasOut);
          },
          failed: (why, failures, left) => {
            this.failures.push([why, failures]);
            this.lefts.push(left);
          },
          out: (why, failures) => this.outs.push([this.now, why, failures]),
        },
      },
      saved,
    );
  }

  /** The fetch started last. */
  get last(): Asked {
    const last = this.asked.at(-1);
    if (last === undefined) throw new Error("nothing was asked");
    return last;
  }

  get now(): number {
    return this.time.clock();
  }

  /** Loads a key now. @param within milliseconds until the deadline */
  load(kid: string | undefined, within = Number.POSITIVE_INFINITY): Promise<number | undefined> {
    return this.keys.load(kid, this.now, this.now + within);
  }

  #ask(last: Memory | undefined): Promise<FetchedSet> {
    this.#open++;
    this.mostOpen = Math.max(this.mostOpen, this.#open);
    return new Promise((resolve, reject) => {
      const end = async (settle: () => void): Promise<void> => {
        this.#open--;
        settle();
        await this.time.pass(0);
      };
      this.asked.push({
        at: this.now,
        last,
        give: async (value, lifetime, etag = "") => {
          await end(() =>
            resolve({
              kind: "document",
              value,
              memory: { jwksUri: "https://issuer.example/jwks", validators: { etag, lastModified: null } },
              ...(lifetime !== undefined && { lifetime }),
            }),
          );
        },
        same: (lifetime) => end(() => resolve({ kind: "unchanged", ...(lifetime !== undefined && { lifetime }) })),
        fail: (why = "it answered 503") => end(() => reject(new FetchError(why))),
        break: () => end(() => reject(new TypeError("a fault"))),
      });
    });
  }
}

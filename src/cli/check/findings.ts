import type { Config } from "../../config/load.js";
import type { Entry } from "../../directory/commands.js";
import type { KeySetName } from "../../directory/directory.js";
import type { LoadedSet } from "../../keys/load-jwks.js";

/** Where something stands, and what is wrong with it there. Never holds a secret. */
export interface Hit {
  /** Such as `realms.partner.issuer`; or a file's name. */
  readonly place: string;
  readonly message: string;
}

/** A mistake that people make, in a configuration that can be read. */
export interface Advice<Subject> {
  /** Lower case with dashes; stays what it is, for scripts go by it. */
  readonly name: string;
  /** An error: no service could be started with it, or be of any use. */
  readonly level: "error" | "warning";
  /** Everywhere that the mistake is made. */
  readonly find: (subject: Subject) => readonly Hit[];
  /** What to do about it. */
  readonly cure: string;
}

/** A mistake that was found. */
export interface Finding extends Hit {
  readonly check: string;
  readonly cure: string;
}

/** A file that was read with a configuration. */
export interface FileRead {
  readonly file: string;
  readonly text: string;
  /** Its permission bits; undefined where the system has none. */
  readonly mode: number | undefined;
}

/** An entry of a realm's keys that is fetched, and what came of it. */
export interface Reached {
  readonly realm: string;
  readonly location: string;
  /** Whether plain http, and addresses that are not public, are admitted. */
  readonly insecure: boolean;
  /** The set; or why there is none, in words. */
  readonly set: LoadedSet | string;
}

/** What `check` looks at: a configuration, and what it found around it. */
export interface Subject extends Config {
  /** The time of the look, in milliseconds since 1970. */
  readonly now: number;
  /** The configuration itself, and every file that was read with it. */
  readonly filesRead: readonly FileRead[];
  readonly seed: readonly Entry[];
  /** What came of fetching the keys that issuers publish. */
  readonly reached: readonly Reached[];
  /** How many of its entries the store does not hold just so, though it was filled already. */
  readonly seedIgnored: number;
  /** The file of the store, where there is to be one and is none yet. */
  readonly storeAbsent: string | undefined;
  /** Those key sets that were saved for the realms of the configuration, and that none of the master keys opens. */
  readonly setsUnopened: readonly KeySetName[];
}

/** What was found, errors apart. */
export interface Findings {
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { Secret } from "../util/secret.js";
import type { MasterKey, MasterKeys } from "./master-keys.js";
import { masterKeyOf } from "./master-keys.js";
import { type NamedKey, type SealingKeys, seal, unseal } from "./sealing.js";

// A store has keys of its own for sealing and for looking secrets up, each held once for every master key that opens it. A
// master key is so replaced without touching what is sealed or digested.

/** What a key of a store is for. */
export type KeyPurpose = "lookup" | "seal";

/** The keys by which secrets are found and checked. */
export interface LookupKeys {
  /** The key that new digests are made under. */
  readonly current: NamedKey;
  /** All keys, the current one first: the store may hold digests under any of them. */
  readonly all: readonly NamedKey[];
  readonly byId: ReadonlyMap<string, NamedKey>;
}

/** The keys of one store. */
export interface StoreKeys {
  readonly lookup: LookupKeys;
  readonly sealing: SealingKeys;
}

/** A key of a store, before it is sealed under any master key. */
export interface NewStoreKey extends NamedKey {
  readonly purpose: KeyPurpose;
}

/** Draws a key. Its id is random, and says nothing about it. */
export function drawStoreKey(purpose: KeyPurpose): NewStoreKey {
  return { purpose, id: randomBytes(8).toString("hex"), key: createSecretKey(randomBytes(32)) };
}

/** Seals a store's key under a master key. */
export function wrapStoreKey(master: MasterKey, { id, key }: NamedKey): string {
  const current = { id: master.id, key: master.sealKey };
  return seal({ current, byId: new Map() }, new Secret(bytesOf(key).toString("base64")), wrappedAt(id));
}

/** Opens a store's key that one of the master keys seals. @throws SealError */
export function unwrapStoreKey(masterKeys: MasterKeys, masterId: string, id: string, sealed: string): NamedKey {
  const { sealKey } = masterKeyOf(masterKeys, masterId);
  const current = { id: masterId, key: sealKey };
  const text = unseal({ current, byId: new Map([[masterId, current]]) }, sealed, wrappedAt(id));
  return { id, key: createSecretKey(Buffer.from(text.reveal(), "base64")) };
}

/** The keys of a store by purpose. @param keys the newest of each purpose first, at least one of each */
export function storeKeys(keys: readonly NewStoreKey[]): StoreKeys {
  const of = (purpose: KeyPurpose) => {
    const all = keys.filter((key) => key.purpose === purpose).map(({ id, key }) => ({ id, key }));
    const [current] = all;
    if (current === undefined) throw new RangeError(`no ${purpose} key`);
    return { current, all, byId: new Map(all.map((key) => [key.id, key])) };
  };
  return { lookup: of("lookup"), sealing: of("seal") };
}

const bytesOf = (key: KeyObject): Buffer => key.export();

const wrappedAt = (id: string) => ({ table: "wrapped_keys", row: [id], column: "sealed" });

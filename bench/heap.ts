import { readFileSync } from "node:fs";

/** An object in a heap: its class, and its own bytes without the objects it refers to. */
interface Thing {
  readonly of: string;
  readonly bytes: number;
}

/** The objects of a heap snapshot, by the id that V8 gives an object for its lifetime. */
export type Heap = ReadonlyMap<number, Thing>;

/** The kinds that belong to V8: compiled code with its feedback, object shapes, tables of weak references, and roots. */
const V8S = new Set(["code", "hidden", "object shape", "synthetic"]);
/** The kinds whose names are values and not classes. */
const VALUES = new Set(["string", "concatenated string", "sliced string", "number", "bigint", "symbol", "regexp"]);

interface Snapshot {
  readonly snapshot: { readonly meta: { readonly node_fields: readonly string[]; readonly node_types: [string[]] } };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

/** Reads the objects of a heap snapshot except V8's own, which grow with compilation for a long time, but not for ever. */
export function objectsOf(file: string): Heap {
  const { snapshot, nodes, strings } = JSON.parse(readFileSync(file, "utf8")) as Snapshot;
  const { node_fields: fields, node_types } = snapshot.meta;
  const [type = 0, name = 0, id = 0, size = 0] = ["type", "name", "id", "self_size"].map((one) => fields.indexOf(one));
  const heap = new Map<number, Thing>();
  for (let at = 0; at < nodes.length; at += fields.length) {
    const kind = node_types[0][nodes[at + type] ?? -1] ?? "";
    if (V8S.has(kind)) continue;
    const named = VALUES.has(kind) ? "" : ` ${strings[nodes[at + name] ?? -1]?.slice(0, 60) ?? ""}`;
    heap.set(nodes[at + id] ?? -1, { of: `${kind}${named}`, bytes: nodes[at + size] ?? 0 });
  }
  return heap;
}

/** Returns the objects made between the first and the second of three snapshots that are still in the third. */
export const lasting = (first: Heap, second: Heap, third: Heap): readonly Thing[] =>
  [...third].flatMap(([id, thing]) => (second.has(id) && !first.has(id) ? [thing] : []));

/** Returns the total of bytes. */
export function bytesOf(things: Iterable<Thing>): number {
  let sum = 0;
  for (const { bytes } of things) sum += bytes;
  return sum;
}

/** Returns the bytes by class, the largest first. */
export function byClass(things: Iterable<Thing>): readonly [string, number][] {
  const classes = new Map<string, number>();
  for (const { of, bytes } of things) classes.set(of, (classes.get(of) ?? 0) + bytes);
  return [...classes].toSorted(([, a], [, b]) => b - a);
}

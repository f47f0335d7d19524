import { readFileSync } from "node:fs";

/** What a heap snapshot holds, in bytes by class of objects. */
export type Heap = ReadonlyMap<string, number>;

/** What is V8's own: compiled code with its feedback, shapes of objects, its tables of weak references, the roots. */
const V8S = new Set(["code", "hidden", "object shape", "synthetic"]);
/** Kinds whose names are values, and not classes. */
const VALUES = new Set(["string", "concatenated string", "sliced string", "number", "bigint", "symbol", "regexp"]);

interface Snapshot {
  readonly snapshot: { readonly meta: { readonly node_fields: readonly string[]; readonly node_types: [string[]] } };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

/** Reads the objects of a heap snapshot: all but what is V8's own, which grows for long with what it compiles, and ends. */
export function objectsOf(file: string): Heap {
  const { snapshot, nodes, strings } = JSON.parse(readFileSync(file, "utf8")) as Snapshot;
  const { node_fields: fields, node_types } = snapshot.meta;
  const [type, name, size] = ["type", "name", "self_size"].map((field) => fields.indexOf(field)) as [
    number,
    number,
    number,
  ];
  const heap = new Map<string, number>();
  for (let at = 0; at < nodes.length; at += fields.length) {
    const kind = node_types[0][nodes[at + type] ?? -1] ?? "";
    if (V8S.has(kind)) continue;
    const named = VALUES.has(kind) ? "" : ` ${strings[nodes[at + name] ?? -1]?.slice(0, 60) ?? ""}`;
    const key = `${kind}${named}`;
    heap.set(key, (heap.get(key) ?? 0) + (nodes[at + size] ?? 0));
  }
  return heap;
}

/** What grew from one heap to another, the most first, in bytes; and the whole difference. */
export function growth(before: Heap, after: Heap): { readonly all: number; readonly most: [string, number][] } {
  const classes = [...new Set([...before.keys(), ...after.keys()])];
  const changes = classes.map((key): [string, number] => [key, (after.get(key) ?? 0) - (before.get(key) ?? 0)]);
  const most = changes.filter(([, bytes]) => bytes > 0).toSorted(([, a], [, b]) => b - a);
  return { all: changes.reduce((sum, [, bytes]) => sum + bytes, 0), most };
}

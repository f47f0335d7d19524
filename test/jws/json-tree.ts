import * as fc from "fast-check";

/** JSON as written: members in order, with duplicate names, and numbers by their spelling. */
export type Tree =
  | { readonly kind: "object"; readonly members: readonly (readonly [name: string, value: Tree])[] }
  | { readonly kind: "array"; readonly elements: readonly Tree[] }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "bare"; readonly text: string };

// A few names, so that duplicates are frequent; some are names of prototypes' members, some need escapes.
const NAMES = ["a", "b", "ab", "", "__proto__", "constructor", "toString", '"', "\\", ":", "é", "😀", "{", "\n"];
const BARE = ["0", "-0", "1.0", "12345678901234567890", "1E+2", "0.1e-7", "true", "false", "null", "1e-999"];

const { tree, object } = fc.letrec<{ tree: Tree; object: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(...BARE).map((text) => ({ kind: "bare", text }) as const),
    fc.string({ unit: "binary" }).map((value) => ({ kind: "string", value }) as const),
    fc.array(tie("tree"), { maxLength: 4 }).map((elements) => ({ kind: "array", elements }) as const),
    tie("object"),
  ),
  object: fc
    .array(fc.tuple(fc.constantFrom(...NAMES), tie("tree")), { maxLength: 4 })
    .map((members) => ({ kind: "object", members }) as const),
}));

/** Any value. */
export const anyTree: fc.Arbitrary<Tree> = tree;

/** Any object, with possible duplicate names at any level. */
export const anyObject: fc.Arbitrary<Tree> = object;

/** A style of writing strings and the space between tokens. */
export interface Style {
  readonly string: (value: string) => string;
  readonly space: () => string;
}

/** Writes no escape and no white space that is not needed. */
export const COMPACT: Style = { string: (value) => JSON.stringify(value), space: () => "" };

/** Writes escapes and white space as a generator of booleans decides. */
export function whimsical(whim: () => boolean): Style {
  const spell = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return {
    string: (value) => {
      const chars = Array.from(value, (char) => {
        if (!whim()) return JSON.stringify(char).slice(1, -1);
        return char
          .split("")
          .map(whim() ? spell : (unit) => spell(unit).replace(/[a-f]/g, (x) => x.toUpperCase()))
          .join("");
      });
      return `"${chars.join("")}"`;
    },
    space: () => (whim() ? " \n\r\t".slice(0, whim() ? 1 : 4) : ""),
  };
}

/** Writes a tree. */
export function write(node: Tree, style: Style): string {
  const { space } = style;
  const padded = (text: string): string => `${space()}${text}${space()}`;
  if (node.kind === "bare") return node.text;
  if (node.kind === "string") return style.string(node.value);
  if (node.kind === "array") return `[${node.elements.map((each) => padded(write(each, style))).join(",") || space()}]`;
  const members = node.members.map(([name, value]) => `${padded(style.string(name))}:${padded(write(value, style))}`);
  return `{${members.join(",") || space()}}`;
}

/** Returns the value of a tree without JSON.parse; the last member of a name counts. */
export function treeValue(node: Tree): unknown {
  if (node.kind === "string") return node.value;
  if (node.kind === "array") return node.elements.map(treeValue);
  // fromEntries defines members, including `__proto__`.
  if (node.kind === "object") return Object.fromEntries(node.members.map(([name, value]) => [name, treeValue(value)]));
  const words: Readonly<Record<string, unknown>> = { true: true, false: false, null: null };
  return Object.hasOwn(words, node.text) ? words[node.text] : Number(node.text);
}

/** Returns the tree that JSON.stringify writes for a JSON value. */
export function treeOf(value: unknown): Tree {
  if (typeof value === "string") return { kind: "string", value };
  if (Array.isArray(value)) return { kind: "array", elements: value.map(treeOf) };
  if (typeof value !== "object" || value === null) return { kind: "bare", text: JSON.stringify(value) };
  return { kind: "object", members: Object.entries(value).map(([name, one]) => [name, treeOf(one)] as const) };
}

/** Returns whether any object in the tree has a duplicate name. */
export function hasDouble(node: Tree): boolean {
  if (node.kind === "array") return node.elements.some(hasDouble);
  if (node.kind !== "object") return false;
  const names = node.members.map(([name]) => name);
  return new Set(names).size < names.length || node.members.some(([, value]) => hasDouble(value));
}

import * as fc from "fast-check";

/** JSON as it is written: members in their order, names as often as they stand there, numbers by their spelling. */
export type Tree =
  | { readonly kind: "object"; readonly members: readonly (readonly [name: string, value: Tree])[] }
  | { readonly kind: "array"; readonly elements: readonly Tree[] }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "bare"; readonly text: string };

// Few names, so that one often comes twice; some that prototypes have, some that need escapes.
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

/** An object, in which a name may stand twice at any level. */
export const anyObject: fc.Arbitrary<Tree> = object;

/** How strings and the space between tokens are written. */
export interface Style {
  readonly string: (value: string) => string;
  readonly space: () => string;
}

/** Nothing that need not be there. */
export const COMPACT: Style = { string: (value) => JSON.stringify(value), space: () => "" };

/** Escapes and white space at the whim of a generator of booleans. */
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

/** The value that a tree spells; of members of one name, the last counts. It does not ask JSON.parse. */
export function treeValue(node: Tree): unknown {
  if (node.kind === "string") return node.value;
  if (node.kind === "array") return node.elements.map(treeValue);
  // fromEntries defines members, `__proto__` too.
  if (node.kind === "object") return Object.fromEntries(node.members.map(([name, value]) => [name, treeValue(value)]));
  const words: Readonly<Record<string, unknown>> = { true: true, false: false, null: null };
  return Object.hasOwn(words, node.text) ? words[node.text] : Number(node.text);
}

/** The tree that JSON.stringify would write of a value that it can write. */
export function treeOf(value: unknown): Tree {
  if (typeof value === "string") return { kind: "string", value };
  if (Array.isArray(value)) return { kind: "array", elements: value.map(treeOf) };
  if (typeof value !== "object" || value === null) return { kind: "bare", text: JSON.stringify(value) };
  return { kind: "object", members: Object.entries(value).map(([name, one]) => [name, treeOf(one)] as const) };
}

/** Whether some object in it holds a name twice. */
export function hasDouble(node: Tree): boolean {
  if (node.kind === "array") return node.elements.some(hasDouble);
  if (node.kind !== "object") return false;
  const names = node.members.map(([name]) => name);
  return new Set(names).size < names.length || node.members.some(([, value]) => hasDouble(value));
}

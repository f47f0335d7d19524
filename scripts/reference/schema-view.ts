import { z } from "zod";
import { forms, laterOf } from "../../src/config/values.js";
import { code } from "./markdown.js";

// A Zod schema as readers of the documentation see it.

type Schema = z.core.$ZodType;

/** A schema's definition, with the members of every kind of schema. */
interface Definition {
  readonly type: string;
  readonly innerType?: Schema;
  readonly in?: Schema;
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly options?: readonly Schema[];
  readonly element?: Schema;
  readonly keyType?: Schema;
  readonly valueType?: Schema;
  readonly entries?: Readonly<Record<string, string>>;
  readonly values?: readonly unknown[];
  readonly defaultValue?: unknown;
}

const definition = (schema: Schema): Definition => schema._zod.def;

/** Returns the schema that a schema wraps, or undefined if it wraps none. */
function inner(schema: Schema): Schema | undefined {
  const { type, innerType, in: input } = definition(schema);
  return type === "pipe" ? input : innerType;
}

/** Returns the members of a mapping, within defaults and alternatives, or undefined for any other schema. */
export function membersOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  const { shape, options = [] } = definition(schema);
  if (shape !== undefined) return shape;
  const within = inner(schema);
  if (within !== undefined) return membersOf(within);
  const shapes = options.map(membersOf).filter((one) => one !== undefined);
  return shapes.length === 0 ? undefined : Object.fromEntries(shapes.flatMap(Object.entries<Schema>));
}

/** Returns whether a schema is a mapping without another form. */
export function isSection(schema: Schema): boolean {
  const within = inner(schema);
  return within === undefined ? definition(schema).shape !== undefined : isSection(within);
}

/** Returns the description of a key, or that of the schema within it. */
export function meaningOf(schema: Schema): string {
  const own = z.globalRegistry.get(schema)?.description;
  const within = inner(schema);
  return own ?? (within === undefined ? "" : meaningOf(within));
}

/** The names of schemas that only have a type. */
const NAMES: Readonly<Record<string, string>> = {
  string: "text",
  number: "number",
  int: "whole number",
  boolean: "`true` or `false`",
  unknown: "anything",
  object: "mapping",
  null: "`null`",
};

/** Returns the form in which a value is written. */
export function formOf(schema: Schema): string {
  const form = forms.get(schema);
  if (form !== undefined) return form.name;
  const later = laterOf(schema);
  if (later !== undefined) return later.name;
  const { type, options = [], element, valueType, entries = {}, values = [], shape } = definition(schema);
  const within = inner(schema);
  if (type === "nullable" && within !== undefined) return `${formOf(within)}, or \`null\``;
  if (within !== undefined) return formOf(within);
  if (type === "union") return [...new Set(options.map(formOf))].join(", or ");
  if (type === "enum") return Object.values(entries).map(code).join(", ");
  if (type === "literal") return values.map((value) => code(String(value))).join(", ");
  if (type === "array" && element !== undefined) return `list of ${grouped(formOf(element))}`;
  if (type === "record" && valueType !== undefined) return `mapping of ${grouped(formOf(valueType))}`;
  if (shape !== undefined) return code(`{${Object.keys(shape).join(", ")}}`);
  return NAMES[(schema._zod.def as { format?: string }).format === "safeint" ? "int" : type] ?? type;
}

const grouped = (form: string): string => (form.includes(", ") ? `(${form})` : form);

/** Returns the limits of a value besides its form, or "" if there are none. */
export function limitsOf(schema: Schema): string {
  const form = forms.get(schema);
  if (form !== undefined) return form.limits;
  const within = inner(schema);
  if (within !== undefined) return limitsOf(within);
  const { type, options = [] } = definition(schema);
  if (type === "union") return [...new Set(options.map(limitsOf))].filter((text) => text !== "").join("; ");
  if (type !== "array" && type !== "string" && type !== "number") return "";
  const { minItems, minLength, minimum, maximum } = z.toJSONSchema(schema as z.ZodType, {
    io: "input",
    unrepresentable: "any",
  });
  if (minItems !== undefined || minLength !== undefined) return "not empty";
  return minimum === undefined || maximum === undefined ? "" : `${minimum} to ${maximum}`;
}

/** Returns a value that a schema has read in the form in which a configuration has it. */
function written(schema: Schema, value: unknown): unknown {
  const form = forms.get(schema);
  if (form !== undefined) return form.write(value);
  const within = inner(schema);
  if (within !== undefined) return written(within, value);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const members = membersOf(schema);
  if (members === undefined) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => {
      const member = members[name];
      return [name, member === undefined ? one : written(member, one)];
    }),
  );
}

/** Returns the default of an absent key, or undefined if it has none. */
export function defaultOf(schema: Schema): unknown {
  const { type, defaultValue } = definition(schema);
  const within = inner(schema);
  if (type === "prefault") return undefined; // each member has its own default
  if (type === "default" && within !== undefined) return written(within, defaultValue);
  return within === undefined ? undefined : defaultOf(within);
}

/** Returns whether a configuration without the key is refused. */
export const isRequired = (schema: Schema): boolean => schema._zod.optin === undefined;

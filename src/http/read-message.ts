import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { JsonObject } from "../jws/json.js";
import { quoteName } from "../jws/json-problem.js";

/** A body that is no message of the contract. What is said of it names members, and never holds a value. */
export class UnreadableMessage extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UnreadableMessage";
  }
}

/** A message's fields as the generated code names them, for its `fromPartial`. */
type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads a JSON object as a message, by the JSON mapping of proto3: members by their lowerCamelCase or their original
 * names, null as if absent. What the mapping leaves to implementations is refused: members that no field is for, a
 * field under both its names, and two members of a oneof.
 *
 * @param value as `readObject` made it
 * @throws {UnreadableMessage}
 */
export function readMessage(type: DescMessage, value: JsonObject): Fields {
  return readFields(type, value, "");
}

function readFields(type: DescMessage, value: JsonObject, place: string): Fields {
  const fields = fieldsOf(type);
  const partial: Record<string, unknown> = {};
  /** The member by which a field, or a oneof, was set. */
  const by = new Map<string, string>();
  for (const [name, member] of Object.entries(value)) {
    const told = place === "" ? quoteName(name) : `${quoteName(name)} of ${place}`;
    const field = fields.get(name);
    if (field === undefined) throw new UnreadableMessage(`There is no member ${told}.`);
    const target = field.oneof?.localName ?? field.localName;
    // A null is as good as nothing, but for a field that stands there already under its other name.
    const taken = by.get(member === null ? field.localName : target);
    if (taken !== undefined)
      throw new UnreadableMessage(`The members ${quoteName(taken)} and ${told} exclude each other.`);
    by.set(field.localName, name);
    if (member === null) continue;
    by.set(target, name);
    const read = readField(field, member, told);
    partial[target] = field.oneof === undefined ? read : { $case: field.localName, value: read };
  }
  return partial;
}

function readField(field: DescField, value: unknown, told: string): unknown {
  const refuse = (right: string): never => {
    throw new UnreadableMessage(`The member ${told} must be ${right}.`);
  };
  if (field.fieldKind === "message") {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return refuse("an object");
    return readFields(field.message, value as JsonObject, told);
  }
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.STRING) {
    return typeof value === "string" ? value : refuse("a string");
  }
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.BOOL) {
    return typeof value === "boolean" ? value : refuse("true or false");
  }
  // No request has such a field; a test holds every field of the requests that are served against this list.
  throw new TypeError(`no reader for the field ${field.toString()}`);
}

const FIELDS = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** A message's fields by both of their names in JSON. */
function fieldsOf(type: DescMessage): ReadonlyMap<string, DescField> {
  let fields = FIELDS.get(type);
  if (fields === undefined) {
    fields = new Map(type.fields.flatMap((field) => [[field.name, field] as const, [field.jsonName, field] as const]));
    FIELDS.set(type, fields);
  }
  return fields;
}

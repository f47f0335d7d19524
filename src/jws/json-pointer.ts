import { isObject, type JsonObject, type MemberPath } from "./json.js";

/** A list's index: a list of more than a million elements is longer than any token. */
const INDEX = /^(0|[1-9]\d{0,5})$/;

/**
 * What is wrong with the name of a claim; undefined for a good name. A name that begins with `/` is a JSON Pointer (RFC 6901),
 * which leads through objects only: it may not have the index of a list, nor `-`, the element after a list's last. Any other
 * name is one member as it is.
 */
export function claimNameProblem(name: string): string | undefined {
  if (name === "") return "must name a claim: an empty pointer is the whole payload";
  if (!name.startsWith("/")) return undefined;
  const steps = name.slice(1).split("/");
  if (steps.some((step) => /~(?![01])/.test(step))) return "has a ~ that is not escaped: in a pointer write ~0 for ~";
  const index = steps.find((step) => step === "-" || INDEX.test(step));
  if (index === undefined) return undefined;
  return `must lead through objects only: "${index}" is an element of a list; to find a member of a list, name the list and write {includes: ...}`;
}

/** The path of a claim's name, without {@link claimNameProblem}. The pointer `/~1a` leads to the member `/a`. */
export function memberPath(name: string): MemberPath {
  if (!name.startsWith("/")) return [name];
  return name
    .slice(1)
    .split("/")
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The JSON Pointer of a path (RFC 6901, section 5). */
export function pointerTo(path: MemberPath): string {
  return path.map((name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** A copy of an object with a value at a path; objects are made on the way, in place of what is none. Undefined removes a member. */
export function withValueAt(object: JsonObject, [name = "", ...rest]: MemberPath, value: unknown): JsonObject {
  const members = new Map(Object.entries(object));
  const inner = members.get(name);
  if (value === undefined && (rest.length === 0 || !isObject(inner))) members.delete(name);
  else members.set(name, rest.length === 0 ? value : withValueAt(isObject(inner) ? inner : {}, rest, value));
  return Object.fromEntries(members);
}

import type { Problem } from "../yaml-text.js";

/**
 * Finds ids and secret keys that a seed gives twice. It looks at the raw text's value and passes over what is not of the
 * right form, so that duplicates are told together with whatever else is wrong.
 */
export function duplicates(seed: unknown): Problem[] {
  const problems: Problem[] = [];
  const note = (seen: Map<string, string>, value: unknown, place: string, what: string): void => {
    if (typeof value !== "string") return;
    const first = seen.get(value);
    if (first === undefined) seen.set(value, place);
    else problems.push({ place, message: `is ${what} that ${first} has already. Give each its own.` });
  };
  const instanceIds = new Map<string, string>();
  const secretKeys = new Map<string, string>();
  for (const [index, instance] of list(seed, "instances")) {
    const place = `instances[${index}]`;
    note(instanceIds, member(instance, "id"), `${place}.id`, "the id");
    for (const [at, secretKey] of list(instance, "secretKeys")) {
      note(secretKeys, secretKey, `${place}.secretKeys[${at}]`, "the secret key");
    }
    const userIds = new Map<string, string>();
    for (const [at, user] of list(instance, "users")) {
      note(userIds, member(user, "id"), `${place}.users[${at}].id`, "the id");
    }
  }
  const clientIds = new Map<string, string>();
  for (const [index, client] of list(seed, "clients")) {
    note(clientIds, member(client, "clientId"), `clients[${index}].clientId`, "the id");
  }
  return problems;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function list(value: unknown, name: string): Iterable<[number, unknown]> {
  const found = member(value, name);
  return Array.isArray(found) ? found.entries() : [];
}

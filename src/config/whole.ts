import type { z } from "zod";
import { type Environment, interpolate } from "./interpolate.js";
import { ConfigError, type ConfigIssue, issuesOf, TELLING } from "./issues.js";
import type { ReadFile } from "./read-file.js";
import { readYaml } from "./yaml.js";

/** What is read of the world. */
interface Reading {
  readonly env: Environment;
  readonly readFile: ReadFile;
}

/**
 * Reads a configuration's file, checks it by a schema and builds what it means.
 *
 * @param build adds to `issues` what the schema cannot see
 * @throws {ConfigError} with everything that is wrong, also in the part that the schema admits
 */
export function readWhole<S extends z.ZodType, T>(
  file: string,
  { env, readFile }: Reading,
  schema: S,
  build: (settings: z.output<S>, issues: ConfigIssue[]) => T,
): T {
  const issues: ConfigIssue[] = [];
  const raw = interpolate(readYaml(file, readFile), env, issues);
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new ConfigError(file, [{ place: "", message: "the file must hold a mapping of settings" }]);
  }
  const parsed = schema.safeParse(raw, TELLING);
  if (!parsed.success) {
    issues.push(...issuesOf(parsed.error));
    throw new ConfigError(file, [...issues, ...issuesOfRest(schema, soundPart(raw, parsed.error), build, issues)]);
  }
  const built = build(parsed.data, issues);
  if (issues.length > 0) throw new ConfigError(file, issues);
  return built;
}

/** What else is wrong, in the part of a configuration that the schema admits: all is told in the same breath. */
function issuesOfRest<S extends z.ZodType>(
  schema: S,
  rest: object,
  build: (settings: z.output<S>, issues: ConfigIssue[]) => unknown,
  told: readonly ConfigIssue[],
): ConfigIssue[] {
  const parsed = schema.safeParse(rest);
  if (!parsed.success) return [];
  const issues: ConfigIssue[] = [];
  build(parsed.data, issues);
  // What was left out is missing now; that is no news.
  return issues.filter(({ place }) => !told.some((issue) => issue.place.startsWith(place)));
}

/** A configuration without the keys that the schema refuses; of the realms only those that have no good name. */
function soundPart(raw: object, { issues }: z.ZodError): object {
  const refused = new Set(
    issues.flatMap(({ path: [first], ...issue }) => {
      if (first !== undefined) return [first];
      return issue.code === "unrecognized_keys" ? issue.keys : [];
    }),
  );
  const { realms } = raw as { realms?: unknown };
  const isMapping = typeof realms === "object" && realms !== null && !Array.isArray(realms);
  const names = new Set(issues.flatMap(({ path }) => (path[0] === "realms" ? [path[1]] : [])));
  return {
    ...Object.fromEntries(Object.entries(raw).filter(([key]) => !refused.has(key))),
    realms: isMapping ? Object.fromEntries(Object.entries(realms).filter(([name]) => !names.has(name))) : {},
  };
}

import type { z } from "zod";
import { type Issue, issuesOf, READABLE } from "../util/issues.js";
import { readYaml } from "../util/yaml.js";
import { type Environment, interpolate } from "./environment.js";
import { ConfigError } from "./errors.js";
import { type ReadFile, readFileText } from "./read-file.js";

/** What a configuration is read with. */
interface Reading {
  readonly env: Environment;
  readonly readFile: ReadFile;
}

/**
 * Reads the file of a configuration, checks it by its schema, and builds the result.
 *
 * @param build adds issues that the schema cannot find
 * @throws {ConfigError} with everything that is wrong, also in the part that the schema admits
 */
export function readWhole<S extends z.ZodType, T>(
  file: string,
  { env, readFile }: Reading,
  schema: S,
  build: (settings: z.output<S>, issues: Issue[]) => T,
): T {
  const issues: Issue[] = [];
  const raw = interpolate(readYamlFile(file, readFile), env, issues);
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new ConfigError(file, [{ place: "", message: "the file must hold a mapping of settings" }]);
  }
  const parsed = schema.safeParse(raw, READABLE);
  if (!parsed.success) {
    issues.push(...issuesOf(parsed.error));
    throw new ConfigError(file, [...issues, ...issuesOfRest(schema, soundPart(raw, parsed.error), build, issues)]);
  }
  const built = build(parsed.data, issues);
  if (issues.length > 0) throw new ConfigError(file, issues);
  return built;
}

/** Reads a YAML file. @throws {ConfigError} if it cannot be read or is not YAML */
function readYamlFile(file: string, readFile: ReadFile): unknown {
  const { value, issues } = readYaml(readFileText(file, readFile), { hint: variableHint });
  if (issues.length > 0) throw new ConfigError(file, issues);
  return value;
}

/** The braces of a variable without quotes are YAML's own within { } and [ ]. */
function variableHint(line: string): string {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how a configuration names its variables
  return /(?<!["'$])\$\{/.test(line) ? '; put variables in quotes: "${NAME}"' : "";
}

/** The issues in the part of a configuration that the schema admits, so that everything is reported at once. */
function issuesOfRest<S extends z.ZodType>(
  schema: S,
  rest: object,
  build: (settings: z.output<S>, issues: Issue[]) => unknown,
  found: readonly Issue[],
): Issue[] {
  const parsed = schema.safeParse(rest);
  if (!parsed.success) return [];
  const issues: Issue[] = [];
  build(parsed.data, issues);
  // Refused members were left out, and so are reported as missing; they have an issue already.
  return issues.filter(({ place }) => !found.some((issue) => issue.place.startsWith(place)));
}

/** A configuration without the keys that the schema refuses; of the realms, only those with bad names are left out. */
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

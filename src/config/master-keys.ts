import type { z } from "zod";
import { formatPath, type Issue } from "../util/issues.js";
import { Secret } from "../util/secret.js";
import { type ReadFile, toldFile, unreadable } from "./read-file.js";
import type { coreSchema } from "./schema.js";

type Settings = Pick<z.output<typeof coreSchema>, "masterKey" | "masterKeyFile" | "masterKeys">;

/** Where what is wrong is collected, and how files are found. */
interface MasterKeyContext {
  readonly resolve: (file: string) => string;
  readonly readFile: ReadFile;
  readonly issues: Issue[];
}

/** The master keys of a configuration, in base64, the current one first; empty where there is none. */
export function readMasterKeys(
  { masterKey, masterKeyFile, masterKeys }: Settings,
  { resolve, readFile, issues }: MasterKeyContext,
): readonly Secret[] {
  const given = Object.entries({ masterKey, masterKeyFile, masterKeys }).filter(([, value]) => value !== undefined);
  if (given.length > 1) {
    issues.push({ place: given[1]?.[0] ?? "", message: "give one of masterKey, masterKeyFile and masterKeys" });
    return [];
  }
  let keys = masterKeys ?? (masterKey === undefined ? [] : [masterKey]);
  if (masterKeyFile !== undefined) {
    try {
      keys = [readFile(resolve(masterKeyFile)).trim()];
    } catch (error) {
      issues.push({ place: "masterKeyFile", message: `${toldFile(masterKeyFile)} ${unreadable(error)}` });
    }
  }
  for (const [index, key] of keys.entries()) {
    const bytes = Buffer.from(key, "base64");
    const isGood = bytes.length === 32 && bytes.toString("base64") === key;
    if (isGood && keys.indexOf(key) === index) continue;
    const place = masterKeys === undefined ? (given[0]?.[0] ?? "") : formatPath(["masterKeys", index]);
    const right = "must be 32 bytes in base64: openssl rand -base64 32 makes one";
    issues.push({ place, message: isGood ? "stands in the list twice: leave one out" : right });
  }
  return keys.map((key) => new Secret(key));
}

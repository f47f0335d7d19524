import { existsSync, readFileSync } from "node:fs";

/** The version of this package. */
export function version(): string {
  let folder = new URL(".", import.meta.url);
  // From src/cli while developing, from dist/src/cli when built.
  while (!existsSync(new URL("package.json", folder))) folder = new URL("..", folder);
  const { version } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8")) as { version: string };
  return version;
}

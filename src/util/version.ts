import { existsSync, readFileSync } from "node:fs";

/** The version in this package's package.json. */
export function version(): string {
  let folder = new URL(".", import.meta.url);
  // The package is two folders up from src/util, and three from dist/src/util.
  while (!existsSync(new URL("package.json", folder))) folder = new URL("..", folder);
  const { version } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8")) as { version: string };
  return version;
}

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { referencePages } from "./pages.js";

// main.ts DESCRIPTORS FOLDER: writes the pages of docs/reference into FOLDER, from the descriptors that buf build wrote.

const [descriptors = "", folder = ""] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(referencePages(readFileSync(descriptors)))) {
  writeFileSync(join(folder, name), text);
}

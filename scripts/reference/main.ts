import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { referencePages } from "./pages.js";

// Writes the pages of docs/reference: main.ts DESCRIPTORS FOLDER, with what buf build wrote of the contract.

const [descriptors = "", folder = ""] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(referencePages(readFileSync(descriptors)))) {
  writeFileSync(join(folder, name), text);
}

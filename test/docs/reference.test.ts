import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { z } from "zod";
import { ErrorReason, Reason } from "../../gen/tokenverifier/v1/token_verifier.js";
import { referencePages } from "../../scripts/reference/pages.js";
import { isSection, meaningOf, membersOf } from "../../scripts/reference/schema-view.js";
import { EXIT } from "../../src/cli/errors.js";
import { keyForms } from "../../src/config/key-forms.js";
import * as realmForms from "../../src/config/realm-forms.js";
import * as schemas from "../../src/config/schema.js";
import { seedSchema } from "../../src/directory/transfer/seed.js";
import { VENDORS } from "../../src/vendors/index.js";
import { ROOT } from "../cli/harness.js";

// Compares docs/reference with the code: the committed pages are up to date and complete.

const FOLDER = join(ROOT, "docs/reference");
const read = (name: string): string => readFileSync(join(FOLDER, name), "utf8");

describe("docs/reference", () => {
  let pages: Readonly<Record<string, string>>;

  before(function () {
    this.timeout(60_000);
    const folder = mkdtempSync(join(tmpdir(), "reference-test-"));
    try {
      const output = join(folder, "contract.binpb");
      const buf = join(ROOT, "node_modules/.bin/buf");
      const built = spawnSync(buf, ["build", "proto", "--as-file-descriptor-set", "-o", output], { cwd: ROOT });
      expect(built.status, built.stderr.toString()).to.equal(0);
      pages = referencePages(readFileSync(output));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("docs/reference holds exactly the pages that npm run generate makes", () => {
    for (const [name, text] of Object.entries(pages)) {
      expect(read(name), `${name} is not current: npm run generate`).to.equal(text);
    }
    expect(readdirSync(FOLDER).sort()).to.deep.equal(Object.keys(pages).sort());
  });

  it("reasons.md lists every reason and error with its text in the contract", () => {
    const rows = Array.from(
      read("reasons.md").matchAll(/^\| `(\w+)` \| (\d+) \| (.*) \|$/gm),
      ([, name, number, rest = ""]) => ({ name, number: Number(number), cells: rest.split(" | ") }),
    );
    const named = (of: object, prefix: string) =>
      Object.entries(of)
        .filter(([name, number]) => name !== "UNRECOGNIZED" && Number(number) > 0)
        .map(([name, number]) => `${name.slice(prefix.length)} ${number}`);
    const all = [...named(Reason, "REASON_"), ...named(ErrorReason, "ERROR_REASON_")];
    expect(rows.map(({ name, number }) => `${name} ${number}`)).to.deep.equal(all);
    for (const { name, cells } of rows) {
      for (const cell of cells.slice(-2)) expect(cell, name).to.match(/^[A-Z].*\.$/);
    }
    for (const { name, cells } of rows.slice(-Object.keys(named(ErrorReason, "")).length)) {
      const [code = "", , meaning = ""] = cells;
      expect(meaning, `${name}: the proto's comment says another code than the catalogue`).to.match(
        new RegExp(`^${code.split(" ")[0]}: `),
      );
    }
  });

  it("rpcs.md describes each message, field and value", () => {
    const text = read("rpcs.md");
    expect(text.match(/^### \w+$/gm)).to.have.length.above(15);
    for (const [row] of text.matchAll(/^\| `.*$/gm)) expect(row).to.match(/ \| .*[A-Z].*\. \|$/);
    for (const [, anchor = ""] of text.matchAll(/\]\(#(\w+)\)/g)) {
      expect(text.toLowerCase(), anchor).to.include(`\n### ${anchor}\n`);
    }
  });

  it("exit-codes.md lists every exit code", () => {
    const listedCodes = Array.from(read("exit-codes.md").matchAll(/^\| `(\d)` \|/gm), ([, code]) => Number(code));
    expect(listedCodes).to.deep.equal(Object.values(EXIT));
  });

  it("docs/README.md links every page of the reference, and links to headings work", () => {
    for (const name of ["README.md", "configuration.md", "reference/log.md", "reference/configuration.md"]) {
      const file = join(ROOT, "docs", name);
      for (const [, target = "", heading] of readFileSync(file, "utf8").matchAll(/\]\(([^)#\s]*)(?:#([^)]+))?\)/g)) {
        if (/^https?:/.test(target)) continue;
        const path = target === "" ? file : join(file, "..", target);
        const text = path.endsWith(".md") ? readFileSync(path, "utf8") : readdirSync(join(path, "..")).join("\n");
        const anchors = Array.from(text.matchAll(/^#+ (.*)$/gm), ([, title = ""]) =>
          title
            .toLowerCase()
            .replace(/[^\w\s-]/g, "")
            .replaceAll(" ", "-"),
        );
        if (heading !== undefined) expect(anchors, `${name}: ${target}#${heading}`).to.include(heading);
      }
    }
    const index = readFileSync(join(ROOT, "docs/README.md"), "utf8");
    for (const name of readdirSync(FOLDER)) expect(index).to.include(`(reference/${name})`);
  });
});

/** All keys of a schema, nested ones included, each with its place. */
const keysOf = (schema: z.core.$ZodType, place: string): (readonly [string, z.core.$ZodType])[] =>
  Object.entries(membersOf(schema) ?? {}).flatMap(([name, inner]) => [
    [`${place}${name}`, inner] as const,
    ...keysOf(inner, `${place}${name}.`),
  ]);

describe("docs/reference/configuration.md", () => {
  const text = read("configuration.md");
  // Every schema that these modules export is part of the configuration, so that a new one must be on the page.
  const exported = [keyForms, realmForms, schemas]
    .flatMap((file) => Object.values(file))
    .flatMap((value: unknown) => {
      if (value instanceof z.ZodType) return [value];
      return [];
    });
  const ofVendors = [
    ...realmForms.realmForms(VENDORS).map(({ schema }) => schema),
    ...VENDORS.map(realmForms.facePresetSchema),
  ];
  const all = [...exported, ...ofVendors, seedSchema, ...listed(seedSchema)];

  /** The schemas of the elements of lists of mappings. */
  function listed(schema: z.ZodType): z.ZodType[] {
    return Object.values(membersOf(schema) ?? {}).flatMap((member) => {
      const list = "unwrap" in member ? (member as z.ZodOptional<z.ZodArray<z.ZodType>>).unwrap() : member;
      const element = list instanceof z.ZodArray ? (list.element as z.ZodType) : undefined;
      return element === undefined || membersOf(element) === undefined ? [] : [element, ...listed(element)];
    });
  }

  it("configuration.md has every key with a description", () => {
    const keys = all.flatMap((schema) => keysOf(schema, ""));
    expect(keys).to.have.length.above(90);
    for (const [key, schema] of keys) {
      expect(meaningOf(schema), `${key} has no .describe()`).to.match(/^[A-Z`].*\.$/);
      const places = [`| \`${key}\` |`, ...(isSection(schema) ? [`### ${key}\n`] : [])];
      expect(
        places.some((place) => text.includes(place)),
        `${key} is not on the page`,
      ).to.equal(true);
    }
  });

  it("configuration.md has no unknown key", () => {
    const known = new Set(all.flatMap((schema) => keysOf(schema, "").map(([key]) => key)));
    for (const [, key = ""] of text.matchAll(/^\| `([^`]+)` \|/gm)) expect(known, key).to.include(key);
  });

  it("configuration.md writes types, defaults and limits as the configuration does", () => {
    for (const row of [
      "| `limits.body` | size | `64KiB` | 1KiB to 64MiB |",
      "| `limits.batch` | whole number | `1000` | 1 to 100000 |",
      "| `limits.idle` | duration | `5m` | 1s to 24d |",
      "| `failures.perClient` | rate | `20/1m` |",
      "| `log.level` | `trace`, `debug`, `info`, `warn`, `error`, `fatal`, `silent` | `info` |",
      "| `issuer` | text, or list of text, or `null` | required |",
      "| `maxTokenLength` | characters | `600` | 16 to 1MiB |",
      "| `grpc` | address, or `{address, tls}` |",
      "| `callers.san` | list of workload | required | not empty |",
      "| `keys` | list of key | required | not empty |",
    ]) {
      expect(text).to.include(row);
    }
  });
});

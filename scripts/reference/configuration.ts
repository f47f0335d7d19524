import type { z } from "zod";
import { keyForms } from "../../src/config/key-forms.js";
import { facePresetSchema, realmForms } from "../../src/config/realm-forms.js";
import { coreSchema, gatewaySchema } from "../../src/config/schema.js";
import { clientForm, instanceForm, userForm } from "../../src/directory/transfer/entry-forms.js";
import { seedSchema } from "../../src/directory/transfer/seed.js";
import { VENDORS } from "../../src/vendors/index.js";
import { code, page, table } from "./markdown.js";
import { defaultOf, formOf, isRequired, isSection, limitsOf, meaningOf, membersOf } from "./schema-view.js";

type Members = Readonly<Record<string, z.core.$ZodType>>;

const HEAD = ["key", "form", "default", "limits", "meaning"];

/** A value on one line, as YAML takes it. */
function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  const members = Object.entries(value).map(([name, one]) => `${name}: ${inline(one)}`);
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}

function row(key: string, schema: z.core.$ZodType): readonly string[] {
  const value = defaultOf(schema);
  const fallback = value === undefined ? (isRequired(schema) ? "required" : "") : code(inline(value));
  return [code(key), formOf(schema), fallback, limitsOf(schema), meaningOf(schema)];
}

/** Returns the rows of members, each followed by the rows of its own members. */
const rows = (members: Members, within = ""): readonly (readonly string[])[] =>
  Object.entries(members).flatMap(([name, schema]) => [
    row(`${within}${name}`, schema),
    ...rows(membersOf(schema) ?? {}, `${within}${name}.`),
  ]);

const keysTable = (members: Members, within = ""): string => table(HEAD, rows(members, within));

/** Returns the top level: a table of the keys with plain values, then a table for each section. */
function topLevel(members: Members): readonly string[] {
  const all = Object.entries(members);
  const plain = all.filter(([, schema]) => !isSection(schema));
  const sections = all.filter(([, schema]) => isSection(schema));
  return [
    keysTable(Object.fromEntries(plain)),
    ...sections.flatMap(([name, schema]) => [
      `### ${name}`,
      meaningOf(schema),
      keysTable(membersOf(schema) ?? {}, `${name}.`),
    ]),
  ];
}

/** Returns a table of a key's forms with the members allowed beside each, then a table of these members. */
function keyTables(): readonly string[] {
  const beside = (name: string, members: Members): readonly string[] =>
    Object.keys(members).filter((key) => key !== name);
  const forms = Object.entries(keyForms).map(([name, { shape }]) => {
    const [key = "", form = "", , , meaning = ""] = row(name, (shape as Members)[name] as z.core.$ZodType);
    return [key, form, beside(name, shape).map(code).join(", "), meaning];
  });
  const further = Object.entries(keyForms).flatMap(([name, { shape }]) =>
    beside(name, shape).map((key) => row(key, (shape as Members)[key] as z.core.$ZodType)),
  );
  const once = new Map(further.map((cells) => [cells.join("|"), cells]));
  return [table(["key", "form", "beside it", "meaning"], forms), "Beside it:", table(HEAD, [...once.values()])];
}

/** docs/reference/configuration.md. */
export function configurationPage(): string {
  const { instances: _instances, clients: _clients, ...furtherSeed } = seedSchema.shape;
  const gatewayAlone = Object.entries(gatewaySchema.shape).filter(([name]) => !(name in coreSchema.shape));
  const shared = Object.keys(gatewaySchema.shape).filter((name) => name in coreSchema.shape && name !== "realms");
  return page(
    "src/config, src/vendors and src/directory",
    "# Configuration: every key",
    `The guide is [docs/configuration.md](../configuration.md). For editors there is a JSON Schema,
[configuration.schema.json](configuration.schema.json); [how to use it](../configuration.md#in-an-editor).`,
    "Forms of values:",
    table(
      ["form", "how it is written"],
      [
        ["address", '`host:port`, `"[v6]:port"` or `unix:/path`'],
        ["duration", "a whole number and `ms`, `s`, `m`, `h` or `d`"],
        ["size", "a whole number and `B`, `KiB`, `MiB` or `GiB`"],
        ["rate", "a whole number, `/` and a duration: so many within so long"],
        ["characters", "a bare number, or a size"],
        [
          "workload",
          "`URI:` and a URI, or `DNS:` and a name, as a certificate has it; without the kind a text with `://` is a URI",
        ],
      ],
    ),
    `\`\${NAME}\` in a text takes an environment variable. Relative paths are relative to the file. A key that is not here is an error.`,
    "## The top level",
    ...topLevel(coreSchema.shape),
    "## A realm",
    "What may stand under `realms`, by name. A realm with `preset` has that vendor's keys; one without is for any other issuer.",
    ...realmForms(VENDORS).flatMap(({ title, schema }) => [`### ${title}`, keysTable(schema.shape)]),
    "## A key of a realm",
    "Each entry of a realm's `keys` has exactly one of these forms.",
    ...keyTables(),
    "## A gateway on its own",
    `The configuration of \`serve --only http\`. ${shared.map(code).join(", ")} are as above, and besides them there are:`,
    keysTable(Object.fromEntries(gatewayAlone)),
    "A realm there has these keys alone:",
    ...VENDORS.flatMap((vendor) => [`### Face \`${vendor.name}\``, keysTable(facePresetSchema(vendor).shape)]),
    "## The directory seed",
    "YAML of at most 1 MiB. An import has the same members, one entry a line.",
    table(HEAD, [
      ...rows(furtherSeed),
      row("instances", seedSchema.shape.instances),
      row("clients", seedSchema.shape.clients),
    ]),
    "### instances[]",
    keysTable(instanceForm.shape),
    "### instances[].users[]",
    keysTable(userForm.shape),
    "### clients[]",
    keysTable(clientForm.shape),
  );
}

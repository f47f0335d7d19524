import { z } from "zod";
import { coreSchema, gatewaySchema } from "../../src/config/schema.js";
import { forms, laterOf } from "../../src/config/values.js";
import { defaultOf } from "./schema-view.js";

type Json = Record<string, unknown>;

/** A text with an environment variable in it: nobody but the reader knows what it will be. */
const VARIABLE = { type: "string", pattern: "\\$\\{" };

/** Makes JSON Schemas of ours. What is read later stands among the definitions, by its name. */
class Converter {
  readonly definitions: Record<string, Json> = {};

  convert(schema: z.ZodType): Json {
    const { $schema: _dialect, ...json } = z.toJSONSchema(schema, {
      io: "input",
      target: "draft-7",
      unrepresentable: "any",
      override: ({ zodSchema, jsonSchema }) => this.#complete(zodSchema, jsonSchema as Json),
    });
    return json;
  }

  /** Adds what Zod leaves out: the forms of texts, defaults as they are written, and what is read later. */
  #complete(schema: z.core.$ZodType, json: Json): void {
    const later = laterOf(schema);
    if (later !== undefined) {
      const name = later.name.replaceAll(" ", "-");
      this.definitions[name] ??= this.convert(later.schema());
      json["$ref"] = `#/definitions/${name}`;
    }
    const form = forms.get(schema);
    if (form !== undefined && json["type"] === "string") json["pattern"] = `${form.pattern}|${VARIABLE.pattern}`;
    if (schema._zod.def.type === "enum") {
      json["anyOf"] = [{ type: json["type"], enum: json["enum"] }, VARIABLE];
      delete json["type"];
      delete json["enum"];
    }
    const value = defaultOf(schema);
    if (value === undefined) delete json["default"];
    else json["default"] = value;
  }
}

/** docs/reference/configuration.schema.json, for editors (draft 7): a service's configuration, or that of a gateway on its own. */
export function configurationSchema(): string {
  const converter = new Converter();
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Configuration of Token Verifier",
    type: "object",
    // Told apart by the one key that a gateway must have, so that what is wrong is said of the right one.
    dependencies: { upstream: converter.convert(gatewaySchema) },
    if: { required: ["upstream"] },
    else: converter.convert(coreSchema),
    definitions: converter.definitions,
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

import { z } from "zod";
import { coreSchema, gatewaySchema } from "../../src/config/schema.js";
import { forms, laterOf } from "../../src/config/values.js";
import { defaultOf } from "./schema-view.js";

type Json = Record<string, unknown>;

/** A text with an environment variable, whose value is known only when the configuration is read. */
const VARIABLE = { type: "string", pattern: "\\$\\{" };

/** A converter of our schemas to JSON Schemas, in which values that are read later become definitions by name. */
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

  /** Adds the parts that Zod leaves out: forms of texts, defaults as written, and values that are read later. */
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

/** docs/reference/configuration.schema.json, for editors (draft 7): the configuration of a service or a separate gateway. */
export function configurationSchema(): string {
  const converter = new Converter();
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Configuration of Token Verifier",
    type: "object",
    // The one key that a gateway must have selects its schema, so that errors are about the right one.
    dependencies: { upstream: converter.convert(gatewaySchema) },
    if: { required: ["upstream"] },
    else: converter.convert(coreSchema),
    definitions: converter.definitions,
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

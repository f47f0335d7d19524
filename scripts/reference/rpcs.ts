import {
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
} from "@bufbuild/protobuf/wkt";
import { code, page, table } from "./markdown.js";
import { type Contract, PATH, PROTO_FILE } from "./proto.js";

/** docs/reference/rpcs.md. */
export function rpcsPage({ file, comment }: Contract): string {
  const services = file.service.flatMap((service, at) => [
    `## ${service.name}`,
    comment(PATH.service, at),
    ...service.method.flatMap((method, index) => [
      `### ${method.name}`,
      code(
        `rpc ${method.name}(${streamed(method.clientStreaming, method.inputType)}) returns (${streamed(method.serverStreaming, method.outputType)})`,
      ),
      comment(PATH.service, at, PATH.method, index),
    ]),
  ]);
  const messages = file.messageType.flatMap((message, at) => [
    `### ${message.name}`,
    comment(PATH.message, at),
    table(
      ["field", "number", "type", "meaning"],
      message.field.map((field, index) => [
        code(field.name),
        String(field.number),
        typeOf(field),
        [oneofOf(field, message.oneofDecl), comment(PATH.message, at, PATH.field, index)].filter(Boolean).join(" "),
      ]),
    ),
    // The compiler adds a oneof for each `optional` field.
    ...message.oneofDecl.flatMap((oneof, index) =>
      message.field.some((field) => field.proto3Optional && field.oneofIndex === index)
        ? []
        : [`\`${oneof.name}\`: ${comment(PATH.message, at, PATH.oneof, index)}`],
    ),
  ]);
  const enums = file.enumType.flatMap((one, at) => [
    `### ${one.name}`,
    comment(PATH.enum, at),
    table(
      ["value", "number", "meaning"],
      one.value.map(({ name, number }, index) => [
        code(name),
        String(number),
        comment(PATH.enum, at, PATH.value, index),
      ]),
    ),
  ]);
  return page(
    `proto/${PROTO_FILE}`,
    "# RPCs",
    `Package \`${file.package}\`, in [${PROTO_FILE}](../../proto/${PROTO_FILE}). What each reason and error means for a caller:
[reasons.md](reasons.md). Health (\`grpc.health.v1\`) and reflection (v1 and v1alpha) are served on the same port.`,
    ...services,
    "## Messages",
    ...messages,
    "## Enums",
    ...enums,
  );
}

const shortName = (type: string): string => type.split(".").at(-1) ?? type;

const streamed = (isStream: boolean, type: string): string => `${isStream ? "stream " : ""}${shortName(type)}`;

function oneofOf(field: FieldDescriptorProto, oneofs: readonly { readonly name: string }[]): string {
  if (field.proto3Optional) return "";
  const oneof = Object.hasOwn(field, "oneofIndex") ? oneofs[field.oneofIndex] : undefined;
  return oneof === undefined ? "" : `(one of \`${oneof.name}\`)`;
}

/** Links one of our types to its place on the page. */
function typeOf({ type, typeName, label, proto3Optional }: FieldDescriptorProto): string {
  const name = shortName(typeName);
  const scalar = FieldDescriptorProto_Type[type].toLowerCase();
  const named = typeName.startsWith(".google.") ? code(typeName.slice(1)) : `[${name}](#${name.toLowerCase()})`;
  const one = typeName === "" ? scalar : named;
  if (proto3Optional) return `optional ${one}`;
  return label === FieldDescriptorProto_Label.REPEATED ? `repeated ${one}` : one;
}

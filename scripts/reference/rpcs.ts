import {
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
} from "@bufbuild/protobuf/wkt";
import { OPERATOR_FAILURE_REASONS, OPERATOR_FAILURES } from "../../src/contract/operator-failures.js";
import { formatDuration } from "../../src/util/units.js";
import { statusNumber } from "../../src/wire/catalogue.js";
import { operatorFailureNumber } from "../../src/wire/operator-status.js";
import { code, page, table } from "./markdown.js";
import { type Contract, PATH, PROTO_FILE } from "./proto.js";

/** docs/reference/rpcs.md. */
export function rpcsPage(contract: Contract): string {
  const { services, messages, enums } = sectionsOf(contract);
  return page(
    `proto/${PROTO_FILE}`,
    "# RPCs",
    `Package \`${contract.file.package}\`, in [${PROTO_FILE}](../../proto/${PROTO_FILE}). What each reason and error means for a caller:
[reasons.md](reasons.md). Health (\`grpc.health.v1\`) and reflection (v1 and v1alpha) are served on the same port.`,
    ...services,
    "## Messages",
    ...messages,
    "## Enums",
    ...enums,
  );
}

/** docs/reference/operator-rpcs.md. @param contracts the files of the operators' contract */
export function operatorRpcsPage(contracts: readonly Contract[]): string {
  const sections = contracts.map(sectionsOf);
  const links = contracts.map(({ file: { name } }) => `[${name.split("/").at(-1)}](../../proto/${name})`);
  return page(
    "proto/tokenverifier/admin/v1 and src/contract/operator-failures.ts",
    "# Operators' RPCs",
    `Package \`${contracts[0]?.file.package}\`, in ${links.join(", ")}: served on the \`admin\` address only, with health and reflection.
How to use them: [the guide for operators](../guides/operators.md).`,
    ...sections.flatMap(({ services }) => services),
    "## Errors",
    "`ErrorInfo.reason` of each error, with the status and the wait of `RetryInfo`.",
    table(
      ["reason", "number", "gRPC code", "`RetryInfo`", "message"],
      OPERATOR_FAILURE_REASONS.map((reason) => [reason, OPERATOR_FAILURES[reason]] as const).map(
        ([reason, { status, message, retryAfter }]) => [
          code(reason),
          String(operatorFailureNumber(reason)),
          `${status} (${statusNumber(status)})`,
          retryAfter === undefined ? "" : code(formatDuration(retryAfter)),
          message,
        ],
      ),
    ),
    "## Messages",
    ...sections.flatMap(({ messages }) => messages),
    "## Enums",
    ...sections.flatMap(({ enums }) => enums),
  );
}

/** The parts of a page about a proto file. */
function sectionsOf({ file, comment }: Contract): Readonly<Record<"services" | "messages" | "enums", string[]>> {
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
  return { services, messages, enums };
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

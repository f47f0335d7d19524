import { FAILURE_REASONS, FAILURES } from "../../src/contract/failures.js";
import { FORM_FAULTS, REASON_NAMES, reasonMessage } from "../../src/contract/reasons.js";
import { formatDuration } from "../../src/util/units.js";
import { failureNumber, reasonNumber, statusNumber } from "../../src/wire/catalogue.js";
import { code, page, table } from "./markdown.js";
import { type Contract, PATH, PROTO_FILE } from "./proto.js";

/** docs/reference/reasons.md. */
export function reasonsPage(contract: Contract): string {
  const { comment } = contract;
  return page(
    `proto/${PROTO_FILE} and src/contract`,
    "# Reasons",
    `Names stand here without their prefixes \`REASON_\` and \`ERROR_REASON_\`, as in logs, metrics and \`google.rpc.ErrorInfo\`.
Texts are for developers and may change; go by the names.`,
    "## Reason: why a token was rejected",
    commentOf(contract, "Reason"),
    table(
      ["reason", "number", "meaning", "message"],
      REASON_NAMES.map((name) => [
        code(name),
        String(reasonNumber(name)),
        valueComment(contract, "Reason", `REASON_${name}`),
        reasonMessage(name, "…"),
      ]),
    ),
    "### Messages of TOKEN_MALFORMED",
    "The message of a malformed token says what is wrong with the form of its text.",
    table(
      ["form", "message"],
      FORM_FAULTS.map((form) => [form, reasonMessage("TOKEN_MALFORMED", "…", form)]),
    ),
    "## ErrorReason: why no verdict was reached",
    commentOf(contract, "ErrorReason"),
    "`RetryInfo` is the wait that the answer carries unless the service knows a better one.",
    table(
      ["reason", "number", "gRPC code", "`RetryInfo`", "meaning", "message"],
      FAILURE_REASONS.map((name) => {
        const { status, message, retryAfter } = FAILURES[name];
        return [
          code(name),
          String(failureNumber(name)),
          `${status} (${statusNumber(status)})`,
          retryAfter === undefined ? "" : code(formatDuration(retryAfter)),
          valueComment(contract, "ErrorReason", `ERROR_REASON_${name}`),
          message,
        ];
      }),
    ),
  );

  function commentOf({ file }: Contract, name: string): string {
    return comment(
      PATH.enum,
      file.enumType.findIndex((one) => one.name === name),
    );
  }
  function valueComment({ file }: Contract, name: string, value: string): string {
    const at = file.enumType.findIndex((one) => one.name === name);
    const index = file.enumType[at]?.value.findIndex((one) => one.name === value) ?? -1;
    return comment(PATH.enum, at, PATH.value, index);
  }
}

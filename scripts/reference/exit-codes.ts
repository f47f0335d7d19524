import { EXIT, EXIT_MEANINGS, failureOf } from "../../src/cli/errors.js";
import { noVerdict } from "../../src/cli/verify-outcome.js";
import { FAILURE_REASONS } from "../../src/contract/failures.js";
import { failure } from "../../src/contract/verifier.js";
import { DIRECTORY_TROUBLES, DirectoryError, type DirectoryErrorCode } from "../../src/directory/errors.js";
import { code, page, table } from "./markdown.js";

/** docs/reference/exit-codes.md. */
export function exitCodesPage(): string {
  const ends = (Object.keys(EXIT) as (keyof typeof EXIT)[]).map((name) => [
    code(String(EXIT[name])),
    EXIT_MEANINGS[name],
  ]);
  const failures = FAILURE_REASONS.map((reason) => [code(reason), code(String(noVerdict(failure(reason)).exitCode))]);
  const directory = Object.entries(DIRECTORY_TROUBLES).map(([name, meaning]) => [
    meaning,
    code(String(failureOf(new DirectoryError(name as DirectoryErrorCode, "")).exitCode)),
  ]);
  return page(
    "src/cli",
    "# Exit codes",
    "The exit codes of every `token-verifier` command. Standard error says what went wrong.",
    table(["code", "meaning"], ends),
    "The exit code of `verify` without a verdict, by [reason](reasons.md):",
    table(["reason", "code"], failures),
    "The exit code of `serve` at its start, and of the commands that use the directory, by problem:",
    table(["problem", "code"], directory),
  );
}

import { CommandError, EXIT } from "./errors.js";

/** Reads the time that an option gives: RFC 3339, or seconds since 1970. @returns milliseconds @throws {CommandError} */
export function readTime(option: string, text: string): number {
  const millis = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(millis)) {
    throw new CommandError(`${option} must be a time such as 2026-01-31T12:00:00Z, or seconds since 1970.`, EXIT.usage);
  }
  return millis;
}

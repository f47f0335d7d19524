/**
 * Texts that make V8's JSON.parse misread escaped member names of later texts: each has a name that ends in a backslash.
 * V8 12.8 and later are affected, in Node 24 and 26 (https://github.com/nodejs/node/issues/63785).
 */
export const POISONS: readonly string[] = [
  '{"iss":"x","ex\\\\":0}',
  '{"ex\\\\":0}',
  '{"exp\\\\":0,"a":1}',
  '{"\\\\":0}',
  '{"a":{"\\\\":0},"tok\\\\":[{"b\\\\":1}]}',
  '{"sub\\"\\\\":"a","\\\\\\\\":null}',
  '{"alg":"HS256","ki\\\\":"k"}',
  '{"typ":"JWT","al\\\\":0}',
  '{"realm":"a","toke\\\\":"b"}',
];

/** Makes this process's JSON.parse misread later texts. */
export function poison(): void {
  for (const text of POISONS) JSON.parse(text);
}

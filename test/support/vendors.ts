import { VENDORS } from "../../src/vendors/index.js";
import type { ExampleValues, Vendor } from "../../src/vendors/vendor.js";
import { acme } from "../vendors/acme.js";

/** The vendors that the tests serve: all of ours, and the guide's example vendor. */
export const TEST_VENDORS: readonly Vendor[] = [...VENDORS, acme];

/** A POST to a vendor's face as in the vendor's example, with only these ids and secrets. */
export function exampleRequest(
  { path, example }: Vendor,
  token: string,
  values: Partial<ExampleValues>,
): {
  readonly method: "POST";
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
} {
  const none = { instanceId: "", appId: "", userId: "", secretKey: "", clientId: "", clientSecret: "", now: 0 };
  const { headers, body = "" } = example.request(token, { ...none, ...values });
  return { method: "POST", target: path, headers: Object.entries(headers), body: Buffer.from(body) };
}

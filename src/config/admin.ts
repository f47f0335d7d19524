import type { Role } from "../contract/operator.js";
import { isLocalAddress } from "../net/port.js";
import { formatPath } from "../util/issues.js";
import { Secret } from "../util/secret.js";
import { redactFileName, unreadable } from "./read-file.js";
import type { CoreSettings } from "./schema.js";
import { type ConfiguredTls, type TlsContext, withServerTls } from "./tls.js";

/** An operator that sends a key. */
export interface OperatorKey {
  readonly name: string;
  readonly key: Secret;
  readonly role: Role;
}

/** An operator that shows a client certificate. */
export interface OperatorCertificate {
  /** `URI:...` or `DNS:...`. */
  readonly san: string;
  readonly role: Role;
}

/** Settings of the operators' port, its files read. */
export interface ConfiguredAdmin {
  readonly address: string;
  readonly tls: ConfiguredTls | undefined;
  /** Empty without keys. With neither keys nor certificates every caller is an operator. */
  readonly keys: readonly OperatorKey[];
  readonly certificates: readonly OperatorCertificate[];
}

/** The form of a key: what an HTTP header can have, and long enough that guessing is hopeless. */
const KEY = /^[!-~]{32,1024}$/;

/** Reads the settings of the operators' port, and the files that they name. */
export function readAdmin(admin: CoreSettings["admin"], context: TlsContext): ConfiguredAdmin | undefined {
  if (admin === undefined) return undefined;
  const { address, tls } = withServerTls(admin, "admin", context);
  const { keys = [], certificates = [] } = admin;
  const complain = (path: readonly PropertyKey[], message: string): void =>
    void context.issues.push({ place: formatPath(["admin", ...path]), message });
  if (keys.length === 0 && certificates.length === 0 && !isLocalAddress(address)) {
    complain(
      [],
      "other machines could reach this address, and each caller would be an operator: give keys or certificates with roles, or listen at 127.0.0.1 or a unix: socket",
    );
  }
  if (certificates.length > 0 && admin.tls?.clientCaFile === undefined) {
    complain(["certificates"], "the port asks its clients for no certificates: give admin a tls with a clientCaFile");
  }
  certificates.forEach(({ san }, at) => {
    const first = certificates.findIndex((one) => one.san === san);
    if (first < at)
      complain(["certificates", at, "san"], `is the same as admin.certificates[${first}].san: leave one out`);
  });
  return { address, tls, keys: readKeys(keys, context, complain), certificates };
}

type KeyForm = NonNullable<NonNullable<CoreSettings["admin"]>["keys"]>[number];

function readKeys(
  forms: readonly KeyForm[],
  { resolve, readFile }: TlsContext,
  complain: (path: readonly PropertyKey[], message: string) => void,
): readonly OperatorKey[] {
  const read: OperatorKey[] = [];
  for (const [at, { name, file, role }] of forms.entries()) {
    const first = forms.findIndex((one) => one.name === name);
    if (first < at)
      complain(["keys", at, "name"], `is the same as admin.keys[${first}].name: give each operator its own`);
    let text: string;
    try {
      text = readFile(resolve(file)).trim();
    } catch (error) {
      complain(["keys", at, "file"], `${redactFileName(file)} ${unreadable(error)}`);
      continue;
    }
    if (!KEY.test(text)) {
      complain(
        ["keys", at, "file"],
        "must hold 32 to 1024 printable characters without white space: openssl rand -base64 32 makes a key",
      );
      continue;
    }
    const same = read.find(({ key }) => key.reveal() === text);
    if (same !== undefined) complain(["keys", at, "file"], `holds the key of ${same.name}: give each operator its own`);
    read.push({ name, key: new Secret(text), role });
  }
  return read;
}

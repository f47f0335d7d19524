import { formatPath, type Issue } from "../util/issues.js";
import type { Face } from "../vendors/vendor.js";
import type { FaceSettings, PresetContext } from "./realms.js";
import type { CoreSettings } from "./schema.js";

type Shown = Pick<CoreSettings, "http" | "realms">;

/** A face and the realm that it asks. */
export interface ConfiguredFace {
  readonly name: string;
  readonly path: string;
  readonly realm: string;
  readonly face: Face;
}

/** The faces that are shown: of each vendor, where the realm that it asks is configured. @param realms those that are good, by name */
export function bindFaces(
  realms: ReadonlyMap<
    string,
    { readonly vendor: { readonly name: string } | undefined; readonly settings: FaceSettings }
  >,
  { http, realms: raw }: Shown,
  { vendors, issues }: PresetContext,
): ConfiguredFace[] {
  const faces = new Map(Object.entries<string>(http?.faces ?? {}));
  for (const name of faces.keys()) {
    if (vendors.some((vendor) => vendor.name === name)) continue;
    const message = `is no vendor's face: there are ${vendors.map((vendor) => vendor.name).join(", ")}`;
    issues.push({ place: formatPath(["http", "faces", name]), message });
  }
  return vendors.flatMap((vendor) => {
    const bound = faces.get(vendor.name);
    const realm = realms.get(bound ?? vendor.name);
    if (realm?.vendor?.name !== vendor.name) {
      // A realm with this preset that is not among the good ones was complained of already.
      const { preset } = (bound === undefined ? {} : (raw[bound] ?? {})) as { preset?: unknown };
      if (bound !== undefined && preset !== vendor.name) {
        const message = `must name a realm with the preset ${vendor.name}`;
        issues.push({ place: formatPath(["http", "faces", vendor.name]), message });
      }
      return [];
    }
    const face = vendor.face(realm.settings, realm.settings.maxTokenLength);
    return [{ name: vendor.name, path: vendor.path, realm: bound ?? vendor.name, face }];
  });
}

/** Looks at what is shown of the contract. @param isRealm whether there may be a realm of this name */
export function checkRpc({ http }: Pick<Shown, "http">, issues: Issue[], isRealm: (name: string) => boolean): void {
  const { rpc = [], cors } = http ?? {};
  for (const [index, name] of rpc.entries()) {
    if (isRealm(name)) continue;
    issues.push({
      place: formatPath(["http", "rpc", index]),
      message: `there is no realm ${name}: name one that is configured`,
    });
  }
  if (cors !== undefined && rpc.length === 0) {
    const message = "is of no use without http.rpc: name the realms there that pages may ask for, or leave it out";
    issues.push({ place: "http.cors", message });
  }
}

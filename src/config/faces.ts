import { formatPath, type Issue } from "../util/issues.js";
import type { Face } from "../vendors/vendor.js";
import type { FaceSettings, PresetContext } from "./realms.js";
import type { CoreSettings } from "./schema.js";

type Shown = Pick<CoreSettings, "http" | "realms">;

/** A face, its path, and the realm that it asks. */
export interface ConfiguredFace {
  readonly name: string;
  readonly path: string;
  readonly realm: string;
  readonly face: Face;
}

/** The faces that are served: each vendor's, if its realm is configured. @param realms those without issues, by name */
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
    const message = `is not a vendor's face: there are ${vendors.map((vendor) => vendor.name).join(", ")}`;
    issues.push({ place: formatPath(["http", "faces", name]), message });
  }
  return vendors.flatMap((vendor) => {
    const bound = faces.get(vendor.name);
    const realm = realms.get(bound ?? vendor.name);
    if (realm?.vendor?.name !== vendor.name) {
      // A realm with this preset but with issues was reported already.
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

/** Checks `http.rpc` and `http.cors`. @param isRealm whether a realm of this name may exist */
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
    const message = "has no effect without http.rpc: list the realms there that pages may ask for, or leave it out";
    issues.push({ place: "http.cors", message });
  }
}

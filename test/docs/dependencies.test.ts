import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ROOT } from "../cli/harness.js";

// Checks that every dependency has a documented reason, is pinned, and runs no program at its installation.

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const manifest = JSON.parse(read("package.json")) as Record<"dependencies" | "devDependencies", Record<string, string>>;
const { "": _root, ...locked } = (
  JSON.parse(read("package-lock.json")) as { readonly packages: Readonly<Record<string, Locked>> }
).packages;

describe("the dependencies", () => {
  it("decision 0008 gives a reason for exactly the dependencies", () => {
    const rows = read("docs/decisions/0008-dependencies.md").match(/^\| `.*(?= \|)/gm) ?? [];
    const named = rows.flatMap((row) =>
      [...(row.split(" | ")[0] ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name),
    );
    expect(named).to.have.members(Object.keys(manifest.dependencies));
  });

  it("every dependency is pinned to one version", () => {
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      expect(version, name).to.match(/^\d+\.\d+\.\d+(-beta\.\d+)?$/);
    }
  });

  it("every dependency is locked with a digest", () => {
    for (const [place, { integrity }] of Object.entries(locked)) expect(integrity, place).to.match(/^sha512-/);
  });

  it("no dependency of the service runs an install script except the one that SECURITY.md names", () => {
    const scripted = Object.entries(locked).filter(([, { dev, hasInstallScript }]) => hasInstallScript && !dev);
    const names = scripted.map(([place]) => place.replace(/^.*node_modules\//, ""));
    expect(names).to.deep.equal(["protobufjs"]);
    for (const name of names) expect(read("SECURITY.md")).to.include(name);
  });
});

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ROOT } from "../cli/harness.js";
import { readGuide } from "./guide.js";

// Compares docs/guides/add-a-vendor.md with the files that it walks through.

const GUIDE = readGuide("add-a-vendor");
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

describe("docs/guides/add-a-vendor.md", () => {
  for (const [index, block] of GUIDE.blocks("ts").entries()) {
    it(`TypeScript block ${index + 1} of the guide is in Acme's file`, () => {
      expect(read("test/vendors/acme.ts")).to.include(block);
    });
  }

  it("the guide quotes every part of a vendor", () => {
    const quoted = GUIDE.blocks("ts").join("");
    for (const part of ["defineVendor", "policySettings", "rules:", "subject:", "read(", "write:", "claims:"]) {
      expect(quoted).to.include(part);
    }
  });

  it("the guide quotes a case of Acme exactly", () => {
    for (const block of GUIDE.blocks("yaml")) expect(read("test/cases/acme.yaml")).to.include(block);
    expect(GUIDE.blocks("yaml")).to.have.length(1);
  });

  it("the guide names only files, tests and functions that exist", () => {
    const named = Array.from(
      GUIDE.text.matchAll(/`?\b((?:src|test|docs)\/[\w./-]+\.(?:ts|yaml|md))/g),
      ([, file = ""]) => file,
    );
    expect(named).to.include.members(["src/verifier/rules.ts", "test/e2e/cases.test.ts"]);
    // NAME is a placeholder for the new vendor's name.
    for (const file of named) if (!file.includes("NAME")) expect(existsSync(join(ROOT, file)), file).to.equal(true);
    expect(read("src/vendors/clowk.ts")).to.include("const ownInstance: Rule").and.to.include("const REJECTIONS");
    expect(read("src/verifier/claims.ts")).to.include("export const userOfInstance");
    expect(read("src/vendors/vendor.ts")).to.include("export const claimName");
    expect(read("src/vendors/integuru.ts")).to.include("userClaim: claimName").and.to.include("textAt(");
    expect(read("src/verifier/conditions.ts")).to.include("export function conditionOn");
    expect(read("src/config/load.ts")).to.include("readonly vendors?:");
  });
});

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ROOT } from "../cli/harness.js";
import { readGuide } from "./guide.js";

// docs/guides/add-a-vendor.md against the files that it walks through.

const GUIDE = readGuide("add-a-vendor");
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

describe("docs/guides/add-a-vendor.md", () => {
  for (const [index, block] of GUIDE.blocks("ts").entries()) {
    it(`block ${index + 1} stands in Acme's file as it is quoted`, () => {
      expect(read("test/vendors/acme.ts")).to.include(block);
    });
  }

  it("quotes every part of a vendor", () => {
    const quoted = GUIDE.blocks("ts").join("");
    for (const part of ["defineVendor", "policySettings", "rules:", "subject:", "read(", "write:", "claims:"]) {
      expect(quoted).to.include(part);
    }
  });

  it("quotes a case as it stands", () => {
    for (const block of GUIDE.blocks("yaml")) expect(read("test/cases/acme.yaml")).to.include(block);
    expect(GUIDE.blocks("yaml")).to.have.length(1);
  });

  it("names files, tests and functions that are there", () => {
    const named = Array.from(
      GUIDE.text.matchAll(/`?\b((?:src|test|docs)\/[\w./-]+\.(?:ts|yaml|md))/g),
      ([, file = ""]) => file,
    );
    expect(named).to.include.members(["src/verifier/rules.ts", "test/e2e/cases.test.ts"]);
    // NAME stands for the new vendor's.
    for (const file of named) if (!file.includes("NAME")) expect(existsSync(join(ROOT, file)), file).to.equal(true);
    expect(read("src/vendors/clowk.ts")).to.include("const ownInstance: Rule").and.to.include("const REJECTIONS");
    expect(read("src/verifier/claims.ts")).to.include("export const userOfInstance");
    expect(read("src/config/load.ts")).to.include("readonly vendors?:");
  });
});

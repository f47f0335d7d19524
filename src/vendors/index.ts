import { clowk } from "./clowk.js";
import { fiserv } from "./fiserv.js";
import { integuru } from "./integuru.js";
import type { Vendor } from "./vendor.js";

/** All vendors. A new one is a file of its own and a name in this list: docs/guides/add-a-vendor.md makes one. */
export const VENDORS: readonly Vendor[] = [integuru, clowk, fiserv];

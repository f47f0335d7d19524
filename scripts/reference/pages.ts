import { configurationPage } from "./configuration.js";
import { exitCodesPage } from "./exit-codes.js";
import { configurationSchema } from "./json-schema.js";
import { logPage } from "./log.js";
import { metricsPage } from "./metrics.js";
import { OPERATOR_FILES, readContract } from "./proto.js";
import { reasonsPage } from "./reasons.js";
import { operatorRpcsPage, rpcsPage } from "./rpcs.js";

/** Returns the generated pages of docs/reference by name. @param descriptors of the contract, with comments */
export function referencePages(descriptors: Uint8Array): Readonly<Record<string, string>> {
  const contract = readContract(descriptors);
  return {
    "configuration.md": configurationPage(),
    "configuration.schema.json": configurationSchema(),
    "exit-codes.md": exitCodesPage(),
    "log.md": logPage(),
    "metrics.md": metricsPage(),
    "operator-rpcs.md": operatorRpcsPage(OPERATOR_FILES.map((name) => readContract(descriptors, name))),
    "reasons.md": reasonsPage(contract),
    "rpcs.md": rpcsPage(contract),
  };
}

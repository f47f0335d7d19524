import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** The proto file of the contract. */
export const PROTO_FILE = "tokenverifier/v1/token_verifier.proto";

/** The proto files of the operators' contract. */
export const OPERATOR_FILES = ["directory_service", "revocation_service", "status_service", "types"].map(
  (name) => `tokenverifier/admin/v1/${name}.proto`,
);

/** A proto file as the compiler describes it, with its comments. */
export interface Contract {
  readonly file: FileDescriptorProto;
  /** Returns the leading comment of an element. @param path as in google.protobuf.SourceCodeInfo */
  readonly comment: (...path: readonly number[]) => string;
}

/** The numbers of fields in descriptor.proto that make up paths to comments. */
export const PATH = { message: 4, enum: 5, service: 6, field: 2, value: 2, method: 2, oneof: 8 } as const;

/** Reads the output of `buf build --as-file-descriptor-set`. @throws if the file is not in it */
export function readContract(descriptors: Uint8Array, name = PROTO_FILE): Contract {
  const set = fromBinary(FileDescriptorSetSchema, descriptors);
  const file = set.file.find((one) => one.name === name);
  if (file === undefined) throw new Error(`${name} is not among the descriptors`);
  const comments = new Map(
    (file.sourceCodeInfo?.location ?? []).map(({ path, leadingComments }) => [path.join("."), leadingComments]),
  );
  return { file, comment: (...path) => unwrapped(comments.get(path.join(".")) ?? "") };
}

/** Joins the lines of each paragraph of a comment. */
const unwrapped = (comment: string): string =>
  comment
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim().replace(/\s*\n\s*/g, " "))
    .join("\n\n")
    .trim();

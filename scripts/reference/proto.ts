import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** The proto file of the contract. */
export const PROTO_FILE = "tokenverifier/v1/token_verifier.proto";

/** The contract as the compiler describes it, with its comments. */
export interface Contract {
  readonly file: FileDescriptorProto;
  /** The comment ahead of an element. @param path as in google.protobuf.SourceCodeInfo */
  readonly comment: (...path: readonly number[]) => string;
}

/** Numbers of fields in descriptor.proto, of which paths to comments are made. */
export const PATH = { message: 4, enum: 5, service: 6, field: 2, value: 2, method: 2, oneof: 8 } as const;

/** Reads what `buf build --as-file-descriptor-set` wrote. @throws where the contract is not in it */
export function readContract(descriptors: Uint8Array): Contract {
  const set = fromBinary(FileDescriptorSetSchema, descriptors);
  const file = set.file.find(({ name }) => name === PROTO_FILE);
  if (file === undefined) throw new Error(`${PROTO_FILE} is not among the descriptors`);
  const comments = new Map(
    (file.sourceCodeInfo?.location ?? []).map(({ path, leadingComments }) => [path.join("."), leadingComments]),
  );
  return { file, comment: (...path) => unwrapped(comments.get(path.join(".")) ?? "") };
}

/** A comment without the line ends that it has for its width alone: those of paragraphs stay. */
const unwrapped = (comment: string): string =>
  comment
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim().replace(/\s*\n\s*/g, " "))
    .join("\n\n")
    .trim();

import { createFileRegistry, type DescFile, type FileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { FILE_DESCRIPTOR_SET } from "../../gen/descriptors.js";

/** The compiler's descriptors of every .proto file that the service's ports use, found by what the files declare. */
export interface Descriptors {
  /** The same, for @bufbuild/protobuf. */
  readonly registry: FileRegistry;
  /** The file of this name and all that it imports, itself first, each a FileDescriptorProto; undefined: no such file. */
  file(name: string): Uint8Array[] | undefined;
  /** The same for the file that declares this message, enum, service, method, field or extension by its full name. */
  fileOfSymbol(name: string): Uint8Array[] | undefined;
  /** The same for the file that extends this message with this number. */
  fileOfExtension(message: string, number: number): Uint8Array[] | undefined;
  /** The numbers by which this message is extended; undefined: no such message. */
  extensionNumbers(message: string): number[] | undefined;
}

/**
 * Reads the compiler's descriptors, which are compiled in.
 *
 * @param services full names; given, only the files that declare them and what those import are described
 */
export function readDescriptors(services?: readonly string[]): Descriptors {
  const set = fromBinary(FileDescriptorSetSchema, Buffer.from(FILE_DESCRIPTOR_SET, "base64"));
  const all = createFileRegistry(set);
  const registry = services === undefined ? all : createFileRegistry(declaring(set, all, services));
  const extensions = [...registry].filter((type) => type.kind === "extension");

  const encoded = (file: DescFile | undefined): Uint8Array[] | undefined =>
    file && closure(file).map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));

  function fileDeclaring(name: string): DescFile | undefined {
    const type = registry.get(name);
    if (type !== undefined) return type.file;
    // A member: methods and fields are named within their parent, enum values within their enum's parent.
    const dot = name.lastIndexOf(".");
    const [parent, member] = [name.slice(0, Math.max(0, dot)), name.slice(dot + 1)];
    const owner = registry.get(parent);
    if (owner?.kind === "service")
      return owner.methods.some((method) => method.name === member) ? owner.file : undefined;
    if (owner?.kind === "message" && owner.members.some((own) => own.name === member)) return owner.file;
    for (const other of registry) {
      if (other.kind !== "enum") continue;
      const scope = other.typeName.slice(0, Math.max(0, other.typeName.lastIndexOf(".")));
      if (scope === parent && other.values.some((value) => value.name === member)) return other.file;
    }
    return undefined;
  }

  return {
    registry,
    file: (name) => encoded(registry.getFile(name)),
    fileOfSymbol: (name) => encoded(fileDeclaring(name)),
    fileOfExtension: (message, number) =>
      encoded(extensions.find((one) => one.extendee.typeName === message && one.number === number)?.file),
    extensionNumbers: (message) =>
      registry.getMessage(message) &&
      extensions.filter((one) => one.extendee.typeName === message).map((one) => one.number),
  };
}

/** The part of a set that declares services, and what that imports. */
function declaring(set: FileDescriptorSet, registry: FileRegistry, services: readonly string[]): FileDescriptorSet {
  const files = services.flatMap((name) => closure(registry.getService(name)?.file));
  const names = new Set(files.map(({ proto }) => proto.name));
  return { ...set, file: set.file.filter(({ name }) => names.has(name)) };
}

/** A file and all that it imports, itself first. */
const closure = (file: DescFile | undefined): readonly DescFile[] => (file === undefined ? [] : [...withImports(file)]);

function withImports(file: DescFile, seen = new Set<DescFile>()): Set<DescFile> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const dependency of file.dependencies) withImports(dependency, seen);
  return seen;
}

import { createFileRegistry, type DescFile, type FileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
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

/** Reads the compiler's descriptors, which are compiled in. */
export function readDescriptors(): Descriptors {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(FILE_DESCRIPTOR_SET, "base64")));
  const extensions = [...registry].filter((type) => type.kind === "extension");

  function withImports(file: DescFile, seen = new Set<DescFile>()): Set<DescFile> {
    if (seen.has(file)) return seen;
    seen.add(file);
    for (const dependency of file.dependencies) withImports(dependency, seen);
    return seen;
  }
  const encoded = (file: DescFile | undefined): Uint8Array[] | undefined =>
    file && [...withImports(file)].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));

  function declaring(name: string): DescFile | undefined {
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
    fileOfSymbol: (name) => encoded(declaring(name)),
    fileOfExtension: (message, number) =>
      encoded(extensions.find((one) => one.extendee.typeName === message && one.number === number)?.file),
    extensionNumbers: (message) =>
      registry.getMessage(message) &&
      extensions.filter((one) => one.extendee.typeName === message).map((one) => one.number),
  };
}

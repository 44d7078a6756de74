import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import {
  ServerReflection,
  type ServerReflectionRequest,
} from "@tercet/gen/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionV1Alpha } from "@tercet/gen/grpc/reflection/v1alpha/reflection";

/** Everything that can be asked for, by the name it is asked for. */
interface Index {
  readonly services: readonly DescService[];
  readonly files: ReadonlyMap<string, DescFile>;
  /**
   * Files by the full names of what they declare: services, methods, messages, enums, extensions.
   */
  readonly symbols: ReadonlyMap<string, DescFile>;
  /** Files of extensions, by the message they extend and their number. */
  readonly extensions: ReadonlyMap<string, ReadonlyMap<number, DescFile>>;
}

/**
 * grpc.reflection.v1 and v1alpha for these services. Source: github.com/grpc/grpc,
 * doc/server-reflection.md.
 */
export function reflectionRoutes(services: readonly DescService[]) {
  const index = buildIndex([...services, ServerReflection, ServerReflectionV1Alpha]);
  async function* serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>) {
    for await (const originalRequest of requests) {
      yield {
        validHost: originalRequest.host,
        originalRequest,
        messageResponse: answer(index, originalRequest.messageRequest),
      };
    }
  }
  return (router: ConnectRouter) =>
    router
      .service(ServerReflection, { serverReflectionInfo })
      // The two versions' messages differ in nothing but the package they are in.
      .service(ServerReflectionV1Alpha, { serverReflectionInfo: serverReflectionInfo as never });
}

function buildIndex(services: readonly DescService[]): Index {
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  const extensions = new Map<string, Map<number, DescFile>>();
  const add = (file: DescFile) => {
    if (files.has(file.proto.name)) return;
    files.set(file.proto.name, file);
    for (const type of nestedTypes(file)) {
      symbols.set(type.typeName, file);
      if (type.kind === "service")
        for (const method of type.methods) symbols.set(`${type.typeName}.${method.name}`, file);
      if (type.kind === "extension") {
        const numbers = extensions.get(type.extendee.typeName) ?? new Map<number, DescFile>();
        extensions.set(type.extendee.typeName, numbers.set(type.number, file));
      }
    }
    file.dependencies.forEach(add);
  };
  for (const service of services) add(service.file);
  // No method names it: it travels in the details of errors.
  add(ErrorInfoSchema.file);
  return { services, files, symbols, extensions };
}

function answer(index: Index, request: ServerReflectionRequest["messageRequest"]) {
  switch (request.case) {
    case "listServices":
      return {
        case: "listServicesResponse" as const,
        value: { service: index.services.map((s) => ({ name: s.typeName })) },
      };
    case "fileByFilename":
      return fileAnswer(index.files.get(request.value));
    case "fileContainingSymbol":
      return fileAnswer(index.symbols.get(request.value));
    case "fileContainingExtension":
      return fileAnswer(
        index.extensions.get(request.value.containingType)?.get(request.value.extensionNumber),
      );
    case "allExtensionNumbersOfType": {
      if (!index.symbols.has(request.value)) return notFoundAnswer();
      const extensionNumber = [...(index.extensions.get(request.value)?.keys() ?? [])];
      return {
        case: "allExtensionNumbersResponse" as const,
        value: { baseTypeName: request.value, extensionNumber },
      };
    }
    default:
      return notFoundAnswer();
  }
}

/** The file, and before it everything it imports, so that a client needs to ask once. */
function fileAnswer(file: DescFile | undefined) {
  if (file === undefined) return notFoundAnswer();
  const ordered = new Set<DescFile>();
  const visit = (f: DescFile) => {
    f.dependencies.forEach(visit);
    ordered.add(f);
  };
  visit(file);
  // Clients take the first file for the one they asked for.
  const fileDescriptorProto = [...ordered]
    .reverse()
    .map((f) => toBinary(FileDescriptorProtoSchema, f.proto));
  return { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } };
}

const notFoundAnswer = () => ({
  case: "errorResponse" as const,
  value: { errorCode: Code.NotFound, errorMessage: "not found" },
});

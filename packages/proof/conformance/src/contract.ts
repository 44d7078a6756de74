import { readFile } from "node:fs/promises";
import {
  createFileRegistry,
  type DescMessage,
  type DescService,
  type FileRegistry,
  fromBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** The suite's contracts, as descriptors of the version that runs; we keep no copy of them. */
export class Contract {
  readonly #registry: FileRegistry;

  /** @param path of the descriptor set that `buf build` made of the suite's proto files */
  static async load(path: string): Promise<Contract> {
    return new Contract(
      createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(path))),
    );
  }

  private constructor(registry: FileRegistry) {
    this.#registry = registry;
  }

  get service(): DescService {
    return known("ConformanceService", this.#registry.getService(`${PACKAGE}.ConformanceService`));
  }

  message(name: string): DescMessage {
    return known(name, this.#registry.getMessage(`${PACKAGE}.${name}`));
  }
}

const PACKAGE = "connectrpc.conformance.v1";

function known<T>(name: string, found: T | undefined): T {
  if (found === undefined) throw new Error(`the suite's contracts have no ${name}`);
  return found;
}

import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import {
  createLogger,
  createService,
  parseEnv,
  readEnv,
  runService,
  serviceConfig,
  serviceEnv,
} from "@tercet/service";
import { z } from "zod";

const products = [{ sku: "TEA", name: "Tea", stock: 3n }];

await runService(async () => {
  const env = parseEnv("catalog", z.object(serviceEnv(5019)), readEnv());
  const config = serviceConfig(env);
  return createService({
    name: "catalog",
    config,
    log: createLogger({ name: "catalog", ...config.log }),
    errors: {},
    routes: (router) =>
      router.service(CatalogService, {
        listProducts: () => ({ products }),
      }),
    dependencies: { stock: async () => {} },
  });
});

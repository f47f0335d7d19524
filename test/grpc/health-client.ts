import grpc, { type Client, type StatusObject } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath } from "grpc-health-check";

const { grpc: loaded } = grpc.loadPackageDefinition(loadSync(protoPath, { enums: String, defaults: true })) as any;

/** A client of grpc.health.v1. */
export function healthClient(address: string): Client & Record<string, any> {
  return new loaded.health.v1.Health(address, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
}

/** Starts a watch, and resolves once the first status has arrived. */
export async function watchHealth(
  address: string,
  service: string,
): Promise<{ seen: string[]; ended: Promise<StatusObject> }> {
  const seen: string[] = [];
  const client = healthClient(address);
  const stream = client["watch"]({ service });
  stream.on("data", ({ status }: { status: string }) => seen.push(status));
  stream.on("error", () => undefined);
  const ended = new Promise<StatusObject>((resolve) => stream.on("status", resolve));
  void ended.then(() => client.close());
  await new Promise((resolve) => stream.once("data", resolve));
  return { seen, ended };
}

/** What a daemon knows of the names that policy files use. */
import { policyInventoryOf } from '../base/policy-inventory.ts';
import type { DaemonClient } from '../connect/index.ts';
import * as daemon from '../protocol/daemon.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import type { Parsed } from '../protocol/parse.ts';
import type { PolicyInventory } from '../protocol/policy-inventory.ts';
import { connectTo } from './context.ts';
import type { CliContext, GlobalOptions } from './context.ts';

/** What it knows, with the texts of the applied policies, or why it was not asked. */
export type KnownNames =
  | { readonly inventory: PolicyInventory; readonly texts: readonly string[] }
  | { readonly reason: string };

/** A daemon that does not answer by then must not hold up a check of files, ms. */
const patienceMs = 15_000;
/** Of a host that takes longer, what is known from before is used, ms. */
const hostPatienceMs = 5000;
/** Hosts that answered so lately are not asked again, ms. */
const freshMs = 60_000;

/** Asks a daemon that runs. Never starts one, and never fails because of one; throws `TM1002` for options that do not fit together. */
export async function askDaemon(context: CliContext, globals: GlobalOptions): Promise<KnownNames> {
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(patienceMs)]);
  try {
    await using client = await connectTo({ ...context, signal }, globals);
    const { hosts } = await client.request(daemon.listHosts, {}, { signal });
    const { vms, hosts: readings = [] } = await listVms(client, signal);
    const { repositories } = await client.request(daemon.listRepositories, {}, { signal });
    const { policies } = await client.request(daemon.listPolicies, {}, { signal });
    const texts: string[] = [];
    for (const { name } of policies) {
      const { text } = await client.request(daemon.getPolicy, { name }, { signal });
      texts.push(text);
    }
    return { inventory: policyInventoryOf({ hosts, readings, vms, repositories }), texts };
  } catch (error) {
    throwIfAborted(context.signal);
    const { code, message } = TidemarkError.from(error);
    if (code === errorCodes.invalidUsage) throw error;
    return { reason: signal.aborted ? 'The daemon did not answer in time.' : message };
  }
}

/** What the daemon knows of VMs, after the hosts that were not heard of lately had a while to answer. */
async function listVms(client: DaemonClient, signal: AbortSignal): Promise<Parsed<typeof daemon.listVms.result>> {
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(hostPatienceMs)]);
  try {
    return await client.request(daemon.listVms, { maxAgeMs: freshMs }, { signal: inTime });
  } catch (error) {
    throwIfAborted(signal);
    if (!inTime.aborted) throw error;
  }
  const known = await client.request(daemon.listVms, { maxAgeMs: freshMs, wait: false }, { signal });
  const now = Date.now();
  const isFresh = (readAt = ''): boolean => now - Date.parse(readAt) <= freshMs;
  // One that is being asked in vain has not failed yet, but does not answer either.
  const hosts = known.hosts?.map((reading) =>
    isFresh(reading.readAt) ? reading : { unreachableSince: new Date(now).toISOString(), ...reading },
  );
  return { ...known, ...(hosts === undefined ? {} : { hosts }) };
}

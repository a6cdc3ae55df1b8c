/** What the doctor asks of Hyper-V: everything at once, whatever the number of VMs, and nothing is changed. */
import { oneLine } from '../../../base/one-line.ts';
import { throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import type { VmId } from '../../../protocol/ids.ts';
import type { HypervCalls } from '../calls/calls.ts';
import { getCheckpoint, getHealth, getHost, getReferencePoint, getVm } from '../commands/index.ts';
import type {
  Health,
  HypervCheckpoint,
  HypervHost,
  HypervReferencePoint,
  HypervVm,
  UnreadableVm,
} from '../commands/index.ts';
import { toVmDisks } from '../inventory/describe.ts';
import type { VmDisk } from '../inventory/describe.ts';
import { DiskInventory } from '../inventory/inventory.ts';
import { virtualPaths } from '../checkpoints/preflight.ts';
import { chainsOf } from './chains.ts';
import type { Chain } from './chains.ts';

/** What could not be asked, and why. */
export interface Refusal {
  readonly sentence: string;
  readonly remedy: string;
}

/** The host, as PowerShell and Hyper-V tell it. */
export interface HostPicture {
  readonly host: HypervHost;
  /** Milliseconds until PowerShell was there and had answered its first question. */
  readonly startMs: number;
  /** Milliseconds of one short question after that. */
  readonly answerMs: number;
  /** Undefined where Hyper-V does not show itself to this account. */
  readonly vms: VmPicture | undefined;
}

/** All VMs. */
export interface VmPicture {
  readonly list: readonly HypervVm[];
  readonly unreadable: readonly UnreadableVm[];
  readonly checkpoints: readonly HypervCheckpoint[];
  readonly referencePoints: readonly HypervReferencePoint[];
  readonly health: Health;
  readonly disks: ReadonlyMap<VmId, readonly VmDisk[]>;
  readonly chains: ReadonlyMap<string, Chain>;
}

/** Looks at the host. Throws what PowerShell or Hyper-V refuses. `rights` are files whose access rights are wanted. */
export async function hostPicture(
  calls: HypervCalls,
  rights: readonly string[],
  signal: AbortSignal,
): Promise<HostPicture> {
  const began = performance.now();
  const first = await calls.invoke(getHost, {}, signal);
  const started = performance.now();
  const startMs = started - began;
  if (!first.hypervAvailable) return { host: first, startMs, answerMs: 0, vms: undefined };
  await calls.invoke(getHost, {}, signal);
  const answerMs = performance.now() - started;
  return { host: first, startMs, answerMs, vms: await vmPicture(calls, rights, signal) };
}

async function vmPicture(calls: HypervCalls, rights: readonly string[], signal: AbortSignal): Promise<VmPicture> {
  const { vms: list, unreadable = [] } = await calls.invoke(getVm, {}, signal);
  const { checkpoints } = await calls.invoke(getCheckpoint, {}, signal);
  const { referencePoints } = await calls.invoke(getReferencePoint, {}, signal);
  const health = await calls.invoke(getHealth, { Path: rights }, signal);
  const described = await new DiskInventory(calls).describe(list.flatMap(virtualPaths), signal);
  const disks = new Map(list.map((vm) => [vm.id, toVmDisks(vm.id, vm.disks, described)]));
  const chains = await chainsOf([...disks.values()].flat(), signal);
  return { list, unreadable, checkpoints, referencePoints, health, disks, chains };
}

/** An error as something that was found. Rethrows that of an abort. */
export function refusalOf(error: unknown, signal: AbortSignal): Refusal {
  throwIfAborted(signal);
  const { message, code, hint } = TidemarkError.from(error);
  return {
    sentence: `${oneLine(message, 1024)} (${code})`,
    remedy: hint ?? 'The user guide explains each error code.',
  };
}

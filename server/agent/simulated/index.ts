/** The simulated host: a small Hyper-V in a directory. `docs/simulated-host.md` describes its files and rules. */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { VmInfo } from '../../protocol/model.ts';
import type { HostProvider } from '../provider.ts';
import type {
  CreateVmOptions,
  GuestLoadOptions,
  GuestLoadResult,
  GuestWriteOptions,
  InitHostOptions,
  PowerAction,
  SimulatedProviderOptions,
  VssBehaviour,
} from './api.ts';

export { simulatedBuilds } from './api.ts';
export type {
  CreateVmOptions,
  GuestLoadOptions,
  GuestLoadResult,
  GuestWriteOptions,
  InitHostOptions,
  PowerAction,
  SimulatedBuild,
  SimulatedProviderOptions,
  VssBehaviour,
} from './api.ts';

const pending = (): Promise<never> =>
  Promise.reject(new TidemarkError(errorCodes.internal, 'The simulated host is not built yet.'));

/** Makes `root` a host directory. Throws `TM2112` when it is one already or holds other files. */
export const initHost: (root: string, options?: InitHostOptions) => Promise<void> = pending;
/** Makes a VM, running. Throws `TM2114` when the name is taken, `TM1001` for bad names, and `TM3xxx` for unusable disk files. */
export const createVm: (root: string, options: CreateVmOptions) => Promise<VmInfo> = pending;
/** The guest of `vm` (name or id) writes to `disk` (name or id) through the change tracker. Throws `TM2105` unless the VM runs. */
export const guestWrite: (root: string, vm: string, disk: string, options: GuestWriteOptions) => Promise<void> =
  pending;
/** The guest writes at random places until `percent` of the disk changed. Throws `TM2105` unless the VM runs. */
export const guestLoad: (
  root: string,
  vm: string,
  disk: string,
  options: GuestLoadOptions,
) => Promise<GuestLoadResult> = pending;
/** Switches a VM on, off, or off as a power failure does. Throws `TM2105` when it is in that state already. */
export const power: (root: string, vm: string, action: PowerAction, signal?: AbortSignal) => Promise<void> = pending;
/** Moves a VM with its disks, tracking and reference points to another host. Throws `TM2105` while a checkpoint is open, `TM2114` when the name is taken. */
export const migrate: (root: string, vm: string, otherRoot: string, signal?: AbortSignal) => Promise<void> = pending;
/** Writes what the guest sees of a disk now into a new sparse raw file. Throws `TM6001` when `outFile` exists. */
export const exportRaw: (
  root: string,
  vm: string,
  disk: string,
  outFile: string,
  signal?: AbortSignal,
) => Promise<void> = pending;
/** Says how the guest's VSS will answer; for tests. */
export const setVssBehaviour: (root: string, vm: string, vss: VssBehaviour) => Promise<void> = pending;
/** The simulated hypervisor behind `HostProvider`. Throws `TM2112` when `root` is no host directory. */
export function createSimulatedProvider(_root: string, _options?: SimulatedProviderOptions): HostProvider {
  throw new TidemarkError(errorCodes.internal, 'The simulated host is not built yet.');
}

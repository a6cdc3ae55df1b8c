/** The simulated host: a small Hyper-V in a directory. `docs/simulated-host.md` describes its files and rules. */
import type { VmInfo } from '../../protocol/model.ts';
import type {
  CreateVmOptions,
  GuestLoadOptions,
  GuestLoadResult,
  GuestWriteOptions,
  InitHostOptions,
  PowerAction,
  VssBehaviour,
} from './api.ts';
import * as guest from './guest.ts';
import { hostErrors } from './host-errors.ts';
import * as host from './host.ts';
import * as moving from './migrate.ts';
import * as powering from './power.ts';
import * as raw from './raw.ts';

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
export { createSimulatedProvider } from './provider.ts';

/** Makes `root` a host directory. Throws `TM2112` when it is one already or holds other files. */
export const initHost = (root: string, options?: InitHostOptions): Promise<void> =>
  hostErrors(() => host.initHost(root, options));

/** Makes a VM, running. Throws `TM2114` when the name is taken, `TM1001` for bad names and sizes, `TM3xxx` for unusable disk files. */
export const createVm = (root: string, options: CreateVmOptions): Promise<VmInfo> =>
  hostErrors(() => host.createVm(root, options));

/** The guest of `vm` (name or id) writes to `disk` (name or id) through the change tracker. Throws `TM2101`, `TM2102`, `TM2105` unless the VM runs, `TM3008` past the disk's end. */
export const guestWrite = (root: string, vm: string, disk: string, options: GuestWriteOptions): Promise<void> =>
  hostErrors(() => guest.guestWrite(root, vm, disk, options));

/** The guest writes at random places until `percent` of the disk changed. Throws as `guestWrite`. */
export const guestLoad = (
  root: string,
  vm: string,
  disk: string,
  options: GuestLoadOptions,
): Promise<GuestLoadResult> => hostErrors(() => guest.guestLoad(root, vm, disk, options));

/** Switches a VM on, off, or off as a power failure does. Throws `TM2105` when it is in that state already. */
export const power = (root: string, vm: string, action: PowerAction, signal?: AbortSignal): Promise<void> =>
  hostErrors(() => powering.power(root, vm, action, signal));

/** Moves a VM with its disks, tracking and reference points to another host. Throws `TM2105` while a checkpoint is open, `TM2114` when the name is taken. */
export const migrate = (root: string, vm: string, otherRoot: string, signal?: AbortSignal): Promise<void> =>
  hostErrors(() => moving.migrate(root, vm, otherRoot, signal));

/** Writes what the guest sees of a disk now into a new sparse raw file. Throws `TM6001` when `outFile` exists. */
export const exportRaw = (
  root: string,
  vm: string,
  disk: string,
  outFile: string,
  signal?: AbortSignal,
): Promise<void> => hostErrors(() => raw.exportRaw(root, vm, disk, outFile, signal));

/** Says how the guest's VSS answers requests for application consistency; for tests. */
export const setVssBehaviour = (root: string, vm: string, vss: VssBehaviour): Promise<void> =>
  hostErrors(() => powering.setVssBehaviour(root, vm, vss));

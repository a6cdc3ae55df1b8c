/** The types of the simulated host's library, shared by its modules, the CLI and tests. */

/** Windows builds a simulated host can be: Server 2016, 2019, 2022, 2025. */
export const simulatedBuilds = [14_393, 17_763, 20_348, 26_100] as const;
export type SimulatedBuild = (typeof simulatedBuilds)[number];

/** What a new host is. */
export interface InitHostOptions {
  /** Default: the machine's host name. */
  readonly name?: string | undefined;
  /** Default 20348 (Server 2022). */
  readonly build?: SimulatedBuild | undefined;
}

/** What a new VM is made of. */
export interface CreateVmOptions {
  readonly name: string;
  readonly disks: readonly { readonly name: string; readonly sizeBytes: number }[];
  /** Existing VHDX or VHD files, copied with all their parents into dynamic VHDX files. The VirtualDiskId of a VHDX is kept unless a VM of the host has it. */
  readonly importDisks?: readonly { readonly name: string; readonly path: string }[];
  /** VM configuration version; default `9.0`. Below 6.2 the VM refuses RCT. */
  readonly configVersion?: string | undefined;
  /** Default 2. */
  readonly generation?: 1 | 2 | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One write of a guest: all bytes of a file or an array, from byte `offset` of the disk on. */
export interface GuestWriteOptions {
  readonly offset: number;
  /** A file's path, or the bytes. */
  readonly from: string | Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/** A load of random guest writes. */
export interface GuestLoadOptions {
  /** Percent of the disk to change, above 0 and at most 100. */
  readonly percent: number;
  /** Same seed, same disk: same writes. Default: a random one. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a load did, in bytes: all writes added up, and the part of the disk they cover. */
export interface GuestLoadResult {
  readonly writtenBytes: number;
  readonly changedBytes: number;
}

/** `fail` is a power failure: the in-memory bitmap is lost. */
export type PowerAction = 'on' | 'off' | 'fail';

/** How the guest's VSS answers a request for application consistency. */
export type VssBehaviour = 'ok' | 'failing' | 'hanging';

/** How the provider behaves where a real host would be slow. */
export interface SimulatedProviderOptions {
  /** Milliseconds a host job takes; default `TIDEMARK_SIM_JOB_MS`, else 40. */
  readonly jobMs?: number | undefined;
  /** Milliseconds to wait for a hanging VSS before the checkpoint fails; default 60,000. */
  readonly vssTimeoutMs?: number | undefined;
  /** Called at named steps of every change; tests throw or kill the process in it. */
  readonly onStep?: ((step: string) => void) | undefined;
}

/**
 * What the agent needs of a hypervisor. Everything above this interface is the same for the simulated host and for
 * Hyper-V; each lives in its own folder and nothing but the agent's composition root imports it.
 */
import type {
  CheckpointId,
  DiskId,
  ExportId,
  OwnerId,
  ReferencePointId,
  RestoreSessionId,
  RunId,
  TrackingId,
  VmId,
} from '../protocol/ids.ts';
import type {
  Checkpoint,
  Consistency,
  FrozenDisk,
  HostInfo,
  ReferencePoint,
  VmConfiguration,
  VmInfo,
} from '../protocol/model.ts';
import type { JobKind } from '../protocol/agent.ts';

/** A VM that a restore made. */
export interface RestoredVm {
  readonly vmId: VmId;
  /** In what it is not as the one that was backed up; see `commitRestore` in protocol/agent.ts. */
  readonly warnings: readonly string[];
}

/** What a long host operation gets: its cancellation, and where it reports percent (0 to 100, never falling within a kind). */
export interface JobContext {
  readonly signal: AbortSignal;
  progress(kind: JobKind, percent: number): void;
}

/** A range of a disk, in bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** A page of extents, ascending and not overlapping; it covers the disk from the asked offset to `nextOffset`, or to its end when that is absent. */
export interface ExtentPage {
  readonly extents: readonly Extent[];
  readonly nextOffset?: number;
}

/** Which extents of an exported disk are asked for: those that changed since a tracking id, or the allocated ones, from `offset` bytes on. */
export interface ExtentsRequest {
  readonly exportId: ExportId;
  readonly diskId: DiskId;
  readonly since: TrackingId | undefined;
  readonly offset: number;
  readonly maxExtents: number;
}

/** A frozen disk, open for reading. Reads never see what the guest writes after the checkpoint. */
export interface DiskReader extends AsyncDisposable {
  readonly sizeBytes: number;
  /** Fills all of `target` from byte `offset` on; both may be unaligned. Reading past the end throws `TM3008`. */
  read(target: Uint8Array, offset: number): Promise<void>;
  close(): Promise<void>;
}

/** A disk of a VM being restored, open for writing. */
export interface DiskWriter extends AsyncDisposable {
  write(source: Uint8Array, offset: number): Promise<void>;
  /** Makes everything written durable. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** An open export: the frozen disks of a checkpoint, readable until it is closed. */
export interface HostExport {
  readonly id: ExportId;
  readonly disks: readonly FrozenDisk[];
  readonly configuration: VmConfiguration;
  readonly warnings: readonly string[];
}

/** What a VM to be restored looks like. */
export interface RestoreDefinition {
  readonly name: string;
  readonly configuration: VmConfiguration;
  readonly connectNetwork: boolean;
  readonly disks: readonly Omit<FrozenDisk, 'trackable' | 'trackingId'>[];
}

/** A hypervisor host. All methods throw `TidemarkError` with TM2xxx or TM3xxx codes. */
export interface HostProvider extends AsyncDisposable {
  readonly kind: 'simulated' | 'hyperv';
  /** Finishes or undoes what a crash of an earlier agent left behind (interrupted merges, exports, restores). Call once, before anything else. */
  recover(signal: AbortSignal): Promise<readonly string[]>;
  describe(signal: AbortSignal): Promise<HostInfo>;
  listVms(signal: AbortSignal): Promise<readonly VmInfo[]>;

  createCheckpoint(
    request: { readonly vmId: VmId; readonly runId: RunId; readonly owner: OwnerId; readonly consistency: Consistency },
    job: JobContext,
  ): Promise<Checkpoint>;
  listCheckpoints(vmId: VmId | undefined, signal: AbortSignal): Promise<readonly Checkpoint[]>;
  /** Removes the checkpoint and merges; resolves when the disk chain is clean. Removing one that is gone throws `TM2106`. */
  removeCheckpoint(checkpoint: CheckpointId, job: JobContext): Promise<void>;
  /** Turns the checkpoint into a reference point and merges; resolves when the disk chain is clean. */
  convertCheckpoint(checkpoint: CheckpointId, job: JobContext): Promise<ReferencePoint>;

  listReferencePoints(vmId: VmId | undefined, signal: AbortSignal): Promise<readonly ReferencePoint[]>;
  /** Removes a reference point; see `removeReferencePoint` in protocol/agent.ts for `trackingIds`. Throws `TM2109`. */
  removeReferencePoint(
    referencePoint: ReferencePointId,
    trackingIds: readonly TrackingId[] | undefined,
    job: JobContext,
  ): Promise<void>;

  openExport(
    request: { readonly checkpointId: CheckpointId; readonly excludeDisks: readonly DiskId[] },
    job: JobContext,
  ): Promise<HostExport>;
  closeExport(exportId: ExportId): Promise<void>;
  /** See `listExtents` in protocol/agent.ts. */
  listExtents(request: ExtentsRequest, signal: AbortSignal): Promise<ExtentPage>;
  openDisk(exportId: ExportId, diskId: DiskId): Promise<DiskReader>;

  beginRestore(definition: RestoreDefinition, signal: AbortSignal): Promise<RestoreSessionId>;
  openRestoreDisk(session: RestoreSessionId, diskId: DiskId): Promise<DiskWriter>;
  commitRestore(session: RestoreSessionId, job: JobContext): Promise<RestoredVm>;
  abortRestore(session: RestoreSessionId): Promise<void>;
}

/** What metrics need of the past. Everything is durable when a method returns. */
import type { VmId } from '../../protocol/ids.ts';

/** The last successful backup of a VM by one policy into one repository. */
export interface VmSuccess {
  readonly vmId: VmId;
  readonly vm: string;
  readonly host: string;
  /** Empty for backups by hand. */
  readonly policy: string;
  readonly repository: string;
  /** Of which moment it is, ms since 1970. */
  readonly atMs: number;
}

/** The last backups in the daemon's database. */
export interface MetricStore {
  /** Replaces that of the same VM, policy and repository. */
  putSuccess(success: VmSuccess): void;
  /** Those of `sinceMs` or later, newest first. */
  successes(sinceMs: number, limit: number): readonly VmSuccess[];
  /** Forgets those before `sinceMs`, and beyond `keep` the oldest. */
  trim(sinceMs: number, keep: number): void;
}

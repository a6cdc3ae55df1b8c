/** Which restore points a list is about. */
import type { VmId } from '../../server/protocol/ids.ts';

/** Restore points that have everything that is given. */
export interface PointQuery {
  readonly repository?: string | undefined;
  readonly vmId?: VmId | undefined;
  /** A day of the calendar in this machine's time zone: `2026-01-31`. */
  readonly day?: string | undefined;
}

/** One text for each query, to keep lists by; no part can hold a slash. */
export function queryKey({ repository, vmId, day }: PointQuery): string {
  return `${repository ?? ''}/${vmId ?? ''}/${day ?? ''}`;
}

/** Name of this machine's time zone, so that days end at midnight here. */
export const localTimezone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

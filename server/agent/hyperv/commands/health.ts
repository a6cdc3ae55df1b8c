/** What `tidemark agent doctor` asks of all VMs at once. */
import { vmId } from '../../../protocol/ids.ts';
import { array, integer, nullable, object, string } from '../../../protocol/parse.ts';
import type { Parsed } from '../../../protocol/parse.ts';
import { timestamp } from '../../../protocol/model.ts';
import { command } from './command.ts';

/** The health of the host. */
export const health = object({
  /** `Msvm_VssComponent` of the VMs that have one. */
  vss: array(
    object({ vmId, enabledState: integer(0, 65_535), operationalStatus: array(integer(0, 65_535), 16) }),
    65_536,
  ),
  /** VMs whose `Msvm_DiskMergeSettingData.EnabledState` is 0. */
  mergeLocked: array(vmId, 65_536),
  /** `UBR` of the registry: the number behind the build; null elsewhere than on Windows. */
  updateRevision: nullable(integer(0, 10_000_000)),
  /** Errors of Hyper-V with 0x8007052F or 0x80070569 among the last ones of its logs; null where events cannot be read. */
  logonRefusal: nullable(object({ count: integer(0, 1_000_000), lastAt: nullable(timestamp) })),
  /** Rights of the files that were asked for, in SDDL; null when they cannot be read. */
  rights: array(
    object({ path: string({ maxLength: 4096 }), sddl: nullable(string({ maxLength: 65_536, allowEmpty: true })) }),
    32,
  ),
});
export type Health = Parsed<typeof health>;

export const getHealth = command<{ readonly Path: readonly string[] }, Health>('Get-TidemarkHealth', health);

/** Where the configuration files of VMs and snapshots lie. */
import type { Value } from '../wire.ts';
import type { World } from '../world.ts';
import { hasGuestStateFile } from './host.ts';

/** The properties of a VM's or a snapshot's system settings that name its configuration files (docs/hyperv.md). */
export function configurationFiles(
  world: World,
  directory: string,
  folder: string,
  guid: string,
): Readonly<Record<string, Value>> {
  const base = `${folder}/${guid}`;
  return {
    ConfigurationDataRoot: directory,
    ConfigurationFile: `${base}.vmcx`,
    ConfigurationID: guid,
    SnapshotDataRoot: directory,
    SuspendDataRoot: directory,
    SwapFileDataRoot: directory,
    LogDataRoot: directory,
    ...(hasGuestStateFile(world.host.build) && { GuestStateDataRoot: directory, GuestStateFile: `${base}.vmgs` }),
  };
}

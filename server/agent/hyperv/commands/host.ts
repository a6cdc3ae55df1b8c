/** What the host is. */
import { boolean, integer, nullable, object, string } from '../../../protocol/parse.ts';
import type { Parsed } from '../../../protocol/parse.ts';
import { command } from './command.ts';

const path = string({ maxLength: 4096 });

/** The host's facts. */
export const host = object({
  name: string({ maxLength: 256 }),
  /** `Win32_OperatingSystem.BuildNumber`. */
  build: integer(0, 1_000_000),
  osName: string({ maxLength: 256 }),
  /** `$PSVersionTable.PSVersion`. */
  powershellVersion: string({ maxLength: 64 }),
  /** Whether the account may see Hyper-V at all: false when `Msvm_VirtualSystemManagementService` has no instance (not elevated, or the role is missing; hyperv-rct.md 1.1). */
  hypervAvailable: boolean,
  /** `Msvm_VirtualSystemManagementServiceSettingData.DefaultExternalDataRoot` and `.DefaultVirtualHardDiskPath`; null without Hyper-V. */
  defaultVmFolder: nullable(path),
  defaultDiskFolder: nullable(path),
  /** Which properties this build knows that older ones do not. */
  hasGuestBackupType: boolean,
  hasExcludedVirtualHardDisks: boolean,
});
export type HypervHost = Parsed<typeof host>;

export const getHost = command<Readonly<Record<string, never>>, HypervHost>('Get-TidemarkHost', host);

/** Writes a line to the Application event log under the source `Tidemark Agent`. */
export const writeEvent = command<
  { readonly EventId: number; readonly Level: 'information' | 'warning' | 'error'; readonly Message: string },
  { readonly written: boolean }
>('Write-TidemarkEvent', object({ written: boolean }));

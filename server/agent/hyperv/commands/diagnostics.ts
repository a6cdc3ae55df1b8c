/** What the agent collects when something failed (hyperv-rct.md 5.2). */
import type { VmId } from '../../../protocol/ids.ts';
import { array, object, string } from '../../../protocol/parse.ts';
import { command } from './command.ts';

const text = string({ maxLength: 65_536, allowEmpty: true });

/** Snapshots with type and parent, disk paths, reference points, merge settings, the last events of the Hyper-V logs: lines for the agent's log, bounded. */
export const getDiagnostic = command<{ readonly VmId: VmId }, { readonly lines: readonly string[] }>(
  'Get-TidemarkDiagnostic',
  object({ lines: array(text, 4096) }),
);

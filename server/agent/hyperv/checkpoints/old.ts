/** Says that checkpoints of ours were left behind: of a daemon that never comes back, nobody else would. */
import type { Checkpoint } from '../../../protocol/model.ts';
import { pause } from '../../work-progress.ts';
import type { Core } from '../core.ts';
import { listCheckpoints } from './checkpoints.ts';

const hourMs = 3_600_000;

/** Looks now and then until the provider ends. Never throws. */
export async function watchOld(core: Core): Promise<void> {
  const { background, log, timing } = core;
  const { ended } = background;
  for (let waitMs = timing.oldFirstMs; ; waitMs = timing.oldEveryMs) {
    try {
      await pause(waitMs, ended);
      for (const checkpoint of await listCheckpoints(core, undefined, ended)) warnOfOld(core, checkpoint);
    } catch (error) {
      if (ended.aborted) return;
      log.log('warning', 'Checkpoints that were left behind could not be looked for.', error);
    }
  }
}

function warnOfOld(core: Core, { id, vmId, owner, createdAt }: Checkpoint): void {
  const ageMs = Date.now() - Date.parse(createdAt);
  if (owner === undefined || ageMs < core.timing.oldMs || core.isExported(id)) return;
  core.log.log(
    'warning',
    `VM ${vmId}: a checkpoint of Tidemark is ${Math.floor(ageMs / hourMs)} hours old, no backup reads it, and its disks grow. ` +
      'The daemon that made it removes it when it connects; if that daemon is gone for ever, remove the checkpoint by hand.',
  );
}

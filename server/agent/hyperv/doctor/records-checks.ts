/** Checks of what the agent has written down, against what is on the host. */
import type { AgentFolder } from './agent-folder.ts';
import { check } from './finding.ts';
import type { Finding } from './finding.ts';
import type { VmPicture } from './picture.ts';

/** Everything about records and leftovers. `running`: the agent answers, so what it works on is no leftover. */
export function recordFindings(folder: AgentFolder, vms: VmPicture | undefined, running: boolean): readonly Finding[] {
  return [damaged(folder), unneeded(folder, vms), leftovers(folder, running)];
}

function damaged({ damaged: files }: AgentFolder): Finding {
  const { ok, warning } = check('agent', 'agent-records-damaged');
  if (files.length === 0) return ok('All records of the agent can be read.');
  return warning(
    `${files.length} of the agent's records cannot be read, such as ${files[0] ?? ''}.`,
    "A checkpoint or reference point that such a record was about is not known as Tidemark's any more: look at the checks of VMs here. Then remove the files. Check the volume they lie on.",
  );
}

/** Records whose thing is gone from a VM that is there. */
function unneeded({ checkpoints, referencePoints }: AgentFolder, vms: VmPicture | undefined): Finding {
  const { ok, skipped } = check('agent', 'agent-records');
  if (vms === undefined) return skipped('Which records are still needed is not known without Hyper-V.');
  const present = new Set(vms.list.map(({ id }) => id));
  const points = new Set(vms.referencePoints.map(({ id }) => id));
  const open = new Set(vms.checkpoints.map(({ id }) => id));
  const gone = referencePoints.filter(({ point }) => present.has(point.vmId) && !points.has(point.id)).length;
  const ended = checkpoints.filter(
    ({ vmId, checkpointId, phase }) =>
      phase === 'taken' && present.has(vmId) && checkpointId !== undefined && !open.has(checkpointId),
  ).length;
  if (gone + ended === 0) return ok('Each record of the agent is about something that is there.');
  return ok(
    `${gone + ended} records of the agent are about things that others removed. The agent drops them by itself; the next backup of those VMs is a full one.`,
  );
}

function leftovers({ exports, restores }: AgentFolder, running: boolean): Finding {
  const { ok, warning } = check('agent', 'agent-leftovers');
  if (exports.length + restores.length === 0) return ok('No export and no restore was left behind.');
  const what = `${exports.length} exports and ${restores.length} restores`;
  if (running) return ok(`The agent runs, and has ${what} at work or to be put in order.`);
  const [first = restores[0]?.folder ?? ''] = exports;
  return warning(`${what} were left behind, such as ${first}.`, 'Start the agent: it removes them before it serves.');
}

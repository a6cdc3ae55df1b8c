/** The mark of our checkpoints: their `ElementName`, which stays with them wherever the VM goes. */
import { ownerId, runId } from '../../../protocol/ids.ts';
import type { OwnerId, RunId } from '../../../protocol/ids.ts';
import type { Consistency } from '../../../protocol/model.ts';

/** Who made a checkpoint, for which run, and how it was taken. */
export interface Mark {
  readonly owner: OwnerId;
  readonly runId: RunId;
  readonly consistency: Consistency;
}

const pattern = /^Tidemark ([0-9a-f]{32}) ([0-7][0-9A-HJKMNP-TV-Z]{25}) (application|crash)$/;

/** The name of a checkpoint with this mark. */
export function markText({ owner, runId: run, consistency }: Mark): string {
  return `Tidemark ${owner} ${run} ${consistency}`;
}

/** The mark that a name is; undefined for names of other products and of people. */
export function parseMark(name: string): Mark | undefined {
  const found = pattern.exec(name);
  if (found === null) return undefined;
  const [, owner = '', run = '', consistency] = found;
  return {
    owner: ownerId(owner, 'owner'),
    runId: runId(run, 'run'),
    consistency: consistency === 'application' ? 'application' : 'crash',
  };
}

/** A plan in words: what a dry run prints, and a real run before it begins. */
import { formatBytes } from '../../base/format.ts';
import { bytesOf } from './delete-condemned.ts';
import type { DeletionPlan } from './delete-condemned.ts';
import type { GcPlan, PackUsage } from './plan.ts';

/** Packs that are named one by one; of more, only the count is told. */
const namedPacks = 100;

/** Lines about what is given up and rewritten. */
export function describePlan(plan: GcPlan): readonly string[] {
  const dead = plan.dead.reduce((sum, pack) => sum + pack.fileBytes, 0);
  return [
    `Unused packs: ${plan.dead.length}, ${formatBytes(dead)}.`,
    ...named(plan.dead, (pack) => `give up ${pack.packId}, ${formatBytes(pack.fileBytes)}`),
    `Packs to rewrite: ${plan.repack.length}, of which ${formatBytes(plan.repackBytes)} are kept.`,
    ...named(
      plan.repack,
      (pack) => `rewrite ${pack.packId}, ${formatBytes(pack.liveBytes)} of ${formatBytes(pack.fileBytes)}`,
    ),
  ];
}

/** Lines about what is deleted. */
export function describeDeletion(plan: DeletionPlan): readonly string[] {
  return [
    `Condemned packs to delete: ${plan.packs.length}, ${formatBytes(bytesOf(plan))}.`,
    ...plan.pardoned.map((packId) => `keep ${packId}: it is needed again`),
  ];
}

function named(packs: readonly PackUsage[], line: (pack: PackUsage) => string): readonly string[] {
  const lines = packs.slice(0, namedPacks).map(line);
  return packs.length > namedPacks ? [...lines, `and ${packs.length - namedPacks} more`] : lines;
}

/** What a garbage collection would do, in words. */
import { formatBytes } from '../../../server/base/format.ts';
import type { RunOutcome } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import { timeText } from '../../views/tree/texts.ts';

/** The outcome of a dry run. */
export type GarbagePlan = Extract<RunOutcome, { readonly kind: 'gc' }>;

/** The plan for people; undefined when there is nothing to do. */
export function planText(plan: GarbagePlan): string | undefined {
  const { condemnedPacks, condemnedBytes, deletedPacks, deletedBytes, repackedBytes, deletableAt } = plan;
  const lines: string[] = [];
  if (deletedPacks > 0) {
    lines.push(l10n.t('Deleted now: {0} in {1} packs.', formatBytes(deletedBytes), deletedPacks));
  }
  if (repackedBytes > 0) {
    lines.push(
      l10n.t('Copied into new packs, because what is around it is not needed: {0}.', formatBytes(repackedBytes)),
    );
  }
  if (condemnedPacks > 0) {
    const marked = l10n.t('Marked as not needed: {0} in {1} packs.', formatBytes(condemnedBytes), condemnedPacks);
    const when =
      deletableAt === undefined
        ? l10n.t('A later collection deletes them.')
        : l10n.t('A collection after {0} deletes them.', timeText(deletableAt));
    lines.push(`${marked} ${when}`);
  }
  if (lines.length === 0) return undefined;
  return [...lines, '', l10n.t('No restore point is touched.')].join('\n');
}

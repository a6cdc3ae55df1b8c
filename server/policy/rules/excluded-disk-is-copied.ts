/** TM7307: a disk that is left out, on a host whose exports cannot leave disks out. */
import { diagnosticCodes } from '../diagnostic.ts';
import { selectedDisks } from './disks.ts';
import { finding } from './finding.ts';
import { indexOf } from './inventory-index.ts';
import { quotedList } from './names.ts';
import type { Rule } from './rule.ts';

/** The first Windows build whose exports can leave disks out: Server 2019. */
const firstBuildWithExclusion = 17_763;

export const excludedDiskIsCopied: Rule = (source, context) => {
  const disks = selectedDisks(source, context);
  if (disks === undefined || context.inventory === undefined) return [];
  const index = indexOf(context.inventory);
  const isOld = (host: string): boolean => (index.host(host)?.build ?? Infinity) < firstBuildWithExclusion;
  return (source.draft.disks?.exclude ?? []).flatMap((pattern, item) => {
    const copied = disks.matching(pattern).filter(({ taken }) => isOld(taken.vm.host));
    if (copied.length === 0) return [];
    const hosts = [...new Set(copied.map(({ taken }) => taken.vm.host))];
    const vms = [...new Set(copied.map(({ taken }) => taken.vm.name))];
    return [
      finding(source, {
        code: diagnosticCodes.excludedDiskIsCopied,
        severity: 'warning',
        message: `Windows Server 2016 cannot leave out disks: ${quotedList(hosts)} ${hosts.length === 1 ? 'copies' : 'copy'} this disk of ${quotedList(vms)} with each export, and then ${hosts.length === 1 ? 'drops' : 'drop'} it.`,
        path: ['disks', 'exclude', item],
      }),
    ];
  });
};

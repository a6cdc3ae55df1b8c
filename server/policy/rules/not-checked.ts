/** TM7310: what cannot be checked, said once. */
import { diagnosticCodes } from '../diagnostic.ts';
import { finding } from './finding.ts';
import { indexOf } from './inventory-index.ts';
import { quotedList } from './names.ts';
import type { Rule } from './rule.ts';

export const notChecked: Rule = (source, { inventory }) => {
  const { select, repository } = source.draft;
  if (inventory === undefined) {
    if (select === undefined && repository === undefined) return [];
    return [
      finding(source, {
        code: diagnosticCodes.notChecked,
        severity: 'information',
        message: 'Names of hosts, VMs, disks and repositories are not checked: there is no connection to a daemon.',
        path: [select === undefined ? 'repository' : 'select'],
        part: 'key',
      }),
    ];
  }
  const index = indexOf(inventory);
  const silent = (select ?? []).map(({ host }) => index.hostsOf(host).filter(({ known }) => !known));
  const first = silent.findIndex((hosts) => hosts.length > 0);
  if (first < 0) return [];
  const names = [...new Set(silent.flat().map(({ name }) => name))];
  return [
    finding(source, {
      code: diagnosticCodes.notChecked,
      severity: 'information',
      message: `${quotedList(names)} did not tell yet which VMs there are: names of VMs and disks are not checked there.`,
      path: ['select', first, 'host'],
    }),
  ];
};

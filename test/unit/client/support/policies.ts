/** Policies as a daemon and a workspace have them. */
import type { AppliedPolicy, PolicyPlan, PolicyVersion } from '../../../../server/protocol/daemon.ts';
import { contentOf } from '../../../../client/policy/policy-file.ts';
import type { PolicyFile } from '../../../../client/policy/policy-file.ts';

const time = '2026-01-31T02:00:00Z';

/** A file with this text; by default one that says the name of the file. */
export function policyFile(path: string, text = `name: ${nameOf(path)}\n`, folderName = 'site'): PolicyFile {
  const folderUri = `file:///w/${folderName}`;
  return { uri: `${folderUri}/${path}`, path, folderUri, folderName, content: contentOf(text) };
}

const nameOf = (path: string): string => (path.split('/').at(-1) ?? path).replace('.backup.yaml', '');

export function policyVersion(
  version: number,
  text: string,
  change: PolicyVersion['change'] = 'applied',
): PolicyVersion {
  return { version, sha256: contentOf(text).sha256 ?? '', at: time, by: 'anna@laptop', change };
}

/** An applied policy; by default with the text of the file of that name. */
export function appliedPolicy(
  name: string,
  more: Partial<AppliedPolicy> = {},
  text = `name: ${name}\n`,
): AppliedPolicy {
  return { name, repository: 'main', current: policyVersion(3, text), vms: 14, problems: [], ...more };
}

/** A plan of a policy that is not applied and takes in nothing. */
export function policyPlan(more: Partial<PolicyPlan> = {}): PolicyPlan {
  return {
    name: 'nightly',
    sha256: '0'.repeat(64),
    changes: [],
    vms: [],
    nextRuns: [],
    retention: [],
    findings: [],
    warnings: [],
    ...more,
  };
}

/**
 * What commands are about. A command's argument comes from a tree node, a link, a key binding or another extension: it is parsed
 * here, and what does not fit counts as not given, so the command asks. Tree nodes simply have these fields.
 */
import * as id from '../server/protocol/ids.ts';
import { array, integer, object, optional, string } from '../server/protocol/parse.ts';
import { refuse } from '../server/protocol/parse.ts';
import type { Parsed, Parser } from '../server/protocol/parse.ts';
import { maxShownVms } from '../server/protocol/policy-language.ts';

/** A node of a tree counts only when it is of one of these kinds: a VM has a host too, and is not the host to remove. What is no node has no kind. */
function ofKind<T>(kinds: readonly string[], parser: Parser<T>): Parser<T> {
  return (value, path) => {
    const kind: unknown = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
    if (kind !== undefined && !kinds.some((one) => one === kind)) return refuse(path, kinds.join(' or '));
    return parser(value, path);
  };
}

export const hostTarget = ofKind(['host'], object({ host: id.nameText }));
export type HostTarget = Parsed<typeof hostTarget>;

export const vmTarget = ofKind(
  ['vm'],
  object({ host: id.nameText, vmId: id.vmId, vmName: string({ maxLength: 256 }) }),
);
export type VmTarget = Parsed<typeof vmTarget>;

export const restorePointTarget = ofKind(
  ['point'],
  object({ restorePointId: id.restorePointId, repository: id.nameText }),
);
export type RestorePointTarget = Parsed<typeof restorePointTarget>;

/** A restore point, or one disk in it. */
export const restoreDiskTarget = ofKind(
  ['point', 'pointDisk'],
  object({
    restorePointId: id.restorePointId,
    repository: id.nameText,
    disk: optional(string({ maxLength: 128 })),
  }),
);
export type RestoreDiskTarget = Parsed<typeof restoreDiskTarget>;

export const runTarget = ofKind(['run'], object({ runId: id.runId }));
export type RunTarget = Parsed<typeof runTarget>;

export const repositoryTarget = ofKind(['repository'], object({ repository: id.nameText }));
export type RepositoryTarget = Parsed<typeof repositoryTarget>;

/** Menus of editors and of the explorer give the URI of the file. */
function orUri<T>(parser: Parser<T>): Parser<T> {
  return (value, path) => parser(isUri(value) ? { policyUri: value.toString() } : value, path);
}

function isUri(value: unknown): value is { toString(): string } {
  return typeof value === 'object' && value !== null && 'scheme' in value && 'authority' in value && 'path' in value;
}

const policyFields = { policyUri: optional(string({ maxLength: 8192 })), policyName: optional(id.policyName) };

/** A policy: its file in the workspace, its name on the daemon, or both. */
export const policyTarget = orUri(ofKind(['policy'], object(policyFields)));
export type PolicyTarget = Parsed<typeof policyTarget>;

/** A version of a policy in the daemon's history. */
export const policyVersionTarget = ofKind(
  ['policyVersion'],
  object({ policyName: id.policyName, version: integer(1) }),
);
export type PolicyVersionTarget = Parsed<typeof policyVersionTarget>;

/** A policy, or one of its versions. */
export const policyOrVersionTarget = orUri(
  ofKind(['policy', 'policyVersion'], object({ ...policyFields, version: optional(integer(1)) })),
);
export type PolicyOrVersionTarget = Parsed<typeof policyOrVersionTarget>;

/** A policy with the VMs that it takes in, as the language server sends them with a lens. */
export const policyVmsTarget = orUri(
  ofKind(
    ['policy'],
    object({
      policyUri: policyFields.policyUri,
      // A file need not have a valid name to take VMs in.
      policyName: optional(string({ maxLength: 256, allowEmpty: true })),
      vms: optional(
        array(object({ host: id.nameText, vmId: id.vmId, vmName: string({ maxLength: 256 }) }), maxShownVms),
      ),
    }),
  ),
);
export type PolicyVmsTarget = Parsed<typeof policyVmsTarget>;

/** A "Load more" node: which view, and which list in it. */
export const moreTarget = object({ view: string({ maxLength: 64 }), list: string({ maxLength: 1024 }) });
export type MoreTarget = Parsed<typeof moreTarget>;

/** Of commands that are about nothing in particular. */
export const noTarget: Parser<undefined> = () => undefined;

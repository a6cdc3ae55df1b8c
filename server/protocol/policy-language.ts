/**
 * What the editor and its language server say to each other besides LSP. Both sides take the method names from here; the server asks,
 * the editor answers from what its trees show.
 */
import { appliedPolicy } from './daemon/policy-model.ts';
import { notification, request } from './message.ts';
import { array, boolean, object, optional, string } from './parse.ts';
import type { Parsed } from './parse.ts';
import { policyInventory } from './policy-inventory.ts';

/** Server → editor: what there is. */
export const getPolicyInventory = request(
  'tidemark/language/inventory',
  object({}),
  object({
    /** Absent when the daemon cannot be asked: names are then not checked. */
    inventory: optional(policyInventory),
    /** What is applied on the daemon. */
    applied: array(appliedPolicy, 10_000),
    /** Whether the workspace is trusted: without trust nothing offers to run. */
    trusted: boolean,
  }),
);

/** Editor → server: what it knows has changed; ask again when it is needed. */
export const policyInventoryDidChange = notification('tidemark/language/inventoryDidChange', object({}));

/** Server → editor: the policy files of the workspace, so that names that are there twice are found in files that are not open. */
export const listPolicyFiles = request(
  'tidemark/language/files',
  object({}),
  object({
    files: array(
      object({ uri: string({ maxLength: 8192 }), text: string({ maxLength: 1_048_576, allowEmpty: true }) }),
      5000,
    ),
  }),
);

/** Editor → server: policy files came, went or changed on disk. */
export const policyFilesDidChange = notification('tidemark/language/filesDidChange', object({}));

/** `initializationOptions` of the language server. */
export const languageOptions = object({
  /** URI of the folder with the pages that explain the codes of diagnostics: `CODE.md` in it. */
  documentation: string({ maxLength: 8192 }),
});
export type LanguageOptions = Parsed<typeof languageOptions>;

/**
 * Commands of the editor that lenses, hovers and quick fixes run. Each takes one object, as the editor's other commands do; the server
 * sends no names of hosts or VMs in it but those that the editor gave it.
 */
export const policyCommands = {
  /** `{ policyUri }`: run the applied policy of this name now. */
  backUp: 'tidemark.policy.backUp',
  /** `{ policyUri }`: show what applying the text of the editor would do. */
  plan: 'tidemark.policy.plan',
  /** `{ policyUri }`: apply the text of the editor. */
  apply: 'tidemark.policy.apply',
  /** `{ policyUri }`: the applied version beside the text of the editor. */
  compare: 'tidemark.policy.compare',
  /** `{ policyUri, policyName, vms?: [{ host, vmId, vmName }] }`, at most `maxShownVms`, else those of its plan: let the user choose one and reveal it. */
  showVms: 'tidemark.policy.showVms',
  /** `{ runId }`: the page of a run. */
  showRun: 'tidemark.run.show',
  /** `{ host, vmId, vmName }`: reveal the VM in the Hosts view. */
  revealVm: 'tidemark.vm.reveal',
} as const;

/** More VMs than these are not sent with a lens; nobody reads a longer list. */
export const maxShownVms = 500;

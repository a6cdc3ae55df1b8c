/**
 * Every id that package.json and the code share: commands, views, context keys, settings, storage keys, tools. Nobody writes one
 * of these texts a second time, and a test compares this table with the manifest.
 */
import { boolean, integer, oneOf, string } from '../server/protocol/parse.ts';
import type { Parsed, Parser } from '../server/protocol/parse.ts';
import * as target from './targets.ts';

/** A command: what it is about, and whether it is of use without a daemon. */
interface CommandDeclaration<T> {
  readonly target: Parser<T>;
  /** `needed`: without a daemon the command tries to reach one, and says what to do when that fails. */
  readonly daemon: 'needed' | 'not needed';
}

const needed = <T>(parser: Parser<T>): CommandDeclaration<T> => ({ target: parser, daemon: 'needed' });
const always = <T>(parser: Parser<T>): CommandDeclaration<T> => ({ target: parser, daemon: 'not needed' });

/** The commands of the manifest. */
export const publicCommands = {
  'tidemark.daemon.status': always(target.noTarget),
  'tidemark.daemon.start': always(target.noTarget),
  'tidemark.daemon.stop': always(target.noTarget),
  'tidemark.daemon.restart': always(target.noTarget),
  'tidemark.daemon.showLog': always(target.noTarget),
  'tidemark.daemon.forgetPassword': always(target.noTarget),
  'tidemark.host.add': needed(target.noTarget),
  'tidemark.host.edit': needed(target.hostTarget),
  'tidemark.host.test': needed(target.hostTarget),
  'tidemark.host.remove': needed(target.hostTarget),
  'tidemark.host.refresh': needed(target.hostTarget),
  'tidemark.hosts.refresh': needed(target.noTarget),
  'tidemark.hosts.filter': needed(target.noTarget),
  'tidemark.hosts.clearFilter': always(target.noTarget),
  'tidemark.vm.backUp': needed(target.vmTarget),
  'tidemark.vm.backUpFull': needed(target.vmTarget),
  'tidemark.vm.restore': needed(target.vmTarget),
  'tidemark.vm.reveal': needed(target.vmTarget),
  'tidemark.run.cancel': needed(target.runTarget),
  'tidemark.run.show': needed(target.runTarget),
  'tidemark.run.showLog': needed(target.runTarget),
  'tidemark.run.showReport': needed(target.runTarget),
  'tidemark.run.retry': needed(target.runTarget),
  'tidemark.runs.refresh': needed(target.noTarget),
  'tidemark.runs.filter': needed(target.noTarget),
  'tidemark.runs.clearFilter': always(target.noTarget),
  'tidemark.restorePoint.restoreDisk': needed(target.restoreDiskTarget),
  'tidemark.restorePoint.restoreVm': needed(target.restorePointTarget),
  'tidemark.restorePoint.pin': needed(target.restorePointTarget),
  'tidemark.restorePoint.unpin': needed(target.restorePointTarget),
  'tidemark.restorePoint.delete': needed(target.restorePointTarget),
  'tidemark.repository.create': needed(target.noTarget),
  'tidemark.repository.attach': needed(target.noTarget),
  'tidemark.repository.verify': needed(target.repositoryTarget),
  'tidemark.repository.collectGarbage': needed(target.repositoryTarget),
  'tidemark.repository.refresh': needed(target.repositoryTarget),
  'tidemark.repositories.refresh': needed(target.noTarget),
  'tidemark.repositories.groupByVm': always(target.noTarget),
  'tidemark.repositories.groupByDay': always(target.noTarget),
  'tidemark.repositories.filter': needed(target.noTarget),
  'tidemark.repositories.clearFilter': always(target.noTarget),
  'tidemark.policies.refresh': always(target.noTarget),
  'tidemark.policy.create': always(target.noTarget),
  'tidemark.policy.plan': needed(target.policyTarget),
  'tidemark.policy.apply': needed(target.policyTarget),
  'tidemark.policy.compare': needed(target.policyOrVersionTarget),
  'tidemark.policy.history': needed(target.policyTarget),
  'tidemark.policy.rollBack': needed(target.policyOrVersionTarget),
  'tidemark.policy.backUp': needed(target.policyTarget),
  'tidemark.policy.backUpFull': needed(target.policyTarget),
  'tidemark.policy.showVms': needed(target.policyVmsTarget),
  'tidemark.policy.previewRetention': needed(target.policyTarget),
  'tidemark.policy.pause': needed(target.policyTarget),
  'tidemark.policy.resume': needed(target.policyTarget),
  'tidemark.policy.delete': needed(target.policyTarget),
  'tidemark.policyLanguage.restart': always(target.noTarget),
  'tidemark.policyLanguage.showLog': always(target.noTarget),
  'tidemark.simulator.try': needed(target.noTarget),
  'tidemark.simulator.write': needed(target.vmTarget),
  'tidemark.simulator.stop': needed(target.noTarget),
  'tidemark.issue.report': always(target.noTarget),
  'tidemark.walkthrough.open': always(target.noTarget),
  'tidemark.settings.open': always(target.noTarget),
} as const;

/** Commands that only our own nodes and links run; not in the manifest. */
export const internalCommands = {
  'tidemark.tree.loadMore': needed(target.moreTarget),
  'tidemark.policy.open': always(target.policyTarget),
  'tidemark.policy.openVersion': needed(target.policyVersionTarget),
  'tidemark.run.hideProgress': always(target.runTarget),
} as const;

export const commands = { ...publicCommands, ...internalCommands } as const;
export type CommandId = keyof typeof commands;
/** What the command is about, when the context gives it. */
export type TargetOf<Id extends CommandId> = Parsed<(typeof commands)[Id]['target']>;

/** The tree views, in this order, in the container `tidemark`. */
export const viewContainer = 'tidemark';
export const views = ['tidemark.hosts', 'tidemark.runs', 'tidemark.repositories', 'tidemark.policies'] as const;
export type ViewId = (typeof views)[number];

/** Type of the run page's webview panel. */
export const runPageType = 'tidemark.runPage';

/** Context keys that when-clauses of the manifest read. */
export interface ContextKeys {
  readonly 'tidemark:daemon.state': 'disconnected' | 'starting' | 'connected' | 'reconnecting' | 'failed';
  readonly 'tidemark:daemon.remote': boolean;
  readonly 'tidemark:hosts.count': number;
  readonly 'tidemark:hosts.filtered': boolean;
  readonly 'tidemark:runs.active': number;
  readonly 'tidemark:runs.count': number;
  readonly 'tidemark:runs.filtered': boolean;
  readonly 'tidemark:repositories.count': number;
  readonly 'tidemark:repositories.groupBy': 'vm' | 'day';
  readonly 'tidemark:repositories.filtered': boolean;
  readonly 'tidemark:policies.count': number;
  readonly 'tidemark:simulator.running': boolean;
}
export type ContextKey = keyof ContextKeys;

/** The same keys as values; the manifest test and `setContext` know no others. */
export const contextKeys: readonly ContextKey[] = [
  'tidemark:daemon.state',
  'tidemark:daemon.remote',
  'tidemark:hosts.count',
  'tidemark:hosts.filtered',
  'tidemark:runs.active',
  'tidemark:runs.count',
  'tidemark:runs.filtered',
  'tidemark:repositories.count',
  'tidemark:repositories.groupBy',
  'tidemark:repositories.filtered',
  'tidemark:policies.count',
  'tidemark:simulator.running',
];

interface SettingDeclaration<T> {
  readonly parse: Parser<T>;
  readonly fallback: T;
}
const setting = <T>(parse: Parser<T>, fallback: T): SettingDeclaration<T> => ({ parse, fallback });
const text = string({ allowEmpty: true, maxLength: 4096 });

/** Settings with their defaults; a value that does not fit counts as not set. */
export const settings = {
  'tidemark.daemon.address': setting(text, ''),
  'tidemark.daemon.nodePath': setting(text, ''),
  'tidemark.daemon.dataDirectory': setting(text, ''),
  'tidemark.daemon.autoStart': setting(boolean, true),
  'tidemark.inventory.refreshMinutes': setting(integer(1, 1440), 5),
  'tidemark.inventory.hostTimeoutSeconds': setting(integer(1, 300), 20),
  'tidemark.inventory.overdueAfterHours': setting(integer(0, 8760), 26),
  'tidemark.hosts.sortBy': setting(oneOf('name', 'lastBackup'), 'name'),
  'tidemark.runs.progressNotification': setting(boolean, true),
  'tidemark.runs.notifyOnEnd': setting(oneOf('all', 'problems', 'never'), 'all'),
  'tidemark.runs.recentCount': setting(integer(10, 1000), 100),
  'tidemark.repositories.groupBy': setting(oneOf('vm', 'day'), 'vm'),
  'tidemark.restore.folder': setting(text, ''),
  'tidemark.restore.connectNetwork': setting(boolean, false),
  'tidemark.policies.codeLens': setting(boolean, true),
} as const;
export type SettingId = keyof typeof settings;
export type SettingValue<Id extends SettingId> = Parsed<(typeof settings)[Id]['parse']>;

/** Keys of `globalState` and `workspaceState`. */
export const storageKeys = {
  /** SHA-256 of the certificate that the user confirmed, by the address of the remote daemon. */
  daemonCertificates: 'daemon.certificates',
  /** Keys of messages not to be shown again. */
  suppressedMessages: 'messages.suppressed',
  lastRepository: 'backup.lastRepository',
  lastRestoreFolder: 'restore.lastFolder',
  /** When the newest failed run that the user has seen ended. */
  failuresSeen: 'runs.failuresSeen',
} as const;
export type StorageKey = (typeof storageKeys)[keyof typeof storageKeys];

/** Key in SecretStorage of the password of the remote daemon at `address`. */
export const daemonPasswordKey = (address: string): string => `daemon.password:${address}`;

/** Language-model tools. */
export const languageModelTools = {
  listVms: 'tidemark_list_vms',
  runStatus: 'tidemark_run_status',
  explainFailure: 'tidemark_explain_failure',
  startBackup: 'tidemark_start_backup',
} as const;

/** The walkthrough, as `workbench.action.openWalkthrough` wants it. */
export const walkthroughId = 'tidemark.tidemark#start';

/** Language of policy files. */
export const policyLanguageId = 'backup-policy';
/** Ending of policy files. */
export const policySuffix = '.backup.yaml';

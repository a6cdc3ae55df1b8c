/** The line and the tooltip of a host. */
import type { HostEntry, VmEntry } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import type { Cached } from '../../stores/cached.ts';
import { blocks, escaped, factTable, heading, list } from '../tree/markdown.ts';
import { colors, context, joined } from '../tree/row.ts';
import type { Icon, Row } from '../tree/row.ts';
import { shortTimeText, timeText, vmsText, warningsText } from '../tree/texts.ts';
import type { HostNode } from './hosts-nodes.ts';

type Vms = Cached<readonly VmEntry[]>;

/** Whether hosts open by themselves: with a filter, to show what was found. */
interface HostRowOptions {
  readonly now: number;
  readonly filtered: boolean;
}

/** `host` is absent when it went away a moment ago. */
export function hostRow({ host: name }: HostNode, host: HostEntry | undefined, vms: Vms, options: HostRowOptions): Row {
  if (host === undefined) return { label: name, context: context('host', 'gone'), expand: 'never' };
  const description = joined(...facts(host, vms, options.now));
  const simulated = host.status.state === 'reachable' && host.status.info.provider === 'simulated';
  return {
    label: name,
    description,
    icon: icon(host, vms, simulated),
    context: context('host', host.status.state, simulated && 'simulated', isStale(host, vms) && 'stale'),
    accessibility: [l10n.t('Host {0}', name), stateText(host), description.replaceAll(' · ', ', '), ...host.warnings]
      .filter((text) => text !== '')
      .join(', '),
    expand: options.filtered ? 'expanded' : 'collapsed',
  };
}

/** What is warned of at a simulated host is meant for real ones: the line says it, and the icon does not. */
function icon({ status, warnings }: HostEntry, vms: Vms, simulated: boolean): Icon {
  if (status.state === 'unreachable') return { name: 'debug-disconnect', color: colors.bad };
  if (vms.state === 'loading' && vms.readAt === undefined) return { name: 'loading~spin' };
  if (vms.state === 'failed' || (warnings.length > 0 && !simulated)) return { name: 'warning', color: colors.warning };
  return status.state === 'reachable' ? { name: 'server', color: colors.good } : { name: 'server' };
}

function facts({ status, warnings }: HostEntry, vms: Vms, now: number): readonly string[] {
  const count = vms.readAt === undefined ? [] : [vmsText(vms.value.length)];
  if (status.state === 'unreachable') {
    return [l10n.t('unreachable since {0}', shortTimeText(status.since, now)), ...count, ...cachedText(vms, now)];
  }
  const failure = vms.state === 'failed' ? [l10n.t('did not answer'), ...cachedText(vms, now)] : [];
  if (vms.stale && failure.length === 0) return [...count, ...cachedText(vms, now)];
  const system = status.state === 'reachable' ? [status.info.osName] : [];
  const warned = warnings.length === 0 ? [] : [warningsText(warnings.length)];
  return [...failure, ...count, ...system, ...warned];
}

function cachedText({ readAt }: Vms, now: number): readonly string[] {
  return readAt === undefined ? [] : [l10n.t('cached {0}', shortTimeText(readAt, now))];
}

/** Whether what is shown below a host may no longer be true. */
export function isStale({ status }: HostEntry, vms: Vms): boolean {
  return vms.readAt !== undefined && (vms.stale || status.state === 'unreachable');
}

function stateText({ status }: HostEntry): string {
  return stateTexts[status.state]();
}

const stateTexts: Readonly<Record<HostEntry['status']['state'], () => string>> = {
  reachable: () => l10n.t('reachable'),
  unreachable: () => l10n.t('unreachable'),
  unknown: () => l10n.t('not asked yet'),
};

export function hostTooltip(host: HostEntry, vms: Vms, now: number): string {
  const { status } = host;
  const info = status.state === 'reachable' ? status.info : undefined;
  return blocks(
    heading(host.name),
    factTable([
      [l10n.t('State'), stateText(host)],
      [l10n.t('Since'), status.state === 'unreachable' ? timeText(status.since) : undefined],
      [l10n.t('Address'), host.url],
      [l10n.t('System'), info === undefined ? undefined : l10n.t('{0} (build {1})', info.osName, info.build)],
      [l10n.t('Provider'), info === undefined ? undefined : providerText(info.provider)],
      [l10n.t('Agent'), status.state === 'reachable' ? status.agentVersion : undefined],
      [l10n.t('Threads'), String(host.threads)],
      [l10n.t('VMs'), vms.readAt === undefined ? undefined : vms.value.length.toLocaleString()],
      [l10n.t('Read'), vms.readAt === undefined ? undefined : shortTimeText(vms.readAt, now)],
    ]),
    // Not in the table, whose cells do not break it.
    host.certificateSha256 === undefined
      ? undefined
      : escaped(l10n.t('SHA-256 of the certificate: {0}', host.certificateSha256)),
    reasons(host, vms),
    host.warnings.length === 0 ? undefined : blocks(heading(l10n.t('Warnings')), list(host.warnings)),
  );
}

function providerText(provider: 'simulated' | 'hyperv'): string {
  return provider === 'simulated' ? l10n.t('simulated host') : l10n.t('Hyper-V');
}

/** Why the host, or its list of VMs, is not there. */
function reasons({ status }: HostEntry, vms: Vms): string | undefined {
  const error = status.state === 'unreachable' ? status.error : vms.error;
  if (error === undefined) return undefined;
  return blocks(escaped(error.message), error.hint === undefined ? undefined : escaped(error.hint));
}

/** Nodes that every view has: a message in the place of children, and "Load more". */
import { l10n } from '../../base/l10n.ts';
import type { ViewId } from '../../contributions.ts';
import { blocks, escaped } from './markdown.ts';
import { colors, context } from './row.ts';
import type { Icon, Row } from './row.ts';

/** A line that says why there is nothing else, or what is wrong. */
export interface MessageNode {
  readonly kind: 'message';
  readonly id: string;
  readonly level: 'loading' | 'info' | 'warning' | 'error';
  readonly text: string;
  /** What to do about it. */
  readonly hint?: string | undefined;
}

/** The last child of a list that goes on. Its fields are what `tidemark.tree.loadMore` takes. */
export interface MoreNode {
  readonly kind: 'more';
  readonly id: string;
  readonly view: ViewId;
  /** Id of the node whose children these are. */
  readonly list: string;
  readonly shown: number;
  readonly total: number;
  readonly loading: boolean;
}

/** A message below `parent`; `key` tells several apart. */
export function messageNode(
  parent: string,
  level: MessageNode['level'],
  text: string,
  { key = level, hint }: { readonly key?: string; readonly hint?: string | undefined } = {},
): MessageNode {
  const node = { kind: 'message', id: `${parent}/message/${key}`, level, text } as const;
  return hint === undefined ? node : { ...node, hint };
}

/** What went wrong, in one line. */
interface Failure {
  readonly message: string;
  readonly hint?: string | undefined;
}

/** What went wrong, below `parent`. */
export function errorNode(parent: string, error: Failure, key = 'error'): MessageNode {
  const [first = error.message] = error.message.split('\n', 1);
  return messageNode(parent, 'error', first, { key, hint: error.hint });
}

/** "Load more" below `list`. */
export function moreNode(
  view: ViewId,
  list: string,
  page: { readonly shown: number; readonly total: number; readonly loading?: boolean },
): MoreNode {
  return { kind: 'more', id: `${list}/more`, view, list, loading: false, ...page };
}

const icons: Readonly<Record<MessageNode['level'], Icon>> = {
  loading: { name: 'loading~spin' },
  info: { name: 'info' },
  warning: { name: 'warning', color: colors.warning },
  error: { name: 'error', color: colors.bad },
};

export function messageRow({ level, text, hint }: MessageNode): Row {
  const spoken = level === 'error' ? l10n.t('Error: {0}', text) : l10n.t('Warning: {0}', text);
  return {
    label: text,
    description: hint,
    icon: icons[level],
    context: context('message', level),
    accessibility: level === 'error' || level === 'warning' ? [spoken, hint ?? ''].join(' ').trim() : undefined,
    expand: 'never',
  };
}

export function messageTooltip({ text, hint }: MessageNode): string {
  return blocks(escaped(text), hint === undefined ? undefined : escaped(hint));
}

export function moreRow({ view, list, shown, total, loading }: MoreNode): Row {
  const title = l10n.t('Load more');
  return {
    label: loading ? l10n.t('Loading…') : title,
    description: l10n.t('{0} of {1} shown', shown.toLocaleString(), total.toLocaleString()),
    icon: { name: loading ? 'loading~spin' : 'ellipsis' },
    context: context('more'),
    expand: 'never',
    command: loading ? undefined : { id: 'tidemark.tree.loadMore', title, target: { view, list } },
  };
}

/** What a line of a tree shows, free of VS Code: models make rows, the provider turns them into items. */
import type { CommandId } from '../../contributions.ts';

/**
 * A node of a tree. Flat data: two nodes whose fields are the same are the same node. A field that is an object holds what never
 * changes for the same id, and is not compared.
 */
export interface TreeNode {
  /** Unique in its tree, and the same for the same thing as long as it exists: never made from a label. */
  readonly id: string;
}

/** A codicon, and a theme colour where the state is more than neutral. Never the only bearer of a meaning. */
export interface Icon {
  readonly name: string;
  readonly color?: string | undefined;
}

/** What runs when the line is clicked. */
export interface RowCommand {
  readonly id: CommandId;
  readonly title: string;
  readonly target: object;
}

/** One line. */
export interface Row {
  readonly label: string;
  /** The second fact, in a weaker colour. */
  readonly description?: string | undefined;
  readonly icon?: Icon | undefined;
  /** `tidemark.<kind>+token+token`, for the when-clauses of menus. */
  readonly context: string;
  /** What a screen reader says instead of label and description, where an icon or a bar carries meaning. */
  readonly accessibility?: string | undefined;
  readonly expand: 'never' | 'collapsed' | 'expanded';
  readonly command?: RowCommand | undefined;
}

/** Theme colours of states; each also has an icon of its own. */
export const colors = {
  good: 'testing.iconPassed',
  bad: 'list.errorForeground',
  warning: 'list.warningForeground',
  weak: 'disabledForeground',
} as const;

/** Whether two rows look the same. */
export function sameRow(a: Row, b: Row): boolean {
  return (
    a.label === b.label &&
    a.description === b.description &&
    a.icon?.name === b.icon?.name &&
    a.icon?.color === b.icon?.color &&
    a.context === b.context &&
    a.accessibility === b.accessibility &&
    a.expand === b.expand &&
    a.command?.id === b.command?.id
  );
}

/** Joins the parts that are there: `running · last backup 2 h ago`. */
export function joined(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join(' · ');
}

/** A context value: the kind, and the tokens that hold. */
export function context(kind: string, ...tokens: readonly (string | false)[]): string {
  return [`tidemark.${kind}`, ...tokens.filter((token) => token !== false)].join('+');
}

/** What the manifest calls things, so that no test writes a title a second time. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { array, json, object, optional, record, string } from '../../../server/protocol/parse.ts';

export const repositoryRoot = join(import.meta.dirname, '../../..');

const read = (file: string): string => readFileSync(join(repositoryRoot, file), 'utf8');
const named = object({ id: string(), name: string() });
const manifestParser = object({
  version: string(),
  contributes: object({
    commands: array(object({ command: string(), title: string(), category: optional(string()) })),
    views: record(array(named)),
    viewsContainers: object({ activitybar: array(object({ id: string(), title: string() })) }),
    walkthroughs: optional(array(object({ id: string(), title: string() }))),
  }),
});

const texts = json(read('package.nls.json'), record(string({ maxLength: 100_000 })), 'package.nls.json');
/** The text behind `%key%`. */
const text = (value: string): string => value.replace(/^%(.+)%$/, (whole, key: string) => texts[key] ?? whole);
const manifest = json(read('package.json'), manifestParser, 'package.json');

export const extensionVersion = manifest.version;
export const packageFile = join(repositoryRoot, `tidemark-${manifest.version}.vsix`);

function only<T>(items: readonly T[], fits: (item: T) => boolean, what: string): T {
  const found = items.find(fits);
  if (found === undefined) throw new Error(`package.json has no ${what}.`);
  return found;
}

/** A command's title as menus show it. */
export function commandTitle(id: string): string {
  return text(only(manifest.contributes.commands, ({ command }) => command === id, `command ${id}`).title);
}

/** A command as the palette lists it: `Category: Title`. */
export function paletteTitle(id: string): string {
  const { title, category } = only(manifest.contributes.commands, ({ command }) => command === id, `command ${id}`);
  return category === undefined ? text(title) : `${text(category)}: ${text(title)}`;
}

/** A view's name. */
export function viewName(id: string): string {
  return text(only(Object.values(manifest.contributes.views).flat(), (view) => view.id === id, `view ${id}`).name);
}

/** Title of the view container. */
export const containerTitle = text(
  only(manifest.contributes.viewsContainers.activitybar, ({ id }) => id === 'tidemark', 'view container').title,
);

/** Title of the walkthrough. */
export function walkthroughTitle(): string {
  return text(only(manifest.contributes.walkthroughs ?? [], () => true, 'walkthrough').title);
}

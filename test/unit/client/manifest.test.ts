import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import {
  contextKeys,
  languageModelTools,
  policyLanguageId,
  publicCommands,
  settings,
  viewContainer,
  views,
  walkthroughId,
} from '../../../client/contributions.ts';
import { array, boolean, json, object, optional, record, string } from '../../../server/protocol/parse.ts';

const root = join(import.meta.dirname, '../../..');
const text = (file: string): string => readFileSync(join(root, file), 'utf8');
const anything = (value: unknown): unknown => value;
const long = string({ maxLength: 100_000 });
const menuEntry = object({ command: optional(string()), when: optional(long), group: optional(string()) });

/** The parts of the manifest that these tests look at. */
const manifest = json(
  text('package.json'),
  object({
    name: string(),
    publisher: string(),
    main: string(),
    l10n: string(),
    icon: string(),
    extensionKind: array(string()),
    capabilities: object({
      untrustedWorkspaces: object({ supported: anything, restrictedConfigurations: optional(array(string())) }),
      virtualWorkspaces: anything,
    }),
    contributes: object({
      commands: array(
        object({
          command: string(),
          title: string(),
          category: string(),
          icon: optional(anything),
          enablement: optional(long),
        }),
      ),
      configuration: anything,
      languages: optional(array(object({ id: string() }))),
      languageModelTools: array(
        object({ name: string(), modelDescription: long, inputSchema: anything, canBeReferencedInPrompt: boolean }),
      ),
      menus: record(array(menuEntry)),
      views: record(array(object({ id: string(), name: string(), icon: string() }))),
      viewsContainers: object({ activitybar: array(object({ id: string(), icon: string() })) }),
      viewsWelcome: array(object({ view: string(), contents: long, when: optional(long) })),
      walkthroughs: array(
        object({
          id: string(),
          steps: array(
            object({
              id: string(),
              description: long,
              media: record(string()),
              completionEvents: optional(array(string())),
            }),
          ),
        }),
      ),
    }),
  }),
  'package.json',
);
const { contributes } = manifest;
const texts = json(text('package.nls.json'), record(long), 'package.nls.json');

/** Every text of the manifest, however deep. */
function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) yield* textsIn(part);
}
const used = [...textsIn(JSON.parse(text('package.json')))].flatMap((value) => /^%(.+)%$/.exec(value)?.[1] ?? []);

const settingsPage = object({
  properties: record(
    object({
      default: anything,
      scope: string(),
      markdownDescription: optional(string()),
      description: optional(string()),
    }),
  ),
});
const pages: readonly unknown[] = Array.isArray(contributes.configuration)
  ? contributes.configuration
  : [contributes.configuration];
const configuration = new Map(
  pages.flatMap((page) => Object.entries(settingsPage(page, 'contributes.configuration').properties)),
);

const commandIds = Object.keys(publicCommands).sort();
const sorted = (ids: readonly string[]): readonly string[] => [...ids].sort();
const itemMenu = contributes.menus['view/item/context'] ?? [];

/** Every when-clause of the manifest. */
const clauses = [
  ...Object.values(contributes.menus).flatMap((entries) => entries.map(({ when }) => when)),
  ...contributes.viewsWelcome.map(({ when }) => when),
  ...contributes.commands.map(({ enablement }) => enablement),
].filter((when) => when !== undefined);

describe('the manifest', () => {
  it('declares exactly the commands that the code knows, all of one category', () => {
    assert.deepEqual(sorted(contributes.commands.map(({ command }) => command)), commandIds);
    assert.deepEqual(new Set(contributes.commands.map(({ category }) => category)).size, 1);
  });

  it('declares exactly the views of the code, in its order', () => {
    assert.deepEqual(
      (contributes.views[viewContainer] ?? []).map(({ id }) => id),
      views,
    );
    assert.deepEqual(
      contributes.viewsContainers.activitybar.map(({ id }) => id),
      [viewContainer],
    );
  });

  it('declares exactly the settings of the code, with the same defaults and a scope', () => {
    assert.deepEqual(sorted([...configuration.keys()]), sorted(Object.keys(settings)));
    for (const [id, { fallback, parse }] of Object.entries(settings)) {
      const declared = configuration.get(id);
      assert.deepEqual(declared?.default, fallback, id);
      assert.deepEqual(parse(declared?.default, id), fallback, id);
      assert.ok(declared?.markdownDescription ?? declared?.description, id);
    }
  });

  it('declares exactly the language-model tools of the code', () => {
    assert.deepEqual(
      sorted(contributes.languageModelTools.map(({ name }) => name)),
      sorted(Object.values(languageModelTools)),
    );
  });

  it('has the walkthrough, and its steps are finished by commands and keys that exist', () => {
    assert.deepEqual(
      contributes.walkthroughs.map(({ id }) => `${manifest.publisher}.${manifest.name}#${id}`),
      [walkthroughId],
    );
    for (const { id, media, completionEvents = [] } of contributes.walkthroughs.flatMap(({ steps }) => steps)) {
      for (const file of textsIn(media))
        if (/\.\w+$/.test(file)) assert.ok(existsSync(join(root, file)), `${id}: ${file}`);
      for (const event of completionEvents) {
        const command = /^onCommand:(tidemark\..+)$/.exec(event)?.[1];
        if (command !== undefined) assert.ok(commandIds.includes(command), `${id}: ${event}`);
      }
    }
  });

  it('has a text for every key, and no text that nothing uses', () => {
    assert.deepEqual(sorted([...new Set(used)]), sorted(Object.keys(texts)));
  });

  it('asks in when-clauses only for context keys, views and commands that exist', () => {
    for (const when of clauses) {
      for (const [key] of when.matchAll(/\btidemark:[\w.]+/g))
        assert.ok(
          contextKeys.some((known) => known === key),
          `${key} in: ${when}`,
        );
      for (const [, view] of when.matchAll(/\bview == '?([\w.]+)'?/g))
        assert.ok(
          views.some((known) => known === view),
          `${view} in: ${when}`,
        );
    }
  });

  it('puts only its own commands into menus', () => {
    for (const [menu, entries] of Object.entries(contributes.menus))
      for (const { command } of entries)
        if (command?.startsWith('tidemark.') === true) assert.ok(commandIds.includes(command), `${menu}: ${command}`);
  });

  it('links only to its own commands in welcome texts and walkthrough steps', () => {
    const linked = Object.values(texts).flatMap((value) => [...value.matchAll(/\(command:(tidemark\.[\w.]+)/g)]);
    assert.ok(linked.length > 0);
    // VS Code itself gives every view a command that shows it.
    const known = [...commandIds, ...views.map((view) => `${view}.focus`)];
    for (const [, command = ''] of linked) assert.ok(known.includes(command), command);
  });

  it('groups the context menus in the four named groups', () => {
    for (const { command, group } of itemMenu)
      assert.match(group ?? '', /^(inline|1_open|2_run|3_manage|9_destructive)(@\d+)?$/, command);
  });

  it('never offers a destructive action inline', () => {
    const destructive = itemMenu
      .filter(({ group }) => group?.startsWith('9_destructive'))
      .map(({ command }) => command);
    assert.ok(destructive.includes('tidemark.restorePoint.delete'));
    for (const { command, group } of itemMenu)
      if (group?.startsWith('inline') === true && command !== 'tidemark.run.cancel')
        assert.ok(!destructive.includes(command), command);
  });

  it('gives an icon to every command that a title or a row shows as one', () => {
    const shown = [...itemMenu, ...(contributes.menus['view/title'] ?? [])].filter(({ group }) =>
      /^(inline|navigation)/.test(group ?? ''),
    );
    const withIcon = new Set(
      contributes.commands.flatMap(({ command, icon }) => (icon === undefined ? [] : [command])),
    );
    for (const { command = '' } of shown) assert.ok(withIcon.has(command), command);
  });

  it('shows at most three icons in the title of a view', () => {
    for (const view of views) {
      const icons = (contributes.menus['view/title'] ?? []).filter(
        ({ when, group }) => when?.includes(`view == ${view}`) === true && group?.startsWith('navigation') === true,
      );
      // Of a pair that takes turns (filter and clear the filter) one is there at a time.
      const positions = new Set(icons.map(({ group }) => group));
      assert.ok(positions.size <= 3, `${view}: ${[...positions].join(', ')}`);
    }
  });

  it('names files that exist', () => {
    for (const file of [
      manifest.icon,
      manifest.l10n,
      ...contributes.viewsContainers.activitybar.map(({ icon }) => icon),
    ])
      assert.ok(existsSync(join(root, file)), file);
  });

  it('knows what works in untrusted and virtual workspaces, and restricts what names a program', () => {
    assert.equal(manifest.capabilities.untrustedWorkspaces.supported, 'limited');
    assert.notEqual(manifest.capabilities.virtualWorkspaces, undefined);
    const { restrictedConfigurations = [] } = manifest.capabilities.untrustedWorkspaces;
    for (const id of restrictedConfigurations) assert.ok(Object.hasOwn(settings, id), id);
    // A workspace cannot set these at all.
    for (const id of ['tidemark.daemon.nodePath', 'tidemark.daemon.address', 'tidemark.daemon.dataDirectory'])
      assert.match(configuration.get(id)?.scope ?? '', /^(machine|application)$/, id);
  });

  it('runs where the daemon is, from a bundle that VS Code takes for CommonJS', () => {
    assert.equal(manifest.main, './dist/client/extension.cjs');
    assert.ok(manifest.extensionKind.includes('workspace'));
  });

  it('declares the language of policy files once', () => {
    assert.ok((contributes.languages ?? []).every(({ id }) => id === policyLanguageId));
  });
});

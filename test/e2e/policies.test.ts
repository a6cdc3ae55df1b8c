/**
 * A policy from the template to its run, by clicks and keys: what is typed wrong is marked and fixed, names are completed, the plan is read,
 * the policy applied and run, and a changed file is told from what is applied. Each step begins where the one before left the window.
 */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import { commandTitle, containerTitle, paletteTitle, viewName } from '../support/vscode/labels.ts';
import { startSession } from '../support/vscode/session.ts';
import type { Session } from '../support/vscode/session.ts';
import { story } from '../support/vscode/steps.ts';
import { until } from '../support/vscode/until.ts';
import { runText } from './support/runs.ts';

const policies = viewName('tidemark.policies');
const runs = viewName('tidemark.runs');
const hosts = viewName('tidemark.hosts');
const repositories = viewName('tidemark.repositories');
const title = commandTitle;

describe('a policy', () => {
  let session: Session;
  before(async () => {
    session = await startSession();
  });
  after(async () => session[Symbol.asyncDispose]());

  const step = story(() => session);

  /** The line of the policy in its view. */
  const line = async (name = 'nightly'): Promise<string | undefined> => {
    const rows = await session.window.sideBar.rows(policies);
    return rows.find((row) => row.startsWith(name));
  };

  step('begins as a file from a template, with the names that there are', async (window) => {
    const { sideBar, quickInput, editor } = window;
    await sideBar.open(containerTitle);
    await window.command(paletteTitle('tidemark.simulator.try'));
    await sideBar.row(hosts, 'simulated');
    await sideBar.row(repositories, 'demo');
    await window.command('Notifications: Clear All Notifications');
    await window.command(paletteTitle('tidemark.policy.create'));
    await quickInput.pick('Every night');
    await quickInput.prompts(/name of the policy/i);
    await quickInput.type('Nightly', { accept: false });
    await quickInput.complains(/lower-case/);
    await quickInput.type('nightly');
    await editor.shows('host: simulated');
    await editor.shows('repository: demo');
    await until(line, (text) => text?.includes('not applied') === true, 60_000);
  });

  step(
    'marks a host that is not there, explains it by its code, and fixes it with the nearest name',
    async (window) => {
      const { editor } = window;
      await editor.select('simulated');
      await editor.type('simulatd');
      await editor.squiggles('warning').first().waitFor();
      await editor.save();
      await editor.followCode('simulatd');
      // Read, not as a source: a page of its own.
      const explanation = await window.webview();
      await explanation.getByRole('heading', { name: 'TM7301' }).waitFor();
      await explanation.getByText('no such host').waitFor();
      await window.command('View: Close Editor');
      await editor.goBefore('simulatd');
      await editor.fix('simulated');
      await editor.shows('host: simulated');
      await editor.lens('3 VMs').waitFor();
    },
  );

  step('completes VMs with their states', async ({ editor }) => {
    await editor.select('"*"');
    await editor.type('s');
    // Nothing else can stand there that begins so: neither keys nor snippets.
    assert.deepEqual(await editor.completions(), ['shop']);
    await editor.complete('shop');
    await editor.shows(/vms: \[ *"?shop"? *\]/);
    await editor.save();
  });

  step('says what its cron expression means', async ({ editor }) => {
    assert.match(await editor.hover('0 2 * * *'), /02:00/);
  });

  step('shows its plan before anything happens', async (window) => {
    await window.editor.clickLens('Plan', window.page.locator('.tab', { hasText: 'Plan of nightly' }));
    const page = await window.webview();
    await page.getByRole('heading', { name: 'Plan of nightly' }).waitFor();
    await page.getByRole('cell', { name: 'shop' }).first().waitFor();
    await window.command('View: Close Editor');
    await until(line, (text) => text?.includes('not applied') === true);
  });

  step('is applied only after a question that says what follows', async ({ editor, messages }) => {
    await editor.clickLens('Apply', messages.box);
    const question = await messages.dialog();
    assert.match(question.message, /nightly/);
    assert.match(question.detail, /1 VM taken in: 1 new/);
    await messages.answerDialog('Cancel');
    assert.match((await line()) ?? '', /not applied/);
    await editor.clickLens('Apply', messages.box);
    await messages.answerDialog('Apply');
    await until(line, (text) => text?.includes('next') === true && !text.includes('not applied'), 60_000);
    await editor.lens('Applied (version 1)').waitFor();
  });

  step('runs by a click on its lens, and its run has the backup of its VM below it', async ({ editor, sideBar }) => {
    await editor.clickLens('Run now', await sideBar.treeRow(runs, 'Policy nightly'));
    await until(
      () => runText(sideBar, 'Policy nightly'),
      (text) => text?.includes('1 of 1 VMs backed up') === true,
      60_000,
    );
    await sideBar.expand(runs, 'Policy nightly');
    await until(
      () => sideBar.rows(runs),
      (rows) => rows.some((row) => row.startsWith('    ') && row.includes('shop') && row.includes('stored')),
      60_000,
    );
    await until(line, (text) => text?.includes('last run succeeded') === true, 60_000);
  });

  step('tells a changed file from what is applied, and shows the difference', async (window) => {
    const { editor, sideBar } = window;
    await editor.select('keepDaily: 14');
    await editor.type('keepDaily: 21');
    await editor.save();
    await until(line, (text) => text?.includes('changed on disk') === true, 60_000);
    await sideBar.contextMenu(policies, 'nightly', title('tidemark.policy.compare'));
    await window.page.locator('.monaco-diff-editor').waitFor();
    await until(
      async () => (await window.page.locator('.monaco-diff-editor .view-line').allInnerTexts()).join('\n'),
      (text) => text.includes('14') && text.includes('21'),
    );
    await window.command('View: Close Editor');
  });

  step('is rolled back and deleted only after questions that name it', async ({ sideBar, messages, editor }) => {
    await editor.clickLens('Apply', messages.box);
    await messages.answerDialog('Apply');
    await until(line, (text) => text?.includes('changed') === false, 60_000);
    await sideBar.expand(policies, 'nightly');
    await sideBar.expand(policies, 'History');
    await sideBar.contextMenu(policies, 'Version 1', title('tidemark.policy.rollBack'));
    assert.match((await messages.dialog()).message, /nightly back to version 1/);
    await messages.answerDialog('Roll Back');
    await until(
      () => sideBar.rows(policies),
      (rows) => rows.some((row) => row.includes('Version 3') && row.includes('rolled back to version 1')),
      60_000,
    );
    await sideBar.contextMenu(policies, 'nightly', title('tidemark.policy.delete'));
    assert.match((await messages.dialog()).message, /nightly/);
    await messages.answerDialog('Delete');
    await until(line, (text) => text?.includes('not applied') === true, 60_000);
  });

  step('was told of no error of the workbench', async ({ problems }) => {
    await Promise.resolve();
    assert.deepEqual(problems, []);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as vscode from 'vscode';

import { languageModelTools } from '../../client/contributions.ts';
import { simulator } from './support.ts';

/** What a tool answers, as text. */
async function ask(name: string, input: object): Promise<string> {
  const result = await vscode.lm.invokeTool(name, { input, toolInvocationToken: undefined });
  return result.content.map((part) => (part instanceof vscode.LanguageModelTextPart ? part.value : '')).join('\n');
}

describe('the language-model tools', () => {
  it('are known to VS Code', () => {
    const known = new Set(vscode.lm.tools.map(({ name }) => name));
    for (const name of Object.values(languageModelTools)) assert.ok(known.has(name), name);
  });

  it('list the VMs that the Hosts view shows', async () => {
    const vms = await simulator();
    const answer = await ask(languageModelTools.listVms, {});
    for (const { vm } of vms) assert.ok(answer.includes(vm.name), `${vm.name} in: ${answer}`);
  });

  it('tell of runs', async () => {
    await simulator();
    assert.notEqual(await ask(languageModelTools.runStatus, {}), '');
  });
});

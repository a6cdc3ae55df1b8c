/** The refresh commands: what is shown is read again, and hosts are asked again. */
import * as vscode from 'vscode';

import type { App } from '../app.ts';
import type { ViewId } from '../contributions.ts';
import { withProgress } from '../ui/progress.ts';
import { askHost } from './ask/ask-host.ts';
import { askRepository } from './ask/ask-repository.ts';
import type { CommandHandler } from './registry.ts';

/** Shows at the view that it is being read again. */
async function reading(viewId: ViewId, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  await withProgress({ title: vscode.l10n.t('Reading…'), place: { viewId } }, work);
}

export function refreshHost({ stores, ...app }: App): CommandHandler<'tidemark.host.refresh'> {
  return async (_, selection) => {
    const chosen = selection.map(({ host }) => host);
    const title = vscode.l10n.t('Refresh Host');
    const hosts = chosen.length > 0 ? chosen : [await askHost({ stores, ...app }, { title })];
    await reading('tidemark.hosts', async (signal) => stores.vms.loadAll(hosts, { force: true, signal }));
  };
}

export function refreshHosts({ stores: { hosts, vms, restorePoints } }: App): CommandHandler<'tidemark.hosts.refresh'> {
  return async () => {
    restorePoints.expire();
    await reading('tidemark.hosts', async (signal) => {
      await hosts.load({ force: true, signal });
      await vms.loadAll(
        hosts.hosts.value.map(({ name }) => name),
        { force: true, signal },
      );
    });
  };
}

export function refreshRuns({ stores, views }: App): CommandHandler<'tidemark.runs.refresh'> {
  return async () => {
    await reading('tidemark.runs', async (signal) => stores.runs.load({ force: true, signal }));
    views.runs.markSeen();
  };
}

export function refreshRepository(app: App): CommandHandler<'tidemark.repository.refresh'> {
  return async (_, selection) => {
    const chosen = selection.map(({ repository }) => repository);
    const title = vscode.l10n.t('Refresh Repository');
    const names = chosen.length > 0 ? chosen : [await askRepository(app, { title })];
    await readRepositories(app, names);
  };
}

export function refreshRepositories(app: App): CommandHandler<'tidemark.repositories.refresh'> {
  return async () => {
    const { repositories } = app.stores;
    await repositories.load({ force: true });
    await readRepositories(
      app,
      repositories.repositories.value.map(({ name }) => name),
    );
  };
}

async function readRepositories({ stores }: App, names: readonly string[]): Promise<void> {
  await reading('tidemark.repositories', async (signal) => {
    await Promise.all(
      names.map(async (name) => {
        stores.restorePoints.expire(name);
        await stores.repositories.loadStatus(name, { force: true, signal });
      }),
    );
  });
}

/** Keeps the context keys that more than one view reads. */
import { simulatorNames } from '../server/protocol/daemon.ts';
import type { App } from './app.ts';
import { readSetting } from './ui/settings.ts';

/** Sets the keys now and whenever the daemon or a store changes. */
export function registerContextKeys({ daemon, stores, contextKeys, own }: App): void {
  const daemonKeys = (): void => {
    contextKeys.set('tidemark:daemon.state', daemon.state.kind);
    contextKeys.set('tidemark:daemon.remote', readSetting('tidemark.daemon.address') !== '');
  };
  const counts = (): void => {
    contextKeys.set('tidemark:hosts.count', stores.hosts.hosts.value.length);
    contextKeys.set('tidemark:simulator.running', stores.hosts.host(simulatorNames.host) !== undefined);
    contextKeys.set('tidemark:repositories.count', stores.repositories.repositories.value.length);
    contextKeys.set('tidemark:runs.count', stores.runs.runs.value.length);
    contextKeys.set('tidemark:runs.active', stores.runs.active.length);
  };
  own(daemon.onDidChangeState(daemonKeys));
  own(stores.hosts.onDidChange(counts));
  own(stores.repositories.onDidChange(counts));
  own(stores.runs.onDidChange(({ listChanged }) => (listChanged ? counts() : undefined)));
  daemonKeys();
  counts();
}

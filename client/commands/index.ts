/** Every command of the extension: its id, and what it does. */
import type { App } from '../app.ts';
import { addHost } from './host-add.ts';
import { testHost } from './host-test.ts';
import { createRepository } from './repository-create.ts';
import { restoreDisk } from './restore-disk.ts';
import { restoreFromVm, restoreVm } from './restore-vm.ts';
import { simulatorWrite, stopSimulator, trySimulator } from './simulator.ts';
import { backUp, backUpFull } from './vm-back-up.ts';

/** Registers the commands; nothing runs yet. */
export function registerCommands(app: App): void {
  app.own(
    app.commands.register({
      'tidemark.host.add': addHost(app),
      'tidemark.host.test': testHost(app),
      'tidemark.vm.backUp': backUp(app),
      'tidemark.vm.backUpFull': backUpFull(app),
      'tidemark.vm.restore': restoreFromVm(app),
      'tidemark.restorePoint.restoreDisk': restoreDisk(app),
      'tidemark.restorePoint.restoreVm': restoreVm(app),
      'tidemark.repository.create': createRepository(app),
      'tidemark.simulator.try': trySimulator(app),
      'tidemark.simulator.write': simulatorWrite(app),
      'tidemark.simulator.stop': stopSimulator(app),
    }),
  );
}

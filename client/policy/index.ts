/** Language support of policy files. */
import type { App } from '../app.ts';
import { PolicyLanguage } from './policy-language.ts';

/** Registers the commands, and starts the language server when a policy file is open or opens. */
export function registerPolicyLanguage(app: App): void {
  const language = app.own(new PolicyLanguage(app));
  app.endsWith(async () => language.stop());
  app.own(
    app.commands.register({
      'tidemark.policyLanguage.restart': async () => language.restart(),
      'tidemark.policyLanguage.showLog': () => language.showLog(),
    }),
  );
  language.begin();
}

/** What views need of the application. */
import type { App } from '../../app.ts';

/** The application without its views: they are being made. */
export type ViewApp = Pick<
  App,
  'extension' | 'daemon' | 'stores' | 'policyFiles' | 'policies' | 'logs' | 'contextKeys' | 'own'
>;

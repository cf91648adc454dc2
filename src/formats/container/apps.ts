/** SCIF apps of an image: what lies below `/scif/apps`. */
import type { ImageTree } from './tree';

const APPS = 'scif/apps';

/** Names of the apps, sorted. */
export function appNames(tree: ImageTree): string[] {
  return tree.names(APPS).filter((name) => tree.has(`${APPS}/${name}/scif`));
}

/** Variable parts of files that are announced only where they exist. */
const FILES: Record<string, string> = {
  ENV: 'scif/env/90-environment.sh',
  LABELS: 'scif/labels.json',
  RUN: 'scif/runscript',
  START: 'scif/startscript',
};

/**
 * `env/94-appsbase.sh`: where every app lies, visible whether or not one was chosen. Characters that cannot stand in a
 * variable's name become `_` there; paths keep them.
 */
export function appsEnvironment(tree: ImageTree): string {
  return appNames(tree)
    .map((app) => {
      const name = app.replace(/[^A-Za-z0-9_]/g, '_');
      const root = `/${APPS}/${app}`;
      const places: [string, string][] = [
        ['DATA', `/scif/data/${app}`],
        ['META', `${root}/scif`],
        ['ROOT', root],
        ['BIN', `${root}/bin`],
        ['LIB', `${root}/lib`],
      ];
      for (const [part, path] of Object.entries(FILES)) {
        if (tree.has(`${APPS}/${app}/${path}`)) places.push([part, `${root}/${path}`]);
      }
      return places.map(([part, path]) => `export SCIF_APP${part}_${name}="${path}"\n`).join('');
    })
    .join('');
}

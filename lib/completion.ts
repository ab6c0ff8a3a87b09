export function script(_shell: unknown, _options: unknown): string {
  return '';
}

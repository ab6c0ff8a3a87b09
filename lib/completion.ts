// The scripts ask the tool for the names at each completion. Only names that need no quoting in any shell are offered, so no
// script has to quote one.
import type { Option } from './args';
import type { SessionProfile } from './profiles';

const shells = 'bash zsh fish';
const getNames = 'command refresh-mfa --completion names </dev/null 2>/dev/null';

/** What `--completion names` prints: the names of sessions and roles that are one plain word to every shell, a line each. */
export function namesText(sessions: readonly Pick<SessionProfile, 'name' | 'roles'>[]): string {
  const names = sessions.flatMap(({ name, roles }) => [name, ...roles]);
  const plain = names.filter((name) => /^[\w./@%+:][\w./@%+:=-]*$/.test(name));
  return plain.map((name) => `${name}\n`).join('');
}

/** The completion scripts: options and profile names, and nothing where another value is expected. */
export const scripts = { bash, zsh, fish };

// Bash 3.2, which Macs have, cuts words otherwise than later ones: so the line is cut here, and $2 only says which end of the
// word will be replaced.
function bash(options: readonly Option[]): string {
  const free = options.filter(({ name, value }) => value && name !== 'profile' && name !== 'completion');
  const long = free.map(({ name }) => `--${name}`).join('|');
  const switches = options.filter(({ value }) => !value);
  const letters = (some: readonly Option[]) => some.map(({ short }) => short).join('');
  const words = options.flatMap(({ name, short }) => [`--${name}`, ...(short ? [`-${short}`] : [])]);
  return `# bash completion of refresh-mfa; in ~/.bashrc: eval "$(refresh-mfa --completion bash)"
_refresh_mfa() {
  local IFS=$' \\t\\n' line=\${COMP_LINE:0:COMP_POINT} list= name
  local word=\${line##*[[:blank:]]} before
  read -ra before <<<"\${line%"$word"}"
  local previous=\${before[\${#before[@]} - 1]}
  [[ $word =~ ^(--[a-z-]+)=(.*)$ ]] && previous=\${BASH_REMATCH[1]} word=\${BASH_REMATCH[2]}
  COMPREPLY=()
  [[ $word == *"$2" ]] || return
  if [[ $previous == --completion ]]; then list='${shells}'
  elif [[ $previous =~ ^(${long}|-[${letters(switches)}]*[${letters(free)}])$ ]]; then return
  elif [[ $word == -* && " \${before[*]} " != *' -- '* ]]; then list='${words.join(' ')}'
  else list=$(${getNames})
  fi
  for name in $list; do
    [[ $name == "$word"* ]] && COMPREPLY+=("\${name:\${#word} - \${#2}}")
  done
}
complete -F _refresh_mfa refresh-mfa
`;
}

function zsh(options: readonly Option[]): string {
  const names = `($(${getNames}))`;
  const actions: Readonly<Record<string, string>> = { completion: `(${shells})`, profile: names };
  const specs = options.map(({ name, short, value, help }) => {
    const action = value ? `:${value}:${actions[name] ?? ' '}` : '';
    const long = `--${name}${value ? '=' : ''}`;
    const once = name === 'profile' ? '*' : `(-${short} --${name})`;
    const typed = short ? `'${once}'{-${short}${value ? '+' : ''},${long}}` : long;
    return `${typed}'[${help}]${action}'`;
  });
  return `#compdef refresh-mfa
# zsh completion of refresh-mfa; in ~/.zshrc, after compinit: eval "$(refresh-mfa --completion zsh)"
_refresh-mfa() {
  _arguments -s -S ${specs.join(' ')} '*:profile:${names}'
}
if [[ $funcstack[1] == _refresh-mfa ]]; then _refresh-mfa "$@"; else compdef _refresh-mfa refresh-mfa; fi
`;
}

function fish(options: readonly Option[]): string {
  const values: Readonly<Record<string, string>> = { completion: ` -a '${shells}'`, profile: ` -a '(${getNames})'` };
  const lines = options.map(({ name, short, value, help }) => {
    const letter = short ? ` -s ${short}` : '';
    return `complete -c refresh-mfa${letter} -l ${name}${value ? ' -x' : ''}${values[name] ?? ''} -d '${help}'`;
  });
  return `# fish completion of refresh-mfa; in ~/.config/fish/config.fish: refresh-mfa --completion fish | source
complete -c refresh-mfa -f -a '(${getNames})' -d profile
${lines.join('\n')}
`;
}

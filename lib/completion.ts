// The scripts ask the tool for the names at each completion. A name may hold anything, so each is offered as one quoted word;
// one that begins with a dash is offered behind `--` only, since elsewhere it would be taken for an option.
import type { Option } from './args';

const shells = ['bash', 'zsh', 'fish'];
const getNames = 'command refresh-mfa --completion names </dev/null 2>/dev/null';

/** The completion script of a shell: options and profile names, and nothing where another value is expected. */
export function script(shell: 'bash' | 'zsh' | 'fish', options: readonly Option[]): string {
  return shell === 'bash' ? bash(options) : shell === 'zsh' ? zsh(options) : fish(options);
}

// Bash replaces $2, the end of the word, by what it is given, as it stands: quotes that were opened before stay open. So the
// line is read here up to the cursor (COMP_WORDS is of no use: bash 3.2, which Macs have, breaks it elsewhere).
function bash(options: readonly Option[]): string {
  const switches = options.map(({ short = '', value }) => (value ? '' : short)).join('');
  const letters = options.map(({ short = '', value }) => (value ? short : '')).join('');
  const valued = options.filter(({ name, value }) => value && name !== 'completion').map(({ name }) => `--${name}`);
  return `# bash completion of refresh-mfa; in ~/.bashrc: eval "$(refresh-mfa --completion bash)"
_refresh_mfa() {
  local line=\${COMP_LINE:0:COMP_POINT} word= kept= quote= previous= dashes= special= list name i c
  local start=$((\${#line} - \${#2}))
  for ((i = 0; i <= \${#line}; i++)); do
    ((i <= start)) && kept=$word
    c=\${line:i:1}
    case "$quote $c\${line:i+1:1}" in
      "' '"* | '" "'*) quote= ;;
      " '"* | ' "'*) quote=$c ;;
      ' \\'* | '" \\"'* | '" \\$'* | '" \\\`'* | '" \\\\'*) word+=\${line:i+1:1} i=$((i + 1)) ;;
      ' '[[:blank:]]*)
        [[ $word == -- ]] && dashes=1
        [[ -n $word ]] && previous=$word
        word= ;;
      *) word+=$c ;;
    esac
  done
  COMPREPLY=()
  if [[ -n $dashes ]]; then
    list=$(${getNames})
  elif [[ $previous == --completion ]]; then
    list='${shells.join('\n')}'
  elif [[ $previous =~ ^(${valued.join('|')}|-[${switches}]*[${letters}])$ ]]; then
    return
  elif [[ $word == --completion=* ]]; then
    list='${shells.map((name) => `--completion=${name}`).join('\n')}'
  elif [[ $word == -* ]]; then
    list='${options.map(({ name, short }) => (short ? `--${name}\n-${short}` : `--${name}`)).join('\n')}'
  else
    list=$(${getNames} | sed '/^-/d')
  fi
  case $quote in
    '') special=$'\\\\ \\t"\\'$\`!&;|<>()[]{}*?#~' ;;
    '"') special='\\"$\`' ;;
  esac
  while IFS= read -r name; do
    [[ -n $name && $name == "$word"* ]] || continue
    name=\${name:\${#kept}}
    [[ $name == *[!A-Za-z0-9_.-]* ]] && for ((i = 0; i < \${#special}; i++)); do
      c=\${special:i:1}
      name=\${name//"$c"/"\\\\$c"}
    done
    [[ $quote == "'" ]] && name=\${name//\\'/"'\\\\''"}
    [[ $quote == '"' ]] && name=\${name//!/\\"\\'!\\'\\"}
    # readline takes a quote at either end for the one that is there or needed
    [[ -n $quote && $name == "$quote"* ]] && name=$quote$name
    [[ -n $quote && $name == *"$quote" ]] && name=$name$quote
    COMPREPLY+=("$name")
  done <<<"$list"
}
complete -F _refresh_mfa refresh-mfa
`;
}

function zsh(options: readonly Option[]): string {
  const specs = options.map(({ name, short, value, help }) => {
    const action = !value ? '' : name === 'completion' ? `:${value}:(${shells.join(' ')})` : `:${value}: `;
    const rest = single(`[${help.replace(/[[\]\\]/g, '\\$&')}]${action}`);
    const equals = value ? '=' : '';
    if (!short) return `--${name}${equals}${rest}`;
    return `'(-${short} --${name})'{-${short}${value ? '+' : ''},--${name}${equals}}${rest}`;
  });
  return `#compdef refresh-mfa
# zsh completion of refresh-mfa; in ~/.zshrc, after compinit: eval "$(refresh-mfa --completion zsh)"
_refresh-mfa_names() {
  local -a names expl
  names=(\${(f)"$(${getNames})"})
  [[ -n \${words[(r)--]} ]] || names=(\${names:#-*})
  _wanted profiles expl profile compadd -a names
}
_refresh-mfa() {
  _arguments -s -S \\
    ${specs.join(' \\\n    ')} \\
    '*:profile:_refresh-mfa_names'
}
if [[ $funcstack[1] == _refresh-mfa ]]; then _refresh-mfa "$@"; else compdef _refresh-mfa refresh-mfa; fi
`;
}

function fish(options: readonly Option[]): string {
  const lines = options.map(({ name, short, value, help }) => {
    const words = name === 'completion' ? ` -a ${single(shells.join(' '))}` : '';
    return `complete -c refresh-mfa ${short ? `-s ${short} ` : ''}-l ${name}${value ? ' -x' : ''}${words} -d ${single(help)}`;
  });
  return `# fish completion of refresh-mfa; in ~/.config/fish/config.fish: refresh-mfa --completion fish | source
function __refresh_mfa_names
    set -l names (${getNames})
    contains -- -- (commandline -opc); or set names (string match -v -- '-*' $names)
    printf '%s\\n' $names
end
complete -c refresh-mfa -f -a '(__refresh_mfa_names)' -d profile
${lines.join('\n')}
`;
}

/** A word of zsh and fish; help texts hold no backslash, which fish would read otherwise. */
function single(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
